"""The photos of a command line: files, folders, pipes, and standard input."""

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.errors import CLOSED_INPUT, NO_FILE, NO_PICTURES, BadImage, more_than
from captioner.photo.folders import photos_in

STDIN = "-"


@dataclass(frozen=True)
class PhotoFile:
    """A photo of the command line."""

    name: str  # as it was given, or its path in a folder that was given
    data: bytes | None = None  # of standard input or a pipe, once it was read
    problem: str = ""  # why there is nothing to read


def find(names: Iterable[str]) -> list[PhotoFile]:
    """Replace each folder by the photos in it; one without photos, or unreadable, is a problem."""
    found: list[PhotoFile] = []
    for name in names:
        if name != STDIN and os.path.isdir(name):
            found += _inside(name)
        else:
            found.append(PhotoFile(name))
    return found


def _inside(folder: str) -> list[PhotoFile]:
    listing = photos_in(folder)
    found = [PhotoFile(name) for name in listing.photos]
    found += [PhotoFile(name, problem=reason) for name, reason in listing.unreadable.items()]
    found.sort(key=lambda one: Path(one.name).parts)
    return found or [PhotoFile(folder, problem=NO_PICTURES)]


def read_streams(photos: Sequence[PhotoFile], limit: int) -> list[PhotoFile]:
    """Read standard input and pipes now, in their order: one that waits can be interrupted here.

    Args:
        photos: of the command line.
        limit: bytes; a stream with more is a problem.
    """
    streams: dict[str, PhotoFile] = {}  # each can be read once, however often it is named
    for photo in photos:
        if photo.name not in streams and _is_stream(photo.name):
            streams[photo.name] = _read_stream(photo, limit)
    return [streams.get(photo.name, photo) for photo in photos]


def _is_stream(name: str) -> bool:
    if name == STDIN:
        return True
    try:
        return stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


def _read_stream(photo: PhotoFile, limit: int) -> PhotoFile:
    if photo.name == STDIN and sys.stdin is None:
        return replace(photo, problem=CLOSED_INPUT)
    try:
        if photo.name == STDIN:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            data = _drain(photo.name, limit + 1)
    except OSError as error:
        return replace(photo, problem=error.strerror or str(error))
    if len(data) > limit:
        return replace(photo, problem=more_than(limit))
    return replace(photo, data=data)


def _drain(name: str, most: int) -> bytes:
    with open(name, "rb", opener=_open_at_once) as pipe:
        os.set_blocking(pipe.fileno(), True)  # whoever opened it to write may take a while
        return pipe.read(most)


def _open_at_once(name: str, flags: int) -> int:
    # Otherwise this would wait for whoever writes, who may never come.
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def read(photo: PhotoFile, limit: int) -> bytes:
    """Return the bytes of a photo without a problem.

    Args:
        photo: its streams were read before.
        limit: bytes.

    Raises:
        BadImage: it has more bytes.
        OSError: it cannot be read, or is not a file.
    """
    if photo.data is not None:
        return photo.data
    status = os.stat(photo.name)
    if not stat.S_ISREG(status.st_mode):  # a device may never end
        raise OSError(NO_FILE)
    if status.st_size > limit:
        raise BadImage("too many bytes", size=status.st_size, limit=limit)
    with open(photo.name, "rb") as file:
        return file.read(limit + 1)
