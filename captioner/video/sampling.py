"""Which moments of a video are used, and which of its packets must be decoded for them."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

# A sentence is about what lasts: half a second is shorter than any scene that is told.
RATE = 2.0  # frames a second
ALIKE = 0.1  # seconds, of the distances between keyframes
# Seconds. If keyframes are further apart, scenes between them would be missed. x264 puts one after
# ten and a half, at 24 frames a second; where some came earlier, they mark the cuts.
FAR_APART = 12.0
FAR_APART_UNMARKED = 3.0
# Seconds. A frame that is shown for less may be left out: the frame before it stands for it then.
SHOWN_BRIEFLY = 0.25
# The largest share of the decoded packets that may be reserved for the end.
END = 0.3


class Packet(NamedTuple):
    """What is known about a compressed frame before it is decoded."""

    seconds: float  # when it is shown, from the start of the video
    is_key: bool  # it can be decoded without the ones before it


def moments(start: float, end: float, most: int) -> list[float]:
    """Return the moments to use between `start` and `end`, in seconds.

    They are the middles of at most `most` equal parts.
    """
    length = max(0.0, end - start)
    count = min(most, max(1, round(RATE * length)))
    return [start + (index + 0.5) * length / count for index in range(count)]


def has_few_keys(packets: Sequence[Packet]) -> bool:
    """Return whether a video must be decoded between its keyframes, so that no scene is missed."""
    longest = max(
        max(packets[index].seconds for index in group) - packets[group.start].seconds
        for group in _groups(packets)
    )
    return longest > (FAR_APART if _cuts(packets) else FAR_APART_UNMARKED)


def is_steady(packets: Sequence[Packet], end: float) -> bool:
    """Return whether no frame is shown for so long that it would be missed, up to the last's end.

    Screen recordings and slides have frames that are shown for seconds, whatever rate they claim.
    """
    shown = [*sorted(packet.seconds for packet in packets), end]
    return max(later - one for one, later in pairwise(shown)) < SHOWN_BRIEFLY


def needed(packets: Sequence[Packet], wanted: Sequence[float], most: int) -> list[bool]:
    """Choose the packets to decode.

    From a keyframe, frames are decoded up to the last moment wanted before the next keyframe. If
    that is too many frames, at most the same number is decoded after each keyframe, and later
    moments get the last one decoded. Keyframes that stand for a moment are always decoded. So is
    what comes after the last of them, if it is a small part, so that the end is covered.

    Args:
        packets: in the order in which they are decoded.
        wanted: moments, in their order, at least one.
        most: how many packets to decode.

    Returns:
        for each packet whether it is needed.
    """
    groups = _groups(packets)
    starts = [packets[group.start].seconds for group in groups]
    last: dict[int, float] = {}  # the last moment that each group is wanted for
    for moment in wanted:
        last[max(0, bisect_right(starts, moment) - 1)] = moment
    ranks: dict[int, int] = {}  # how many packets of its group come before each
    for number, moment in last.items():
        group = groups[number]
        # Frames are decoded in another order than they are shown in.
        end = max((i for i in group if packets[i].seconds <= moment), default=group.start)
        ranks |= {index: index - group.start for index in range(group.start, end + 1)}
    tail = {index for index in ranks if index >= groups[max(last)].start}
    if not 0 < len(tail) <= END * most:
        tail = set()
    reach = _reach([rank for index, rank in ranks.items() if index not in tail], most - len(tail))
    return [index in tail or ranks.get(index, math.inf) <= reach for index in range(len(packets))]


def _cuts(packets: Sequence[Packet]) -> set[float]:
    """Return when keyframes came earlier than usual: many encoders put one where a scene is cut."""
    starts = [packets[group.start].seconds for group in _groups(packets)]
    lengths = [later - one for one, later in pairwise(starts)]
    usual = max(lengths, default=0.0) - ALIKE
    if sum(length > usual for length in lengths) == 1:
        usual = math.inf  # a single one says nothing about what is usual
    pairs = zip(starts[1:], lengths, strict=True)
    return {start for start, length in pairs if length < usual}


def _reach(ranks: list[int], most: int) -> int:
    """Return the highest rank up to which there are at most `most`; at least 0, a keyframe's."""
    if len(ranks) <= most:
        return max(ranks, default=0)
    return max(0, sorted(ranks)[max(0, most)] - 1)


def _groups(packets: Sequence[Packet]) -> list[range]:
    """Return the groups of pictures: a keyframe, and what is decoded after it."""
    starts = [i for i, packet in enumerate(packets) if packet.is_key or i == 0]
    return [
        range(start, end) for start, end in zip(starts, [*starts[1:], len(packets)], strict=True)
    ]


def guessed(packets: Sequence[Packet], use: Sequence[bool]) -> dict[float, float]:
    """Guess when a scene was cut that is first seen after packets that are not decoded.

    A keyframe that came early may mark it. Without one, the middle of what is not decoded is the
    nearest on average. What is seen first begins where the video does.

    Args:
        packets: in the order in which they are decoded.
        use: for each whether it is decoded.

    Returns:
        by the seconds of each packet that follows others that are not decoded: the guess.
    """
    cuts = _cuts(packets)
    found: dict[float, float] = {}
    skipped: list[float] = []
    nothing = True  # was seen
    for packet, used in zip(packets, use, strict=True):
        if not used:
            skipped.append(packet.seconds)
            continue
        if skipped:
            keys = [seconds for seconds in (*skipped, packet.seconds) if seconds in cuts]
            middle = (min(skipped) + packet.seconds) / 2
            guess = keys[-1] if keys else middle
            found[packet.seconds] = min(skipped) if nothing else guess
        skipped, nothing = [], False
    return found
