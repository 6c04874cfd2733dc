"""The photos of a command line: files, folders, pipes, and standard input."""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import islice

from captioner.errors import CLOSED_INPUT, NO_FILE, NO_PICTURES, BadImage, more_than
from captioner.photo.folders import walk
from captioner.photo.formats import is_photo_name, is_video_name

STDIN = "-"
READS_VIDEOS = find_spec("av") is not None
# Names that are looked up together in another thread, so that the event loop never waits for a slow
# disk. Most take a fraction of a millisecond, so the first photos do not wait for the others.
TOGETHER = 64


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo of the command line."""

    name: str  # as it was given, or its path in a folder that was given
    data: bytes | None = None  # of standard input or a pipe, once it was read
    problem: str = ""  # why there is nothing to read
    # What decides on its `Shard`: the name, or the path within a folder that was given, which may
    # be in different places on different machines.
    key: str = field(default="", compare=False)


def find(names: Iterable[str]) -> Iterator[PhotoFile]:
    """Find the photos, those of a folder in its place; an empty or unreadable one is a problem."""
    for name in names:
        if name != STDIN and os.path.isdir(name):
            yield from _inside(name)
        else:
            yield PhotoFile(name, key=name)


def _inside(folder: str) -> Iterator[PhotoFile]:
    empty = True
    for found in walk(folder, _is_wanted):
        empty = False
        yield PhotoFile(found.path, problem=found.problem, key=found.within or folder)
    if empty:
        yield PhotoFile(folder, problem=NO_PICTURES, key=folder)


def _is_wanted(name: str) -> bool:
    return is_photo_name(name) or (READS_VIDEOS and is_video_name(name))


async def one_by_one(photos: Iterable[PhotoFile]) -> AsyncIterator[PhotoFile]:
    """Yield photos that are still being found, without blocking the event loop."""
    finding = iter(photos)
    while found := await asyncio.to_thread(lambda: list(islice(finding, TOGETHER))):
        for photo in found:
            yield photo


def read_streams(names: Sequence[str], limit: int) -> dict[str, PhotoFile]:
    """Read standard input and pipes now, in their order: one that waits can be interrupted here.

    Args:
        names: of the command line.
        limit: bytes; a stream with more is a problem.
    """
    # Each can be read once, however often it is named.
    return {
        name: _read_stream(PhotoFile(name), limit)
        for name in dict.fromkeys(names)
        if _is_stream(name)
    }


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
