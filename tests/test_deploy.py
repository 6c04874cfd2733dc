"""The files that run the bot as a service name settings, files and metrics that exist."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from bot import metrics
from bot.answers import Problem
from bot.settings import Settings
from bot.store.inbox_rows import State
from tests.dependencies import PROJECT, ROOT, TOOLS

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "photo-captioner.service").read_text()
CONTAINERFILE = (DEPLOY / "Containerfile").read_text()
BOT = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["bot"]
DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
QUERIES += [rule["expr"] for rule in RULES]
OF_EVERY_TARGET = {"job", "instance"}
OF_PYTHON = {"PATH", "PYTHONDONTWRITEBYTECODE"}


def labels_by_sample() -> dict[str, set[str]]:
    """Return the samples that `/metrics` has, and the labels that distinguish them."""
    found = {
        sample.name: set(sample.labels)
        for family in REGISTRY.collect()
        if family.name.startswith("process_")
        for sample in family.samples
    }
    ends = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            for end in ends[family.type]:
                extra = {"le"} if end == "_bucket" else set()
                found[family.name + end] = {*metric._labelnames, *extra}
    return found


def selectors(query: str) -> Iterator[tuple[str, dict[str, set[str]]]]:
    """Find the metrics of a query, with the values that it wants of their labels."""
    for name, wanted in re.findall(r"\b((?:captioner|process)_\w+)(?:\{(.*?)\})?", query):
        matchers = re.findall(r'(\w+)=~?"(.*?)"', wanted)
        yield name, {label: set(values.split("|")) for label, values in matchers}


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from /proc")
@pytest.mark.parametrize("query", QUERIES)
def test_every_metric_and_label_of_a_query_exists(query: str) -> None:
    known = labels_by_sample()
    used = list(selectors(query))
    assert used
    for name, wanted in used:
        assert wanted.keys() <= known[name]
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
    mentioned = {label for labels in grouped for label in labels.split(", ")}
    assert mentioned <= set.union(*(known[name] for name, _ in used)) | OF_EVERY_TARGET


def test_every_kind_and_state_in_a_query_exists() -> None:
    kinds = {*get_args(Problem), "unreachable", "undelivered"}  # the last two are the adapters'
    allowed = {"kind": kinds, "state": set(get_args(State))}
    wanted = [
        (label, values)
        for query in QUERIES
        for _, labels in selectors(query)
        for label, values in labels.items()
    ]

    assert {label for label, _ in wanted} == {"kind", "state"}
    for label, values in wanted:
        assert values <= allowed[label]


def test_the_adapters_count_the_kinds_that_only_they_know() -> None:
    rooms = (ROOT / "bot" / "telegram", ROOT / "bot" / "discord")
    adapters = "".join(path.read_text() for room in rooms for path in room.glob("*.py"))

    assert '"unreachable"' in adapters
    assert '"undelivered"' in adapters


def test_every_panel_and_its_legend_can_be_shown() -> None:
    names = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(names)) == len(names)
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
    assert [one["name"] for one in DASHBOARD["templating"]["list"]] == ["datasource"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert label in target["expr"] or label in labels_by_sample()[target["expr"]]


def test_every_metric_of_the_bot_is_on_the_dashboard() -> None:
    shown = {name for query in QUERIES for name, _ in selectors(query)}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            assert any(name.startswith(family.name) for name in shown), family.name


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_every_alert_says_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    for key in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", rule["annotations"]["description"]):
        assert key.lower() in Settings.model_fields


def test_prometheus_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    rules = str(DEPLOY / "alerts.yaml")
    checked = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def unit_environment() -> dict[str, str]:
    (line,) = re.findall(r"^Environment=(.*)$", UNIT, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


def image_environment() -> dict[str, str]:
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", CONTAINERFILE, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


@pytest.mark.parametrize(
    "environment",
    [unit_environment(), image_environment(), BOT["environment"]],
    ids=["unit", "image", "compose"],
)
def test_only_settings_that_exist_are_set(environment: dict[str, str]) -> None:
    settings = {key.lower(): value for key, value in environment.items() if key not in OF_PYTHON}
    assert settings
    assert settings.keys() <= Settings.model_fields.keys()
    Settings.model_validate(settings)


def test_nothing_is_killed_before_it_may_finish() -> None:
    seconds = Settings.model_fields["stop_seconds"].default
    (unit,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)

    assert int(unit) > seconds + 10
    assert int(BOT["stop_grace_period"].removesuffix("s")) > seconds + 10
    assert "KillMode=mixed" in UNIT
    assert "STOPSIGNAL SIGTERM" in CONTAINERFILE


def test_the_data_of_the_bot_outlives_the_container() -> None:
    (state,) = re.findall(r"^StateDirectory=(.*)$", UNIT, re.MULTILINE)
    assert f"WorkingDirectory=%S/{state}\n" in UNIT
    assert not Settings.model_fields["data_dir"].default.is_absolute()
    volumes = dict(volume.split(":") for volume in BOT["volumes"])
    assert volumes["data"] == BOT["environment"]["DATA_DIR"] == image_environment()["DATA_DIR"]
    assert "VOLUME /data" in CONTAINERFILE


def test_a_container_has_few_rights_and_is_reached_from_its_machine_alone() -> None:
    assert BOT["read_only"] is True
    assert BOT["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in BOT["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in BOT["ports"])
    assert re.findall(r"^USER (.*)$", CONTAINERFILE, re.MULTILINE) == ["bot"]


def files_of(path: Path) -> Iterator[Path]:
    """Yield what COPY copies of a file or a folder."""
    yield from (path,) if path.is_file() else path.rglob("*")


@pytest.mark.parametrize(("gpu", "extras"), [("0", "bot"), ("1", "bot,gpu"), (None, "bot")])
def test_the_image_holds_pytorch_only_for_a_gpu(
    gpu: str | None, extras: str, tmp_path: Path
) -> None:
    (default,) = re.findall(r"^ARG GPU=(.*)$", CONTAINERFILE, re.MULTILINE)
    runs = re.findall(r"^RUN ((?:.*\\\n)*.*)$", CONTAINERFILE, re.MULTILINE)
    (install,) = (run for run in runs if "--constraint" in run)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o700)

    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "GPU": gpu or default}
    done = subprocess.run(
        ["sh", "-ec", install], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith(f" --constraint constraints.txt .[{extras}]\n")


def test_a_gpu_is_given_to_the_container_that_was_built_for_one() -> None:
    service = yaml.safe_load((DEPLOY / "compose.gpu.yaml").read_text())["services"]["bot"]

    assert service == {"build": {"args": {"GPU": "1"}}, "gpus": "all"}
    assert BOT["build"].get("args") is None


def test_the_image_is_built_from_files_that_exist_and_holds_every_package() -> None:
    copied = [
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", CONTAINERFILE, re.MULTILINE)
        for name in line.split()
    ]
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()

    assert all((ROOT / name).exists() for name in copied)
    assert {f"!{name}" for name in copied} == {line for line in ignored if line.startswith("!")}
    patterns = TOOLS["setuptools"]["packages"]["find"]["include"]
    assert {pattern.removesuffix("*") for pattern in patterns} <= set(copied)
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= {
        str(path.relative_to(ROOT)) for name in copied for path in files_of(ROOT / name)
    }
    assert (DEPLOY / BOT["build"]["context"]).resolve() == ROOT
    assert (ROOT / BOT["build"]["dockerfile"]).is_file()


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return the unit as it would be with the checkout in the place that it names."""
    path = tmp_path / "photo-captioner.service"
    path.write_text(UNIT.replace("/opt/photo-captioner/.venv/bin/python", sys.executable))
    return path


def analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_the_whole_unit(unit: Path) -> None:
    said = analyze("verify", str(unit))

    assert not [line for line in said.splitlines() if "photo-captioner" in line]


def test_the_unit_is_well_confined(unit: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", str(unit))
    exposure = re.search(r"exposure level .*: ([\d.]+)", said)

    assert exposure is not None
    assert float(exposure[1]) < 2
