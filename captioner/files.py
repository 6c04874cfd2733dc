"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile


def unwritable(path: Path) -> str | None:
    """Return why a file cannot be written, else None; to know it before hours of work."""
    # `Path.is_dir` would raise where a name is too long.
    if os.path.isdir(path):
        return "it is a folder"
    if os.path.exists(path) and not os.path.isfile(path):
        return "it is not a file"  # replacing a device would take it from all programs
    if not os.path.isdir(path.parent):
        return f"there is no folder {path.parent}"
    if problem := unwritable_folder(path.parent):
        return f"{problem}: {path.parent}"
    try:
        os.lstat(_part(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.strerror or str(error)
    return None


def unwritable_folder(folder: Path) -> str | None:
    """Return why a folder cannot be made or written in, else None; leaves nothing behind."""
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return error.strerror or str(error)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path that replaces `path` if the block succeeds, and is removed if it fails."""
    part = _part(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        # The error of the block is what counts, not that there may be no file to remove.
        with suppress(OSError):
            part.unlink()
        raise


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")
