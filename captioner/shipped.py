"""The checkpoints that ship with the program, which can be called by their names."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
NAMES = ("default", "small")  # small: for weak machines


def find(checkpoint: Path | str) -> Path:
    """Return where a checkpoint lies: one of `NAMES` ships, of any other this is the path."""
    return WEIGHTS / f"{checkpoint}.safetensors" if str(checkpoint) in NAMES else Path(checkpoint)


def ships(path: Path) -> bool:
    """Say whether a checkpoint is one of those that ship."""
    return path.resolve() in [find(name).resolve() for name in NAMES]


DEFAULT_CHECKPOINT = find("default")
