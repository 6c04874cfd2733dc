"""From the bytes of a video, an animation or a photo to a few frames, each squeezed to a square.

Frames are squeezed as they are decoded, so that a long video takes no more memory than a short one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import Frame, frames, picture
from captioner.photo.limits import Limits, check_file
from captioner.photo.preprocessing import Pixels, Preprocessing, middle
from captioner.video.changes import POINTS, Changes
from captioner.video.decode import SHARE, decode
from captioner.video.kinds import Kind, is_animated_avif, kind
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
    found = _Found(side, middle_side)
    match kind(data):
        case "picture":
            found.take(0.0, picture(data, limits, max(side, (middle_side or 0) * 3 // 4)))
        case "animation" if is_animated_avif(data):
            _animated_avif(data, limits, found)
        case "animation":
            _animation(data, limits, found)
        case reader:
            _video(data, reader, limits, found)
    found.clip.starts = found.changes.starts(found.clip.times)
    return found.clip


@dataclass
class _Found:
    """What has been found so far."""

    side: int
    middle_side: int | None
    clip: Clip = field(default_factory=Clip)
    changes: Changes = field(default_factory=Changes)

    def take(self, seconds: float, frame: Image.Image) -> None:
        """Keep a frame, which begins at that second."""
        self.clip.times.append(seconds)
        self.clip.aspect = frame.width / frame.height
        self.clip.squares.append(Preprocessing(self.side).squeeze(frame))
        if self.middle_side:
            self.clip.middles.append(middle(frame, self.middle_side))

    def show(self, seconds: float, drawn: Callable[[int], Image.Image]) -> None:
        """Keep a frame that is drawn no larger than it must be."""
        self.take(seconds, drawn(max(self.side, self.middle_side or 0)))


def _video(data: bytes, reader: Kind, limits: Limits, found: _Found) -> None:
    extent = decode(data, reader, limits, found.show, found.changes)
    found.clip.seconds, found.clip.duration = extent


def _animated_avif(data: bytes, limits: Limits, found: _Found) -> None:
    """Read one as an animation or, since the library of photos refuses what is cut off, a video."""
    try:
        _animation(data, limits, found)
    except BadImage as error:
        if error.kind == "damaged":
            with suppress(BadImage):
                return _video(data, "mp4", limits, found)
        raise


def _animation(data: bytes, limits: Limits, found: _Found) -> None:
    """Take frames of an animation, whose length is only known at its end.

    Whenever there are too many, every other one is dropped, and half as many are taken after that.
    """
    clip = found.clip
    until = time.monotonic() + SHARE * limits.seconds
    at, due, step, count = 0.0, 0.0, 1 / RATE, 0
    following = frames(data, limits)
    for frame in following:
        if at >= limits.video_seconds or time.monotonic() > until:
            clip.seconds = min(at, limits.video_seconds)
            clip.duration = min(at + frame.seconds + _rest(following, until), LONGEST)
            return
        count += 1
        found.changes.note(at, np.asarray(frame.points(POINTS)))
        # What a frame shows lasts until the next one, so a frame is due if any moment of it is.
        if at + frame.seconds > due + ROUNDING:
            found.take(at, frame.picture())
            due = max(due, at) + step
        if len(clip.times) > limits.video_frames:
            del clip.times[1::2], clip.squares[1::2], clip.middles[1::2]
            step *= 2
            due = clip.times[-1] + step
        at += frame.seconds
    if not count:
        raise BadImage("no frames")
    if count > 1:
        clip.seconds, clip.duration = min(at, limits.video_seconds), min(at, LONGEST)


def _rest(following: Iterator[Frame], until: float) -> float:
    """Return the seconds of the frames that are not used, as far as counting them is quick."""
    until = min(until, time.monotonic() + COUNTING)
    total = 0.0
    for frame in following:
        total += frame.seconds
        if time.monotonic() > until:
            break
    return total
