"""What `make run` installs without a GPU captions and serves, and is small: there is no PyTorch."""

import os
import shutil
import subprocess
import venv
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from tests.conftest import LONG
from tests.dependencies import EXTRAS, PROJECT, ROOT, installed, required

MEGABYTES = 400  # that the environment may take
PACKAGES = ("bot", "captioner", "train")

# The first is made of the files of the packages that this Python runs with, in a second and without
# a network: of those that `.[bot]` brings, and no other. The second is what a person gets.
WAYS = ["linked", pytest.param("by pip", marks=pytest.mark.skipif(not LONG, reason="TEST_ALL"))]


@pytest.fixture(scope="module", params=WAYS)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with `.[bot]`."""
    folder = tmp_path_factory.mktemp("light")
    environment = folder / "environment"
    venv.create(environment, symlinks=os.name != "nt", with_pip=request.param == "by pip")
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if request.param == "by pip":
        install(python, folder / "source")
    else:
        link(site_packages(python))
    return python


def link(target: Path) -> None:
    """Hard-link the packages that `.[bot]` brings, and name the folder of the project's own."""
    for name in sorted(installed(required(["bot"]))):
        for source, relative in files(name):
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, target / relative)
            except OSError:  # another file system
                shutil.copy2(source, target / relative)
    (target / "project.pth").write_text(str(ROOT))


def files(name: str) -> Iterator[tuple[Path, Path]]:
    """Yield the files of an installed package and where they belong, compiled ones included."""
    package = distribution(name)
    root = Path(str(package.locate_file("")))
    recorded = {Path(str(file)) for file in package.files or ()}
    assert recorded, name
    for relative in recorded - {file for file in recorded if ".." in file.parts}:  # commands
        yield root / relative, relative
        if relative.suffix == ".py":
            compiled = Path(cache_from_source(str(relative)))
            if compiled not in recorded and (root / compiled).exists():
                yield root / compiled, compiled


def install(python: Path, source: Path) -> None:
    """Install a copy of the project as `make run` does: it leaves files in the folder."""
    source.mkdir()
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--constraint", "constraints.txt", "--editable", ".[bot]")
    subprocess.run([python, "-m", "pip", "install", *options], cwd=source, check=True)


def site_packages(python: Path) -> Path:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(run(python, "-c", code).stdout.strip())


def run(python: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an isolated Python: nothing outside of its environment can be imported."""
    clean = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    return subprocess.run(
        [python, "-I", *arguments],
        cwd=python.parent,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_neither_pytorch_nor_training_or_development_packages_are_installed(python: Path) -> None:
    others = {"torch", "torchvision", "onnx", "accelerate", "matplotlib", "pytest", "hypothesis"}
    code = f"from importlib.util import find_spec; print(*filter(find_spec, {sorted(others)}))"

    assert run(python, "-c", code).stdout.split() == []


def test_it_takes_at_most_400_megabytes(python: Path) -> None:
    taken: dict[int, int] = {}
    for folder, _, names in os.walk(python.parents[1]):
        for status in (os.lstat(os.path.join(folder, name)) for name in names):
            taken[status.st_ino] = status.st_size
    assert 100 < sum(taken.values()) / 2**20 < MEGABYTES


def test_a_photo_is_captioned(python: Path) -> None:
    done = run(python, "-m", "captioner", str(ROOT / "examples" / "bird.jpg"))

    assert done.returncode == 0, done.stderr
    assert "bird" in done.stdout


def test_the_check_of_the_bot_passes(python: Path, tmp_path: Path) -> None:
    done = run(python, "-m", "bot", "--check", DATA_DIR=str(tmp_path), WEB_PORT="0")

    assert done.returncode == 0, done.stderr
    assert "Web chat: http://127.0.0.1:" in done.stdout


def test_the_command_that_needs_pytorch_names_its_extra(python: Path) -> None:
    done = run(python, "-m", "captioner", "export", "--help")

    assert done.returncode == 1
    assert "pip install -e '.[export]'" in done.stderr


def test_every_extra_that_brings_pytorch_brings_the_same() -> None:
    def pytorch(extra: str) -> set[str]:
        return {str(one) for one in required([extra]) if one.name in ("torch", "torchvision")}

    assert {extra for extra in EXTRAS if pytorch(extra)} == {"gpu", "export", "train", "dev"}
    for extra in ("export", "train", "dev"):
        assert pytorch(extra) == pytorch("gpu") == set(EXTRAS["gpu"])
    assert PROJECT["dependencies"]
