"""The checkpoints that ship with the program, and their names."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
NAMES = ("default", "small")  # small: for weak machines


def find(checkpoint: Path | str) -> Path:
    """Return the path of a checkpoint: the name of one that ships, or already a path."""
    return WEIGHTS / f"{checkpoint}.safetensors" if str(checkpoint) in NAMES else Path(checkpoint)


def ships(path: Path) -> bool:
    """Return whether a checkpoint is one of those that ship."""
    return path.resolve() in [find(name).resolve() for name in NAMES]


DEFAULT_CHECKPOINT = find("default")
