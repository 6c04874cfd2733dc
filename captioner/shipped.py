"""The checkpoints that ship with the program, and their names."""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
NAMES = ("default", "small")  # small: for weak machines


def find(checkpoint: Path | str) -> Path:
    """Return the path of a checkpoint: the name of one that ships, or already a path."""
    return WEIGHTS / f"{checkpoint}.safetensors" if str(checkpoint) in NAMES else Path(checkpoint)


def name_of(path: Path) -> str | None:
    """Return the name of a checkpoint that ships; None for any other."""
    found = [name for name in NAMES if find(name).resolve() == path.resolve()]
    return found[0] if found else None


DEFAULT_CHECKPOINT = find("default")
