"""No dependency calls home: captioning leaves no file, and the bot asks for no foreign name."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.conftest import LONG, photo_bytes

ROOT = Path(__file__).parents[1]
RESOLVER = ROOT / "tests" / "resolver.py"
TELEGRAM = "telegram.test"
APART = ("unshare", "--map-root-user", "--net", "--mount")
# That the bot runs: a library may wait before it reports its use.
SECONDS = 50 if LONG else 0


def environment(home: Path, **keys: str) -> dict[str, str]:
    """Return an environment with an empty home, none of the settings, and these keys."""
    home.mkdir()
    hidden = {name.upper() for name in Settings.model_fields} | {"ORT_DISABLE_TELEMETRY"}
    kept = {
        key: value
        for key, value in os.environ.items()
        if key.upper() not in hidden and not key.startswith("XDG_")
    }
    common = {"HOME": str(home), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WEB_PORT": "0"}
    return kept | common | keys


def test_captioning_leaves_no_file_in_an_empty_home(served_file: Path, tmp_path: Path) -> None:
    home, photo = tmp_path / "home", tmp_path / "photo.jpg"
    photo.write_bytes(photo_bytes(1))

    done = subprocess.run(
        [sys.executable, "-m", "captioner", photo, "--checkpoint", served_file],
        env=environment(home),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert list(home.iterdir()) == []


def test_the_bot_asks_only_for_the_names_in_its_settings(served_file: Path, tmp_path: Path) -> None:
    if sys.platform != "linux" or subprocess.run([*APART, "true"], capture_output=True).returncode:
        pytest.skip("needs network namespaces, which this machine does not allow")
    home = tmp_path / "home"
    keys = {
        "CAPTIONER_CHECKPOINT": str(served_file),
        "TELEGRAM_BOT_TOKEN": "12345:abcdef",
        "TELEGRAM_API_URL": f"http://{TELEGRAM}",
    }

    done = subprocess.run(
        [*APART, sys.executable, RESOLVER, TELEGRAM, str(SECONDS), sys.executable, "-m", "bot"],
        env=environment(home, **keys),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.stdout.split() == [TELEGRAM], done.stderr
    assert list(home.iterdir()) == []


def test_only_the_captioner_imports_onnx_runtime_at_its_start() -> None:
    """Importing `captioner` switches the telemetry off, which is too late after this import."""
    early = [
        str(path.relative_to(ROOT))
        for folder in ("bot", "train", "benchmarks", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if any(name.startswith("onnxruntime") for name in imported_at_start(path))
    ]

    assert early == []


def imported_at_start(path: Path) -> Iterator[str]:
    for statement in ast.parse(path.read_bytes()).body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield statement.module or ""
