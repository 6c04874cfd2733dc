"""What a JPEG's markers say, without decoding it.

The markers are those of ITU-T T.81; a scan is one pass over the picture.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SCANS = 100  # as in libtiff; a progressive JPEG has about ten

# Starts a segment, or ends the picture; 0 and the restart markers belong to the pixels.
MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
START, END, SCAN = 0xD8, 0xD9, 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # 0xF7: JPEG-LS
PROGRESSIVE = frozenset({0xC2, 0xCA})
ARITHMETIC = frozenset({0xC9, 0xCA})
READ = frozenset({0xC0, 0xC1, 0xC2}) | ARITHMETIC  # by libjpeg, in its usual build


@dataclass(frozen=True)
class Segment:
    """A marker, and the body that follows it; markers without a body have an empty one."""

    kind: int
    place: int  # of the marker
    body: bytes


@dataclass(frozen=True)
class Frame:
    """How a JPEG is coded."""

    kind: int
    bits: int
    components: int


def segments(jpeg: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG up to the end of its picture; the pixels are skipped."""
    position = 2
    while marker := MARKER.search(jpeg, position):
        (kind,) = marker[1]
        if kind in (START, END):  # at the start of another picture this one is over, too
            yield Segment(kind, marker.start(), b"")
            return
        length = int.from_bytes(jpeg[marker.end() : marker.end() + 2])
        position = marker.end() + length
        yield Segment(kind, marker.start(), bytes(jpeg[marker.end() + 2 : position]))


def frame(jpeg: bytes) -> Frame | None:
    """Return how a JPEG is coded, or None if it does not say."""
    for segment in segments(jpeg):
        if segment.kind in FRAMES and len(segment.body) >= 6:
            return Frame(segment.kind, segment.body[0], segment.body[5])
        if segment.kind == SCAN:
            break
    return None


def has_too_many_scans(jpeg: bytes) -> bool:
    """Whether decoding may take hours: each scan of a few bytes costs a pass over all pixels."""
    scans = 0
    for segment in segments(jpeg):
        scans += segment.kind == SCAN
        if scans > MAX_SCANS:
            return True
    return False


def is_streamed(jpeg: bytes) -> bool:
    """Whether a JPEG is decoded row by row, so that only the rows that are kept take memory.

    Of a progressive one, or one with a scan for each colour, the decoder holds all coefficients.
    """
    kind, components = 0, 0
    for segment in segments(jpeg):
        if segment.kind in FRAMES and len(segment.body) >= 6:
            kind, components = segment.kind, segment.body[5]
        elif segment.kind == SCAN:
            return kind in READ - PROGRESSIVE and segment.body[:1] == bytes([components])
    return False
