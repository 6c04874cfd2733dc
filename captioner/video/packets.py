"""Reads the compressed frames of a video, and places them on the clock that players show."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.video.sampling import Packet

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet as AVPacket
    from av.stream import Stream
    from av.video.stream import VideoStream

    AnyPacket = AVPacket[VideoStream]

# 240 frames a second, the fastest of phones, for all seconds that are used.
MOST_RATE = 240
MOST_OTHERS = 500_000  # packets of sound and the like; an hour of sound has 170,000
USUAL_RATE = 25.0  # frames a second, where a file does not say it
FASTEST = 1000.0  # frames a second; a file that claims more is wrong
REORDERED = 2.0  # seconds; the most by which a frame comes later than its place in the order
ROUNDING = 0.1  # seconds; a claimed length may be shorter by this
LONGEST = 7 * 86_400.0  # seconds; a file that claims more is wrong


class Packets(NamedTuple):
    """The compressed frames that may be decoded. All times are those of a player's clock."""

    compressed: "list[AnyPacket]"  # in the order in which they are decoded
    known: list[Packet]  # the same
    zero: float  # the time stamp, in seconds, at which the clock is 0
    start: float  # when the first frame is shown: later than 0 where the sound begins first
    end: float  # when the last frame ends
    heard: float  # up to when the file has anything, such as sound


def rate(stream: "VideoStream") -> float:
    """Return the frames a second, as far as they are known."""
    found = float(stream.average_rate or 0)
    return found if 0 < found <= FASTEST else USUAL_RATE


def packets(
    container: "InputContainer", stream: "VideoStream", size: int, limits: Limits
) -> Packets:
    """Read the compressed frames of the seconds that may be used.

    A file that is cut off is read as far as it goes.

    Args:
        container: newly opened.
        stream: of its streams, the one that is shown.
        size: of the file, in bytes.
        limits: the seconds.

    Returns:
        the compressed frames up to the end of what is used, and their places on a player's clock.

    Raises:
        BadImage: no packet can be read.
    """
    found, heard = _read(container, stream, size, limits)
    if not found:
        raise BadImage("damaged")
    return _on_clock(container, stream, found, heard, limits)


def _read(
    container: "InputContainer", stream: "VideoStream", size: int, limits: Limits
) -> "tuple[list[tuple[float, AnyPacket]], float]":
    """Return the compressed frames with their times, and when all else ends, by its own clock."""
    import av

    base, each, room = float(stream.time_base or 0), 1 / rate(stream), size
    most = MOST_RATE * int(limits.video_seconds + 1)
    found: list[tuple[float, AnyPacket]] = []
    first: float | None = None  # the time of the first one that is shown
    heard, others = 0.0, 0
    with suppress(av.FFmpegError):
        for packet in container.demux():
            if packet.stream.index != stream.index:
                heard, others = max(heard, _end(packet)), others + 1
                if others > MOST_OTHERS:
                    break
                continue
            room -= packet.size
            # An index may name the same bytes any number of times.
            if len(found) == most or room < 0:
                break
            if not packet.size:  # the last one, which holds nothing
                continue
            stamp = packet.dts if packet.pts is None else packet.pts
            time = len(found) * each if stamp is None or not base else stamp * base
            found.append((time, cast("AnyPacket", packet)))
            if first is None and not packet.is_discard:
                first = time
            if first is not None and time - first > limits.video_seconds + REORDERED:
                break
    return found, heard


def _end(packet: "AVPacket[Stream]") -> float:
    """Return when a packet ends, by its own time stamps; 0 if it has none."""
    if packet.pts is None or not packet.time_base:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _on_clock(
    container: "InputContainer",
    stream: "VideoStream",
    found: "Sequence[tuple[float, AnyPacket]]",
    heard: float,
    limits: Limits,
) -> Packets:
    """Place compressed frames, at least one, on the clock that players show."""
    compressed, times = [packet for _, packet in found], [time for time, _ in found]
    # Players leave out what an edit list trims, but decode it.
    begun = min((time for time, packet in found if not packet.is_discard), default=min(times))
    start = _delay(container, begun, limits)
    zero = begun - start
    known = [Packet(time - zero, packet.is_keyframe) for time, packet in found]
    base = float(stream.time_base or 0)
    lengths = (float(packet.duration or 0) * base for packet in reversed(compressed))
    last = min(next(filter(None, lengths), 1 / rate(stream)), limits.video_seconds)
    end = max(times) - zero + last
    return Packets(compressed, known, zero, start, end, max(end, heard - zero))


def duration(container: "InputContainer", end: float) -> float:
    """Return the seconds of a whole video: as the file says, or as far as it was read.

    Args:
        container: the opened file.
        end: of the last frame that was read, on a player's clock.
    """
    claimed, offset = (container.duration or 0) / 1e6, (container.start_time or 0) / 1e6
    # A Matroska file that starts at 100 seconds mostly counts them as a part of its length.
    for seconds in (claimed - max(0.0, offset), claimed):
        if end - ROUNDING < seconds < LONGEST:
            return max(end, seconds)
    return end


def _delay(container: "InputContainer", begun: float, limits: Limits) -> float:
    """Return how much later than the whole file its pictures begin; 0 if that is nonsense."""
    delay = begun - container.start_time / 1e6 if container.start_time is not None else 0.0
    return delay if 0 < delay < limits.video_seconds else 0.0
