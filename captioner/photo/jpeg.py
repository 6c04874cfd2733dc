"""What a JPEG's markers say, without decoding it, and its end if the file lacks one.

The markers are those of ITU-T T.81; a scan is one pass over the picture.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageChops

MAX_SCANS = 100  # as in libtiff; a progressive JPEG has about ten
MAX_MISSING = 0.02  # of the pixels; photos that lack more are refused

# Starts a segment, or ends the picture; 0 and the restart markers belong to the pixels.
MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd7])")
START, END, SCAN, RESTART = 0xD8, 0xD9, 0xDA, 0xD0
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # 0xF7: JPEG-LS
PROGRESSIVE = frozenset({0xC2, 0xCA})
ARITHMETIC = frozenset({0xC9, 0xCA})
READ = frozenset({0xC0, 0xC1, 0xC2}) | ARITHMETIC  # by libjpeg, in its usual build
COEFFICIENTS = 64  # of a block

# Bytes that are decoded to other pixels than none at all.
NOISE = random.Random(0).randbytes(256).replace(b"\xff", b"\x7f")


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


def row_height(jpeg: bytes) -> int:
    """Return the pixels of a row of blocks: 8, or more where colours are stored with fewer rows."""
    for segment in segments(jpeg):
        if segment.kind in FRAMES and len(segment.body) >= 6:
            return 8 * max((factors & 15 for factors in segment.body[7::3]), default=1)
    return 8


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


def ended(jpeg: bytes) -> tuple[bytes, bytes] | None:
    """End a JPEG that lacks its end marker.

    Returns:
        the file with its end, and the same with noise before the end: where the two are decoded
        to other pixels, the file has none. None if the file has an end, or lacks a whole scan.
    """
    waiting: dict[int, set[int]] | None = None  # coefficients of each component, still to come
    progressive, last = False, 0
    for segment in segments(jpeg):
        if waiting is not None and not any(waiting.values()):
            return None if segment.kind == END else _with_ends(jpeg[: segment.place], last)
        if segment.kind in FRAMES and len(segment.body) >= 6:
            progressive = segment.kind in PROGRESSIVE
            waiting = {name: set(range(COEFFICIENTS)) for name in segment.body[6::3]}
        elif segment.kind == SCAN and waiting is not None:
            last = segment.place
            count = segment.body[0] if segment.body else 0
            names, rest = segment.body[1 : 1 + 2 * count : 2], segment.body[1 + 2 * count :]
            if len(rest) != 3:
                return None
            first, until, bits = rest if progressive else (0, COEFFICIENTS - 1, 0)
            if not bits & 15:  # none of the lowest bits is left to a later scan
                for name in names:
                    waiting.get(name, set()).difference_update(range(first, until + 1))
    if waiting is None or any(waiting.values()):
        return None
    return _with_ends(jpeg, last)


def _with_ends(jpeg: bytes, last_scan: int) -> tuple[bytes, bytes]:
    data, end = bytes(jpeg).rstrip(b"\xff"), bytes([0xFF, END])
    restarts = [data.rfind(bytes([0xFF, RESTART + number]), last_scan) for number in range(8)]
    latest = max(restarts)
    # After a restart marker come pixels again, so noise is only decoded behind the next of them.
    following = RESTART + (restarts.index(latest) + 1) % 8 if latest >= 0 else RESTART
    return data + end, data + NOISE + bytes([0xFF, following]) + NOISE + end


def missing(picture: Image.Image, noisy: Image.Image, row_height: int) -> float:
    """Return the share of the pixels that a file lacks.

    Args:
        picture: the file, ended.
        noisy: the same with noise before its end.
        row_height: pixels of a row of blocks, at the size of the pictures.
    """
    different = ImageChops.difference(picture, noisy)
    box = different.getbbox(alpha_only=False)
    if box is None:
        return 0
    width, height = picture.size
    top = box[1]
    row = different.crop((0, top, width, min(height, top + row_height)))
    beside = row.getbbox(alpha_only=False) or box
    below = max(0, height - top - row_height)
    return ((width - beside[0]) * row.height + width * below) / (width * height)
