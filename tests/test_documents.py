"""The README is short, links lead somewhere, and the commands in the documents can be run."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import bot.__main__
import captioner.__main__
import train.__main__
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / f"{name}/README.md" for name in ("benchmarks", "deploy", "examples")),
    ROOT / "captioner/weights/MODEL_CARD.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
MOST_WORDS = 1000  # of the README
ROOMS = ("benchmarks", "bot", "captioner", "deploy", "docs", "examples", "tests", "train")
# Keys of the environment that others read.
NO_SETTINGS = {
    "GLOO_SOCKET_IFNAME",
    "NCCL_SOCKET_IFNAME",
    "ORT_DISABLE_TELEMETRY",
    "RAY_USAGE_STATS_ENABLED",
}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(ROOMS)})/[\w./*-]*")
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")
KEY = re.compile(r"([A-Z][A-Z_]+)(?:=\S*)?")
END_OF_COMMAND = re.compile(r"&&|\||;|(?:^|\s)#")

Main = Callable[[Sequence[str]], object]

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS]
)


class Code(NamedTuple):
    """A block of code, or a span within a sentence."""

    language: str
    text: str


def code_of(document: Path) -> list[Code]:
    text = document.read_text()
    blocks = [Code(language, code) for language, code in FENCE.findall(text)]
    return blocks + [Code("", span) for span in SPAN.findall(FENCE.sub("", text))]


def commands_of(document: Path) -> Iterator[str]:
    """Find the commands, each on one line and without a comment."""
    for code in code_of(document):
        for line in code.text.replace("\\\n", " ").splitlines():
            yield from (command.strip() for command in END_OF_COMMAND.split(line))


def anchors_of(document: Path) -> set[str]:
    """Name the headings as GitHub does: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= MOST_WORDS


@each_document
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for target in filter(None, (a or b for a, b in LINK.findall(document.read_text()))):
        if re.match(r"\w+:", target):  # on another server
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors_of(path), target


@each_document
def test_every_path_in_code_exists(document: Path) -> None:
    for code in code_of(document):
        for path in PATH.findall(code.text):
            assert any(ROOT.glob(path.rstrip("/."))), path


@each_document
def test_every_python_script_runs_as_it_stands(document: Path) -> None:
    for code in code_of(document):
        if code.language == "python":
            compile(code.text, str(document), "exec")  # refuses `await` outside of a function


@cache
def help_of(program: str, *command: str) -> str:
    mains: dict[str, Main] = {
        "bot": bot.__main__.main,
        "captioner": captioner.__main__.main,
        "train": train.__main__.main,
    }
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(SystemExit):
        mains[program]([*command, "--help"])
    return printed.getvalue()


@each_document
def test_every_flag_of_a_command_is_in_its_help(document: Path) -> None:
    for command in commands_of(document):
        found = re.search(r"python -m (bot|captioner|train)(?= |$)(?: (\w[\w-]*))?", command)
        if found is None:
            continue
        program, word = found[1], found[2]
        words = ("inbox", "feedback", "export")
        subcommand: tuple[str, ...] = (word,) if program == "train" or word in words else ()
        if action := re.match(r" (list|export|forget)\b", command[found.end() :]):
            subcommand += (action[1],)
        if program == "train" and word in (None, "COMMAND"):
            continue
        known = set(FLAG.findall(help_of(program, *subcommand)))
        assert set(FLAG.findall(command[found.end() :])) <= known, command


@each_document
def test_every_target_of_make_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in commands_of(document):
        if found := re.match(r"make ([a-z][a-z-]*)", command):
            assert found[1] in targets, command


@each_document
def test_every_flag_of_a_benchmark_is_its_own(document: Path) -> None:
    for command in commands_of(document):
        if found := re.search(r"python (benchmarks/\w+\.py)", command):
            known = set(FLAG.findall((ROOT / found[1]).read_text()))
            assert set(FLAG.findall(command[found.end() :])) <= known, command


@each_document
def test_every_setting_that_is_named_exists(document: Path) -> None:
    names = {match[1] for code in code_of(document) if (match := KEY.fullmatch(code.text))}
    assert {name.lower() for name in names - NO_SETTINGS} <= Settings.model_fields.keys()
