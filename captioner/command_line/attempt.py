"""An attempt to caption one photo: its caption, or one sentence on what is wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from captioner.captioner import Captioner
from captioner.command_line.files import PhotoFile, read
from captioner.cores import cores
from captioner.errors import SEE, UNEXPECTED, BadImage, Busy
from captioner.options import Options
from captioner.result import Caption

LEAST_IN_FLIGHT = 32  # photos in progress at once: two batches
# Photos in progress for each core: one is decoded, and the others wait or are in a batch.
EACH_CORE = 8

Read = Callable[[PhotoFile, int], bytes]  # see `files.read`


@dataclass(frozen=True)
class Attempt:
    """What became of a photo."""

    photo: PhotoFile
    data: bytes  # its file
    result: Caption | str  # or what is wrong


def in_flight() -> int:
    """Return how many photos to have in progress at once."""
    return max(LEAST_IN_FLIGHT, EACH_CORE * cores())


async def attempt(
    captioner: Captioner, photo: PhotoFile, options: Options, read: Read = read
) -> Attempt:
    """Read and caption a photo; whatever happens to it, the others are captioned."""
    data = b""
    try:
        if photo.problem:
            return Attempt(photo, data, photo.problem)
        data = await asyncio.to_thread(read, photo, captioner.serving.limits.max_bytes)
        return Attempt(photo, data, await captioner.caption(data, options))
    except Exception as error:
        return Attempt(photo, data, sentence(error))


def sentence(error: Exception) -> str:
    """Say what is wrong with a photo, and which option sets the limit that it exceeds."""
    if isinstance(error, BadImage) and (option := _option(error)):
        return SEE.format(sentence=error, option=option)
    if isinstance(error, BadImage | Busy):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return UNEXPECTED.format(error=reason)


def _option(error: BadImage) -> str | None:
    numbers = error.numbers
    if error.kind == "too many bytes":
        return "--max-mb"
    if error.kind == "too slow":
        return "--decode-seconds"
    if error.kind != "too many pixels":
        return None
    # No option sets the longest side.
    fits = numbers["width"] * numbers["height"] <= numbers["max_pixels"]
    return None if fits else "--max-megapixels"
