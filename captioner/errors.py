"""The two errors that a person may see, and how the command line words them.

An error carries its kind and its numbers. Code that shows it elsewhere, or in another language,
words its own sentence from these.
"""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

BadImageKind = Literal[
    "empty",
    "too many bytes",
    "too many pixels",
    "far too many pixels",  # more than Pillow opens, whatever the limits are
    "too slow",
    "too much memory",
    "damaged",
    "unsupported",
    "unsupported HEIC",  # the optional extra `heif` reads it
    "unsupported variant",  # of a format that is read otherwise
    "unsupported video",  # the optional extra `video` reads it
    "no frames",  # a video without a picture that can be read: only sound, for example
]
BusyKind = Literal["full", "stopping"]

# The names of each kind's numbers, all of them whole and none below zero.
NUMBERS: Mapping[BadImageKind, tuple[str, ...]] = {
    "empty": (),
    "too many bytes": ("size", "limit"),
    "too many pixels": ("width", "height", "max_pixels", "max_side"),
    "far too many pixels": (),
    "too slow": (),
    "too much memory": (),
    "damaged": (),
    "unsupported": (),
    "unsupported HEIC": (),
    "unsupported variant": (),
    "unsupported video": (),
    "no frames": (),
}

# The formats that this installation reads. Pillow reads a camera's MPO with its JPEG reader.
_HEIC = "HEIC, " if find_spec("pillow_heif") else ""
FORMATS = f"JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, {_HEIC}or JPEG 2000"

_BAD_IMAGE: Mapping[BadImageKind, str] = {
    "empty": "The file is empty.",
    "far too many pixels": "The picture has far too many pixels.",
    "too slow": "The picture takes too long to decode; save it smaller, or as a plain JPEG.",
    "too much memory": "The picture needs too much memory to decode.",
    "damaged": "The picture is damaged or cut off.",
    "unsupported": f"The file has no known format; save videos as MP4, and photos as {FORMATS}.",
    "unsupported HEIC": f"HEIC needs the package pillow-heif; or save it as {FORMATS}.",
    "unsupported variant": (
        "The picture may be intact, but this variant of its format cannot be read; "
        "save it as a plain JPEG or PNG."
    ),
    "unsupported video": "Videos need the package av; or save it as an animated GIF or WebP.",
    "no frames": "The video has no picture that can be read.",
}
# Those that are worded otherwise if the file is a video.
_BAD_VIDEO: Mapping[BadImageKind, str] = {
    "too slow": "The video takes too long to decode; save it smaller or shorter.",
    "too much memory": "The video needs too much memory to decode; save it smaller.",
    "damaged": "The video is damaged or cut off.",
    "unsupported": "This is a video; only photos and animations are captioned this way.",
    "unsupported variant": "The video has a codec that cannot be read; save it as MP4 with H.264.",
}
_BUSY: Mapping[BusyKind, str] = {
    "full": "Too many files are waiting; try again in {seconds:.0f} s.",
    "stopping": "The captioner is stopping; try again in {seconds:.0f} s.",
}
# Of the command line.
NO_PICTURES = "This folder has no photos or videos."
NO_VIDEO = "This is a photo; --vtt is for videos."
NO_FILE = "This is not a file."
CLOSED_INPUT = "Standard input is closed."
UNEXPECTED = "Something went wrong in this program, not with the file: {error}."
SEE = "{sentence} See {option}."

RESTART_SECONDS = 60.0  # by then a service manager has usually started a new process


class BadImage(ValueError):
    """A photo or a video that cannot be captioned."""

    def __init__(self, kind: BadImageKind, *, video: bool = False, **numbers: int) -> None:
        """Keep what is wrong.

        Args:
            kind: what is wrong.
            video: whether it is wrong with a video, and not with a photo or an animation.
            numbers: those that `NUMBERS` names for this kind.
        """
        super().__init__(kind)
        self.kind = kind
        self.video = video
        self.numbers = numbers

    def __str__(self) -> str:
        """Return a sentence for the command line."""
        numbers, what = self.numbers, "video" if self.video else "picture"
        if self.kind == "too many bytes":
            # A file that is a few bytes too large must not look as if it were just within.
            size = math.ceil(numbers["size"] / 2**20 * 10) / 10
            limit = math.floor(numbers["limit"] / 2**20 * 10) / 10
            return f"The file is too large: {size:.1f} MB; the limit is {limit:.1f} MB."
        if self.kind == "too many pixels":
            return (
                f"The {what} is too large: {numbers['width']} x {numbers['height']} pixels; "
                f"the limits are {numbers['max_pixels'] / 1e6:g} million pixels in all and "
                f"{numbers['max_side']} on each side."
            )
        sentence = _BAD_VIDEO.get(self.kind) if self.video else None
        return sentence or _BAD_IMAGE[self.kind]


class Busy(RuntimeError):
    """No more files are accepted now; trying again after `retry_after` seconds may succeed."""

    def __init__(self, kind: BusyKind, retry_after: float = RESTART_SECONDS) -> None:
        """Keep the reason, and the seconds after which there may be room again."""
        super().__init__(kind, retry_after)
        self.kind = kind
        self.retry_after = retry_after

    def __str__(self) -> str:
        """Return a sentence for the command line."""
        return _BUSY[self.kind].format(seconds=self.retry_after)


def more_than(limit: int) -> str:
    """Return the sentence for a stream with more bytes than the limit, read only so far."""
    return f"The file is too large: more than {limit / 2**20:g} MB, which is the limit."
