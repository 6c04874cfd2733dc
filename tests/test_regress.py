"""Two revisions are timed side by side, and nothing is left behind."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmark import BENCHMARKS, ROOT, photos
from tests.conftest import long

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="revisions are git's")

SLEEPER = """
import asyncio

class Captioner:
    load = classmethod(lambda cls: cls())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        pass

    async def caption(self, photo):
        await asyncio.sleep({seconds})
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with the revisions `quick`, `slow` and `endless`, which behave so."""
    folder = tmp_path / "repository"
    (folder / "captioner").mkdir(parents=True)
    git(folder, "init", "--quiet")
    for name, seconds in {"quick": 0.001, "slow": 0.1, "endless": 600}.items():
        (folder / "captioner" / "__init__.py").write_text(SLEEPER.format(seconds=seconds))
        commit(folder)
        git(folder, "tag", name)
    return folder


def git(folder: Path, *arguments: str) -> str:
    own = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
    return subprocess.check_output(["git", "-C", folder, *own, *arguments], text=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--no-gpg-sign", "--message", "as it is")


def compare(repository: Path, *arguments: object) -> subprocess.Popen[str]:
    folder, sent = repository.parent / "temporary", repository.parent / "photos"
    folder.mkdir()
    sent.mkdir()
    short = ("--rounds", "2", "--repeats", "2", "--patience", "0")
    places = ("--repository", repository, "--photos", photos(sent))
    return subprocess.Popen(
        [sys.executable, BENCHMARKS / "regress.py", *short, *places, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
    )


def assert_nothing_is_left(repository: Path) -> None:
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert not list((repository.parent / "temporary").glob("revision-*"))


@pytest.mark.parametrize(
    ("old", "new", "status", "verdict"),
    [("quick", "slow", 1, "is slower than"), ("slow", "quick", 0, "is not slower than")],
)
def test_the_exit_status_tells_whether_the_new_revision_is_slower(
    old: str, new: str, status: int, verdict: str, repository: Path
) -> None:
    process = compare(repository, old, new)
    said, error = process.communicate()
    assert process.returncode == status, error
    assert f"{new} {verdict} {old} by more than 5%." in said
    assert_nothing_is_left(repository)


@long
def test_this_captioner_is_timed_from_its_own_revision(served_file: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    left_out = shutil.ignore_patterns("default.*", "small.*", "__pycache__")
    shutil.copytree(ROOT / "captioner", repository / "captioner", ignore=left_out)
    git(repository, "init", "--quiet")
    commit(repository)
    process = compare(
        *(repository, "HEAD", "HEAD", "--checkpoint", served_file),
        *("--rounds", 1, "--repeats", 1, "--tolerance", 1000),
    )
    said, error = process.communicate()
    assert process.returncode == 0, error
    assert "| photos | HEAD (onnx) | HEAD (onnx) | new / old |" in said
    assert_nothing_is_left(repository)


def test_an_unknown_revision_is_named(repository: Path) -> None:
    process = compare(repository, "quick", "nonsense")
    _, error = process.communicate()
    assert process.returncode == 1
    assert "'nonsense' cannot be checked out" in error
    assert_nothing_is_left(repository)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_it_leaves_nothing_behind(number: signal.Signals, repository: Path) -> None:
    process = compare(repository, "endless", "endless")
    assert process.stderr is not None
    assert process.stderr.readline() == "round 1\n"
    assert len(git(repository, "worktree", "list").splitlines()) == 3
    process.send_signal(number)
    process.communicate()
    assert process.returncode == 128 + number
    assert_nothing_is_left(repository)
