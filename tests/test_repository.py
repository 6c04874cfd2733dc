"""The files around the code, for people and for a code host, agree with it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from tests.dependencies import PROJECT, ROOT, TOOLS

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_the_newest_entry_of_the_changelog_is_the_version() -> None:
    entries = re.findall(r"^## \[(.*?)\] - (.*)$", CHANGELOG, re.MULTILINE)

    assert entries[0][0] == PROJECT["version"]
    assert [date for _, date in entries] == sorted((date for _, date in entries), reverse=True)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, date in entries)


def test_the_changelog_has_the_kinds_of_change_that_its_form_knows() -> None:
    kinds = set(re.findall(r"^### (.*)$", CHANGELOG, re.MULTILINE))

    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_an_installed_copy_has_every_file_of_the_packages() -> None:
    data: dict[str, list[str]] = TOOLS["setuptools"]["package-data"]
    shipped = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
        if path.is_file()
    }
    others = {
        path
        for package in ("bot", "captioner", "train")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }

    assert others == shipped


def test_every_python_that_is_promised_runs_the_tests() -> None:
    workflow = read(".github/workflows/test.yml")["jobs"]["test"]
    versions = workflow["strategy"]["matrix"]["python"]
    promised = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)

    assert versions == promised
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in versions)
    assert PROJECT["requires-python"] == f">={versions[0]}"


def test_the_workflow_and_the_other_ci_run_the_targets_that_people_run() -> None:
    commands = [
        step["run"]
        for step in read(".github/workflows/test.yml")["jobs"]["test"]["steps"]
        if "run" in step
    ]

    assert len(commands) == 1
    assert re.fullmatch(r"make \$\{\{.*'test-all' \|\| 'test' \}\} PYTHON=python", commands[0])
    assert (ROOT / ".ci" / "run").read_text().endswith("exec make test\n")


def test_the_commit_hooks_run_what_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"] for hook in repository["hooks"]]

    assert [line.strip() for line in recipe.replace("$(BIN)", ".venv/bin").splitlines()] == entries
    assert all(hook["language"] == "system" for hook in repository["hooks"])


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_issue_forms_have_labels_and_distinct_names(form: Path) -> None:
    body = yaml.safe_load(form.read_text())
    asked = [element for element in body["body"] if element["type"] != "markdown"]

    assert body["name"]
    assert body["description"]
    assert all(element["attributes"]["label"] for element in asked)
    assert len({element["id"] for element in asked}) == len(asked) > 0
    assert any(element.get("validations", {}).get("required") for element in asked)


def test_dependencies_and_actions_are_kept_up_to_date() -> None:
    updates = read(".github/dependabot.yml")["updates"]

    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_everything_that_the_security_policy_names_exists() -> None:
    policy = (ROOT / "SECURITY.md").read_text()
    settings = (ROOT / ".env.example").read_text()

    for key in set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", policy)):
        assert re.search(rf"^{key}=", settings, re.MULTILINE), key
    for link in re.findall(r"\]\((?!https?:)(.*?)\)", policy):
        assert (ROOT / link).is_file()
