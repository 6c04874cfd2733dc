"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def unwritable(path: Path) -> str | None:
    """Return why a file cannot be written, else None; to know it before hours of work."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return None if os.access(path.parent, os.W_OK) else f"no permission to write in {path.parent}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path that replaces `path` if the block succeeds, and is removed if it fails."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        # The error of the block is what counts, not that there may be no file to remove.
        with suppress(OSError):
            part.unlink()
        raise
