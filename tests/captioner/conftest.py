"""What the tests of checkpoints share."""

from pathlib import Path

import pytest


@pytest.fixture
def copied(tiny_file: Path, tmp_path: Path) -> Path:
    """Return a checkpoint that a test may change."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_file.read_bytes())
    return path
