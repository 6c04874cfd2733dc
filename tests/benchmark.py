"""Runs a benchmark as a person does, on small photos and a tiny model."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import photo_bytes

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"


def photos(folder: Path) -> Path:
    """Write three photos, and return their folder."""
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    return folder


def run(
    script: str, *arguments: object, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script; modules in the folder `path` go before all others."""
    found_at = os.pathsep.join(map(str, filter(None, (path, ROOT))))
    return subprocess.run(
        [sys.executable, BENCHMARKS / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": found_at},
    )


def rows(output: str) -> list[list[str]]:
    """Return the cells of all tables."""
    return [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("|")]
