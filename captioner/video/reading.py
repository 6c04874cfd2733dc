"""From the bytes of a video, an animation or a photo to a few frames, each squeezed to a square.

Frames are squeezed as they are decoded, so that a long video takes no more memory than a short one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import Limits, check_file, frames, picture
from captioner.photo.preprocessing import Pixels, Preprocessing, middle
from captioner.video.changes import POINTS, Changes
from captioner.video.decode import SHARE, decode
from captioner.video.kinds import is_animated_avif, kind
from captioner.video.packets import LONGEST
from captioner.video.sampling import RATE

ROUNDING = 1e-6  # seconds, of sums
COUNTING = 1.0  # seconds, to find out how long an animation is


@dataclass
class Clip:
    """What is left of a video."""

    seconds: float = 0.0  # that were used, from the start; 0 for a photo
    duration: float = 0.0  # of the whole video
    times: list[float] = field(default_factory=list)  # when each frame begins, in seconds
    # Likewise, when what it shows begins: when the video changed most since the frame before.
    starts: list[float] = field(default_factory=list)
    squares: list[Pixels] = field(default_factory=list)  # one for each frame
    middles: list[Pixels] = field(default_factory=list)  # likewise, if they are wanted
    aspect: float = 1.0  # of a frame: width / height, before it is squeezed


def read(data: bytes, limits: Limits, side: int, middle_side: int | None = None) -> Clip:
    """Read a video, an animation, or a photo as a video of one frame.

    Args:
        data: a whole file.
        limits: the largest frame that is accepted, the seconds that this may take, and how much of
            a video is used.
        side: of the squares, in pixels; see `Preprocessing.squeeze`.
        middle_side: of the squares in the middle of the frames; see `preprocessing.middle`.

    Returns:
        at most `limits.video_frames` frames, evenly over at most `limits.video_seconds`, in their
        order.

    Raises:
        BadImage: nothing can be read, or the file exceeds the limits.
    """
    check_file(data, limits)
    clip, changes = Clip(), Changes()

    def take(seconds: float, frame: Image.Image) -> None:
        clip.times.append(seconds)
        clip.aspect = frame.width / frame.height
        clip.squares.append(Preprocessing(side).squeeze(frame))
        if middle_side:
            clip.middles.append(middle(frame, middle_side))

    def show(seconds: float, drawn: Callable[[int], Image.Image]) -> None:
        take(seconds, drawn(max(side, middle_side or 0)))

    match kind(data):
        case "picture":
            take(0.0, picture(data, limits, max(side, (middle_side or 0) * 3 // 4)))
        case "animation":
            try:
                _animation(data, limits, clip, take, changes)
            except BadImage as error:
                # The library of photos refuses an AVIF that is cut off.
                if error.kind != "damaged" or not is_animated_avif(data):
                    raise
                try:
                    clip.seconds, clip.duration = decode(data, "mp4", limits, show, changes)
                except BadImage:
                    raise error from None
        case reader:
            clip.seconds, clip.duration = decode(data, reader, limits, show, changes)
    clip.starts = changes.starts(clip.times)
    return clip


def _animation(
    data: bytes,
    limits: Limits,
    clip: Clip,
    take: Callable[[float, Image.Image], None],
    changes: Changes,
) -> None:
    """Take frames of an animation, whose length is only known at its end.

    Whenever there are too many, every other one is dropped, and half as many are taken after that.
    """
    until = time.monotonic() + SHARE * limits.seconds
    at, due, step, count = 0.0, 0.0, 1 / RATE, 0
    following = frames(data, limits)
    for seconds, shown in following:
        if at >= limits.video_seconds or time.monotonic() > until:
            clip.seconds = min(at, limits.video_seconds)
            clip.duration = min(at + _rest(seconds, following, until), LONGEST)
            return
        count += 1
        changes.note(at, np.asarray(shown(POINTS)))
        # What a frame shows lasts until the next one, so a frame is due if any moment of it is.
        if at + seconds > due + ROUNDING:
            take(at, shown(None))
            due = max(due, at) + step
        if len(clip.times) > limits.video_frames:
            del clip.times[1::2], clip.squares[1::2], clip.middles[1::2]
            step *= 2
            due = clip.times[-1] + step
        at += seconds
    if not count:
        raise BadImage("no frames")
    if count > 1:
        clip.seconds, clip.duration = min(at, limits.video_seconds), min(at, LONGEST)


def _rest(first: float, following: Iterator[tuple[float, Any]], until: float) -> float:
    """Return the seconds of the frames that are not used, as far as counting them is quick."""
    until = min(until, time.monotonic() + COUNTING)
    total = first
    for seconds, _ in following:
        total += seconds
        if time.monotonic() > until:
            break
    return total
