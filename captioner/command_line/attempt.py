"""An attempt to caption one photo: its caption, or one sentence on what is wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from captioner.captioner import Captioner
from captioner.command_line.files import PhotoFile, read
from captioner.cores import cores
from captioner.errors import SEE, UNEXPECTED, BadImage, Busy
from captioner.options import Options
from captioner.photo.limits import Limits
from captioner.result import Caption
from captioner.serving import ServingConfig
from captioner.video.kinds import is_moving
from captioner.video.result import VideoCaption

# Photos in progress at once, at least: two batches on a CPU; on a GPU as many as in its largest
# batch, with which it captioned 1.6 times as many photos per second as with 64 (docs/figures.md).
ON_CPU, ON_GPU = 32, 256
EACH_CORE = 8  # where there are many cores: one is decoded, the others wait or are in a batch

Result = Caption | VideoCaption
Read = Callable[[PhotoFile, int], bytes]  # see `files.read`


@dataclass(frozen=True)
class Attempt:
    """What became of a photo."""

    photo: PhotoFile
    data: bytes  # its file
    result: Result | str  # or what is wrong


def in_flight(device: str) -> int:
    """Return how many photos to have in progress at once.

    Args:
        device: of the network, as PyTorch names it.
    """
    least = ON_CPU if device == "cpu" else ON_GPU
    return max(least, EACH_CORE * cores())


def serving(limits: Limits, decoders: int | None = None) -> ServingConfig:
    """Return how to serve, with room for all photos in progress, on any device.

    Args:
        limits: of a photo.
        decoders: processes that decode.
    """
    most = in_flight("cuda")
    queue = max(ServingConfig.max_queue, most)
    return ServingConfig(limits, max_queue=queue, max_videos=most, decoders=decoders)


async def attempt(
    captioner: Captioner,
    photo: PhotoFile,
    options: Options,
    read: Read = read,
    *,
    videos: bool = True,
) -> Attempt:
    """Read and caption a photo; whatever happens to it, the others are captioned.

    Args:
        captioner: that captions it.
        photo: its name, or its data.
        options: how to decode.
        read: reads its file.
        videos: whether videos and animations are told; otherwise a frame of an animation is
            captioned, and a video is a problem.
    """
    data = b""
    try:
        if photo.problem:
            return Attempt(photo, data, photo.problem)
        data = await asyncio.to_thread(read, photo, captioner.serving.limits.max_bytes)
        if videos and is_moving(data):
            return Attempt(photo, data, _plain(await captioner.caption_video(data, options)))
        return Attempt(photo, data, await captioner.caption(data, options))
    except Exception as error:
        return Attempt(photo, data, sentence(error))


def _plain(found: VideoCaption) -> Result:
    # A GIF of a single frame is a photo.
    return found if found.seconds else found.scenes[0].caption


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
