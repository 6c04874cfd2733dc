"""`make` installs what this machine needs, and a person can decide otherwise."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(
    *arguments: str, folder: Path, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the Makefile in another folder, and not as a part of the `make test` that runs now."""
    mine = {"GPU", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    clean = {key: value for key, value in os.environ.items() if key not in mine}
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return subprocess.run(
        ["make", *arguments, f"PYTHON={python}"],
        cwd=folder,
        env=clean | environment,
        capture_output=True,
        text=True,
    )


def extras(planned: str) -> list[str]:
    return re.findall(r"--editable '\.\[(.*)\]'", planned)


def has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("gpu", "expected"), [("0", "bot"), ("1", "bot,gpu")])
def test_a_person_decides_whether_pytorch_is_installed(
    gpu: str, expected: str, tmp_path: Path
) -> None:
    assert extras(make("-n", "run", f"GPU={gpu}", folder=tmp_path).stdout) == [expected]
    assert extras(make("-n", "install", folder=tmp_path, GPU=gpu).stdout) == [expected]


def test_by_default_the_driver_decides(tmp_path: Path) -> None:
    planned = make("-n", "run", folder=tmp_path).stdout

    assert extras(planned) == ["bot,gpu" if has_driver() else "bot"]


@pytest.mark.skipif(sys.platform != "linux", reason="the loader is told where to search")
def test_a_driver_is_found_where_the_loader_finds_it(tmp_path: Path) -> None:
    maps = Path("/proc/self/maps").read_text()
    (library, *_) = re.findall(r"/\S*/libc[.-]\S+", maps)
    (tmp_path / "libcuda.so.1").symlink_to(library)

    planned = make("-n", "run", folder=tmp_path, LD_LIBRARY_PATH=str(tmp_path)).stdout

    assert extras(planned) == ["bot,gpu"]


def test_another_value_is_refused(tmp_path: Path) -> None:
    done = make("-n", "run", "GPU=yes", folder=tmp_path)

    assert done.returncode != 0
    assert "GPU is yes; allowed are 0 and 1" in done.stderr


@pytest.mark.parametrize("python", ["true", "false", "no-such-program"])
def test_a_program_that_is_no_recent_python_is_refused(python: str, tmp_path: Path) -> None:
    done = make("install", "GPU=0", folder=tmp_path, python=python)

    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_changing_the_choice_installs_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    stamps = tmp_path / ".venv"

    (stamps / "run.stamp").touch()
    assert extras(make("-n", "run", "GPU=0", folder=tmp_path).stdout) == []
    assert extras(make("-n", "run", "GPU=1", folder=tmp_path).stdout) == ["bot,gpu"]

    (stamps / "gpu.stamp").touch()
    assert extras(make("-n", "run", "GPU=1", folder=tmp_path).stdout) == []
    assert extras(make("-n", "test", folder=tmp_path).stdout) == ["dev"]


def test_make_says_first_what_it_installs_and_how_large_it_is(tmp_path: Path) -> None:
    for goal in (("run", "GPU=0"), ("run", "GPU=1"), ("test",)):
        planned = make("-n", *goal, folder=tmp_path).stdout
        before, _, after = planned.partition("--editable")
        assert re.search(r"echo 'Installing .*\d+ [GM]B", before)
        assert "--quiet" not in before + after


def test_help_lists_every_target(tmp_path: Path) -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = make("help", folder=tmp_path).stdout

    assert re.findall(r"^make (\S+) +\S", listed, re.MULTILINE) == phony.split()
