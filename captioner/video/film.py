"""Reads MP4, MOV, WebM and Matroska with PyAV, whose package holds FFmpeg.

A file comes from anyone. So FFmpeg is told which of its hundreds of readers and decoders may be
used, reads from memory, and may open nothing else: no other file and no address that a video names.
"""

import io
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import Limits
from captioner.video.kinds import Kind
from captioner.video.pictures import picture
from captioner.video.sampling import MOST_SECONDS, Packet, moments, needed

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AVPacket
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    AnyPacket = AVPacket[VideoStream]

READERS = {"mp4": "mov", "matroska": "matroska"}  # FFmpeg's names
DECODERS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "libdav1d", "av1"}
    | {"mpeg4", "h263", "mpeg2video", "mpeg1video", "mjpeg", "prores", "theora"}
)
# A phone's video has about ten: picture, sound, motion, faces.
MOST_STREAMS = 64
# Cameras record up to 8K, 7680 x 4320. A decoder keeps up to 17 such frames.
MOST_PIXELS = 36_000_000
# 240 frames a second, the fastest of phones, for all seconds that are used.
MOST_PACKETS = 240 * int(MOST_SECONDS)
# Pixels of a video that are decoded: about 36 seconds of 720p with 30 frames a second, for which a
# core takes one to three seconds. Of longer ones, keyframes and some frames after each are decoded.
DECODED_PIXELS = 1_000_000_000
# Shares of `Limits.seconds`, for busy machines. After the first, only keyframes are decoded, so
# that the end of a video is reached too. After the second, the frames decoded so far are used.
HURRY, SHARE = 0.5, 0.75
# From this many frames a second on, those that no other frame refers to are left out: the frame for
# a moment is then at most a tenth of a second early.
MANY = 20
MOST_ERRORS = 200  # packets that cannot be decoded; after them the rest is skipped
# FFmpeg's own decoders of these ignore what is transparent.
TRANSPARENT = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
USUAL_RATE = 25.0  # frames a second, where a file does not say it
FASTEST = 1000.0  # frames a second; a file that claims more is wrong
REORDERED = 2.0  # seconds; the most by which a frame comes later than its place in the order
LONGEST = 7 * 86_400.0  # seconds; a file that claims more is wrong

Frame = TypeVar("Frame")
Show = Callable[[float, Image.Image], None]  # is called with a frame's seconds and its picture


class Read(NamedTuple):
    """What was found in a video, besides its frames."""

    seconds: float  # that were used, from the start
    duration: float  # of the whole video: as the file says, or as far as it was read


class _Clock(NamedTuple):
    """When decoding started, and how long it may take."""

    started: float  # by `time.monotonic`
    seconds: float  # that it may take

    def is_past(self, share: float) -> bool:
        """Return whether a share of the time is over."""
        return time.monotonic() > self.started + share * self.seconds


class _Packets(NamedTuple):
    compressed: "list[AnyPacket]"  # in the order in which they are decoded
    known: list[Packet]  # the same
    seconds: float  # from the first frame to the end of the last


def film(data: bytes, reader: Kind, limits: Limits, show: Show) -> Read:
    """Decode a few frames of a video, evenly over its first `MOST_SECONDS`, in their order.

    A file that is cut off or damaged is read as far as it can be.

    Args:
        data: a whole file.
        reader: of its kind.
        limits: pixels of a frame, and seconds.
        show: is called with each frame, upright, in the proportions of a player, and white
            where it is transparent.

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
            return _read(container, len(data), limits, show, clock)
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


def _read(
    container: "InputContainer", size: int, limits: Limits, show: Show, clock: _Clock
) -> Read:
    stream = _choose(container)
    _check_pixels(stream.width, stream.height, limits)
    rate = _rate(stream)
    start, packets = _packets(container, stream, rate, size)
    wanted = moments(packets.seconds)
    pixels = max(1, stream.width * stream.height)
    use = needed(packets.known, wanted, DECODED_PIXELS // pixels)
    context = _decoder(stream, skip=rate >= MANY)
    chosen = itertools.compress(packets.compressed, use)
    found, base = 0, float(stream.time_base or 0)
    frames = (
        (index / rate if frame.pts is None or not base else frame.pts * base - start, frame)
        for index, frame in enumerate(_decoded(context, chosen, clock))
    )
    for seconds, frame in _at(wanted, frames):
        _check_pixels(frame.width, frame.height, limits)
        show(max(0.0, seconds), picture(frame, stream.sample_aspect_ratio))
        found += 1
    if not found:
        raise BadImage("damaged")
    looked = min(packets.seconds, MOST_SECONDS)
    return Read(looked, _duration(container, packets.seconds))


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


def _rate(stream: "VideoStream") -> float:
    rate = float(stream.average_rate or 0)
    return rate if 0 < rate <= FASTEST else USUAL_RATE


def _packets(
    container: "InputContainer", stream: "VideoStream", rate: float, size: int
) -> tuple[float, _Packets]:
    """Read the compressed frames of the first seconds; return their start time, and the frames."""
    import av

    base, room = float(stream.time_base or 0), size
    found: list[AnyPacket] = []
    times: list[float] = []
    shown: list[bool] = []  # players leave out what an edit list trims, but decode it
    last = 1 / rate
    # Of a file that is cut off, what is there is used.
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            room -= packet.size
            # An index may name the same bytes any number of times.
            if len(found) == MOST_PACKETS or room < 0:
                break
            if not packet.size:  # the last one, which holds nothing
                continue
            stamp = packet.dts if packet.pts is None else packet.pts
            times.append(len(times) / rate if stamp is None or not base else stamp * base)
            shown.append(not packet.is_discard)
            found.append(packet)
            last = min(float(packet.duration or 0) * base or last, MOST_SECONDS)
            if times[-1] - times[0] > MOST_SECONDS + REORDERED:
                break
    if not found:
        raise BadImage("damaged")
    start = min(itertools.compress(times, shown), default=min(times))
    known = [
        Packet(time - start, packet.is_keyframe) for time, packet in zip(times, found, strict=True)
    ]
    return start, _Packets(found, known, max(times) - start + last)


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
    context: "VideoCodecContext", packets: "Iterable[AnyPacket]", clock: _Clock
) -> "Iterator[VideoFrame]":
    """Decode until the time is over, or too many packets are broken."""
    import av

    errors = 0
    for packet in (*packets, None):
        if packet and not packet.is_keyframe and clock.is_past(HURRY):
            continue
        try:
            yield from (frame for frame in context.decode(packet) if not frame.is_corrupt)
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            errors += 1
        if errors > MOST_ERRORS or clock.is_past(SHARE):
            return


def _at(
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


def _duration(container: "InputContainer", seconds: float) -> float:
    claimed = (container.duration or 0) / 1e6
    return claimed if seconds < claimed < LONGEST else seconds
