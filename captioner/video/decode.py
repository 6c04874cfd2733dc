"""Reads MP4, MOV, WebM and Matroska with PyAV, whose package holds FFmpeg.

A file comes from anyone. So FFmpeg is told which of its hundreds of readers and decoders may be
used, reads from memory, and may open nothing else: no other file and no address that a video names.
"""

import io
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from PIL import Image

from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.video.changes import Changes
from captioner.video.kinds import Kind
from captioner.video.packets import ROUNDING, Packets, duration, packets, rate
from captioner.video.pictures import Display, display, picture, points
from captioner.video.sampling import RATE, guessed, has_few_keys, is_steady, moments, needed

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from captioner.video.packets import AnyPacket

READERS = {"mp4": "mov", "matroska": "matroska"}  # FFmpeg's names
DECODERS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "libdav1d", "av1"}
    | {"mpeg4", "h263", "mpeg2video", "mpeg1video", "mjpeg", "prores", "theora"}
)
# A phone's video has about ten: picture, sound, motion, faces.
MOST_STREAMS = 64
# Cameras record up to 8K, 7680 x 4320. A decoder keeps up to 17 such frames.
MOST_PIXELS = 36_000_000
# Pixels of a video that are decoded: about 36 seconds of 720p with 30 frames a second, for which a
# core takes one to three seconds. Of longer ones, keyframes and some frames after each are decoded.
DECODED_PIXELS = 1_000_000_000
# Likewise, if there are few keyframes: about a minute of 1080p with 30 frames a second, for which a
# core takes three to five seconds.
MANY_PIXELS = 4_000_000_000
# Shares of `Limits.seconds`, for busy machines. After the first, only keyframes are decoded up to
# the last of them, so that the end of a video is reached too. After the second, the frames decoded
# so far are used.
HURRY, SHARE = 0.5, 0.75
# From this many frames a second on, those that no other frame refers to are left out, unless one of
# them is shown for long: the frame for a moment is then mostly at most a tenth of a second early.
MANY = 20
MOST_ERRORS = 200  # packets that cannot be decoded; after them the rest is skipped
# FFmpeg's own decoders of these ignore what is transparent.
TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

Frame = TypeVar("Frame")
# Is called with a frame's seconds, and what returns its picture; see `pictures.picture`.
Show = Callable[[float, Callable[[int], Image.Image]], None]


class Extent(NamedTuple):
    """What was found in a video, besides its frames."""

    seconds: float  # that were used, from the start: up to where it was decoded
    duration: float  # of the whole video: as the file says, or as far as it was read


class _Clock(NamedTuple):
    """When decoding started, and how long it may take."""

    started: float  # by `time.monotonic`
    seconds: float  # that it may take

    def is_past(self, share: float) -> bool:
        """Return whether a share of the time is over."""
        return time.monotonic() > self.started + share * self.seconds


def decode(data: bytes, reader: Kind, limits: Limits, show: Show, changes: Changes) -> Extent:
    """Decode a few frames of a video, evenly over the seconds that are used, in their order.

    A file that is cut off or damaged is read as far as it can be.

    Args:
        data: a whole file.
        reader: of its kind.
        limits: pixels of a frame, seconds, and how much of the video is used.
        show: is called with each frame.
        changes: notes all frames that are decoded.

    Raises:
        BadImage: the file is not a video, has no frame that can be read, or exceeds the limits.
    """
    try:
        import av
    except ImportError as error:
        raise BadImage("unsupported video") from error
    av.logging.set_level(None)
    clock = _Clock(time.monotonic(), limits.seconds)
    try:
        with _open(data, reader) as container:
            plan = _planned(container, len(data), limits)
            frames = _Noted(plan, clock, changes)
            _show_wanted(plan, frames, limits, show)
            return _extent(plan, frames.reached, duration(container, plan.found.end))
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("too much memory") from error
    # FFmpeg's errors are of many types: ValueError, EOFError, OSError.
    except Exception as error:
        raise BadImage("damaged") from error


def _open(data: bytes, reader: Kind) -> "InputContainer":
    import av

    options = {
        "format_whitelist": READERS[reader],
        "protocol_whitelist": "",
        "codec_whitelist": ",".join(sorted(DECODERS)),
        "max_streams": str(MOST_STREAMS),
    }
    return av.open(
        io.BytesIO(data),
        "r",
        format=READERS[reader],
        container_options=options,
        options={"max_pixels": str(MOST_PIXELS), "threads": "1"},
        metadata_errors="replace",
        io_open=_refuse,
    )


def _refuse(url: str, *_: object) -> None:
    raise PermissionError(f"a video names another file: {url!r}")


class _Plan(NamedTuple):
    """What of a video is decoded, and for which moments."""

    stream: "VideoStream"
    decoder: "VideoCodecContext"
    found: Packets
    use: Sequence[bool]  # which of them are decoded
    wanted: Sequence[float]  # the moments whose frames are used
    end: float  # of the seconds that are used


def _planned(container: "InputContainer", size: int, limits: Limits) -> _Plan:
    stream = _choose(container)
    _check_pixels(stream.width, stream.height, limits)
    found = packets(container, stream, size, limits)
    end = min(found.end, limits.video_seconds)
    wanted = moments(found.start, end, limits.video_frames)
    most = MANY_PIXELS if has_few_keys(found.known) else DECODED_PIXELS
    use = needed(found.known, wanted, most // max(1, stream.width * stream.height))
    skip = rate(stream) >= MANY and is_steady(found.known, found.end)
    return _Plan(stream, _decoder(stream, skip=skip), found, use, wanted, end)


class _Noted:
    """The frames that are decoded, each noted as it comes, with the seconds at which it begins."""

    def __init__(self, plan: _Plan, clock: _Clock, changes: Changes) -> None:
        self.reached = 0.0  # the latest beginning of a frame so far
        self._plan, self._clock, self._changes = plan, clock, changes

    def __iter__(self) -> "Iterator[tuple[float, VideoFrame]]":
        guesses = guessed(self._plan.found.known, self._plan.use)
        for seconds, frame in _frames(self._plan, self._clock):
            self.reached = max(self.reached, seconds)
            self._changes.note(guesses.get(seconds, seconds), points(frame))
            yield seconds, frame


def _show_wanted(plan: _Plan, frames: _Noted, limits: Limits, show: Show) -> None:
    shown: Display | None = None
    for seconds, frame in _shown_at(plan.wanted, frames):
        _check_pixels(frame.width, frame.height, limits)
        shown = shown or display(frame, plan.decoder, plan.stream.sample_aspect_ratio)
        show(max(0.0, seconds), partial(picture, frame, shown))
    if not shown:
        raise BadImage("damaged")


def _frames(plan: _Plan, clock: _Clock) -> "Iterator[tuple[float, VideoFrame]]":
    """Decode what is needed; yield each frame with the seconds at which it begins."""
    base, each = float(plan.stream.time_base or 0), 1 / rate(plan.stream)
    chosen = list(compress(plan.found.compressed, plan.use))
    for index, frame in enumerate(_decoded(plan.decoder, chosen, clock)):
        seconds = index * each
        if frame.pts is not None and base:
            seconds = frame.pts * base - plan.found.zero
        yield seconds, frame


def _extent(plan: _Plan, reached: float, whole: float) -> Extent:
    covered, found = _covered_until(plan, reached), plan.found
    # Players show the last picture until the sound ends.
    is_whole = covered == found.end and found.heard >= whole - ROUNDING
    return Extent(whole if is_whole else covered, whole)


def _covered_until(plan: _Plan, reached: float) -> float:
    """Return up to which second a video was seen, if its last frame decoded begins at `reached`."""
    starts = [one.seconds for one in plan.found.known]
    last = max((one for one in starts if one <= plan.wanted[-1]), default=0.0)
    if reached > last - 1 / RATE:
        return plan.end
    return min((one for one in starts if one > reached), default=plan.end)


def _choose(container: "InputContainer") -> "VideoStream":
    """Return the stream that players show, which is never a cover picture."""
    import av

    covers = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    streams = [one for one in container.streams.video if not one.disposition & covers]
    if not streams:
        raise BadImage("no frames")
    best = container.streams.best("video")
    stream = next((one for one in streams if best and one.index == best.index), streams[0])
    if stream.codec_context is None or stream.codec_context.name not in DECODERS:
        raise BadImage("unsupported variant")
    return stream


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    most = min(MOST_PIXELS, limits.max_pixels)
    if width * height > most or max(width, height) > limits.max_side:
        raise BadImage(
            "too many pixels", width=width, height=height, max_pixels=most, max_side=limits.max_side
        )


def _decoder(stream: "VideoStream", *, skip: bool) -> "VideoCodecContext":
    import av

    context = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and context.name in TRANSPARENT:
        own = av.CodecContext.create(TRANSPARENT[context.name], "r")
        own.extradata, context = context.extradata, cast("VideoCodecContext", own)
    context.options = {"max_pixels": str(MOST_PIXELS)}
    context.thread_count = 1  # there is a process for every core
    context.skip_frame = "NONREF" if skip else "DEFAULT"
    return context


def _decoded(
    context: "VideoCodecContext", chosen: "Sequence[AnyPacket]", clock: _Clock
) -> "Iterator[VideoFrame]":
    """Decode until the time is over, or too many packets are broken."""
    import av

    errors = 0
    last = max((index for index, one in enumerate(chosen) if one.is_keyframe), default=0)
    for index, packet in enumerate((*chosen, None)):
        if packet and not packet.is_keyframe and index < last and clock.is_past(HURRY):
            continue
        try:
            yield from (frame for frame in context.decode(packet) if not frame.is_corrupt)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            errors += 1
        if errors > MOST_ERRORS or clock.is_past(SHARE):
            return


def _shown_at(
    wanted: Sequence[float], frames: Iterable[tuple[float, Frame]]
) -> Iterator[tuple[float, Frame]]:
    """Yield the frame that is shown at each moment, once, with the seconds at which it begins."""
    waiting = deque(wanted)
    shown: tuple[float, Frame] | None = None
    for seconds, frame in frames:
        if shown and seconds < shown[0]:  # a broken file has them in any order
            continue
        if shown and waiting and waiting[0] < seconds:
            yield shown
            while waiting and waiting[0] < seconds:
                waiting.popleft()
        if not waiting:
            return
        shown = seconds, frame
    if shown and waiting:
        yield shown
