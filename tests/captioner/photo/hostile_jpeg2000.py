"""JPEG 2000 files made to harm their readers; see `tests.captioner.photo.hostile`.

A file without boxes is a row of markers (ISO/IEC 15444-1, annex A), first the sizes.
"""

import struct
from collections.abc import Callable

from tests.pictures import SIDE, VALID, claiming, halves, patched, plain, saved, truncated

JP2, BARE = VALID["JPEG 2000"], VALID["JPEG 2000 without a box"]
SIZES, CODING, TILE = BARE.index(b"\xff\x51"), BARE.index(b"\xff\x52"), BARE.index(b"\xff\x90")


def sizes(offset: int, layout: str, *values: int) -> bytes:
    """Write numbers into the segment of sizes; an offset of 6 is that of the width."""
    return patched(BARE, SIZES + offset, layout, *values)


def coding(offset: int, layout: str, *values: int) -> bytes:
    return patched(BARE, CODING + offset, layout, *values)


def box(kind: bytes, offset: int, layout: str, *values: int) -> bytes:
    return patched(JP2, JP2.index(kind) + offset, layout, *values)


JPEG2000S: dict[str, Callable[[], bytes]] = {
    "JP2 of 49 million pixels": lambda: saved(plain("L"), "JPEG2000"),
    "JP2 that claims 49 million pixels": lambda: claiming("JPEG2000", SIDE),
    "JP2 that claims 3.6 billion pixels": lambda: claiming("JPEG2000", 60_000),
    "JP2 whose boxes claim fewer pixels than there are": lambda: box(b"ihdr", 4, ">II", 8, 8),
    "JP2 whose boxes claim more pixels than there are": lambda: box(b"ihdr", 4, ">II", 5000, 5000),
    "JP2, header of no length": lambda: box(b"jp2h", -4, ">I", 0),
    "JP2, header of a lying length": lambda: box(b"jp2h", -4, ">I", 2**32 - 1),
    "JP2, box of a length of 64 bits": lambda: box(b"jp2c", -4, ">I", 1),
    "JP2, colours of a lying length": lambda: box(b"colr", -4, ">I", 2**31),
    "JP2, profile of a lying length": lambda: box(b"colr", 4, "B", 2),
    "JP2, a million boxes": lambda: JP2[:12] + 1_000_000 * b"\0\0\0\x08free" + JP2[12:],
    "JP2, truncated": lambda: truncated(JP2),
    "JP2, small tiles for 49 million pixels": lambda: sizes(6, ">IIIIII", SIDE, SIDE, 0, 0, 64, 64),
    "JP2, bare, of 4 billion columns": lambda: sizes(6, ">I", 2**32 - 1),
    "JP2, bare, that starts outside of itself": lambda: sizes(14, ">II", 2**32 - 1, 2**32 - 1),
    "JP2, bare, tiles of one pixel": lambda: sizes(22, ">II", 1, 1),
    "JP2, bare, tiles of no pixels": lambda: sizes(22, ">II", 0, 0),
    "JP2, bare, tiles of 4 billion pixels": lambda: sizes(22, ">II", 2**32 - 1, 2**32 - 1),
    "JP2, bare, of no components": lambda: sizes(38, ">H", 0),
    "JP2, bare, of 16,384 components": lambda: sizes(38, ">H", 16_384),
    "JP2, bare, of 38 bits": lambda: sizes(40, "B", 37),
    "JP2, bare, of 8 bits with a sign": lambda: sizes(40, "B", 0x87),
    "JP2, bare, of lying subsampling": lambda: sizes(41, "BB", 255, 255),
    "JP2, bare, of no subsampling": lambda: sizes(41, "BB", 0, 0),
    "JP2, bare, sizes of a lying length": lambda: sizes(2, ">H", 65_535),
    "JP2, bare, 33 levels": lambda: coding(9, "B", 33),
    "JP2, bare, 255 levels": lambda: coding(9, "B", 255),
    "JP2, bare, 65,535 layers": lambda: coding(6, ">H", 65_535),
    "JP2, bare, blocks of a lying size": lambda: coding(10, "BB", 255, 255),
    "JP2, bare, an unknown transform": lambda: coding(13, "B", 255),
    "JP2, bare, tile of a lying length": lambda: patched(BARE, TILE + 6, ">I", 2**32 - 1),
    "JP2, bare, tile of a lying number": lambda: patched(BARE, TILE + 4, ">H", 65_535),
    "JP2, bare, 100,000 comments": lambda: (
        BARE[:CODING] + 100_000 * b"\xff\x64\0\x05\0\1a" + BARE[CODING:]
    ),
    "JP2, bare, truncated": lambda: truncated(BARE),
    "JP2, a palette of lying numbers": lambda: palette(65_535, 255),
}


def palette(colours: int, channels: int) -> bytes:
    """Have a grey picture claim a palette, in a header that is long enough for its box."""
    data = saved(halves(60, 180, "L"), "JPEG2000")
    place = data.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", data, place)
    body = struct.pack(">HB", colours, channels) + bytes(channels) + bytes(999)
    added = struct.pack(">I", len(body) + 8) + b"pclr" + body
    header = struct.pack(">I", length + len(added)) + data[place + 4 : place + length]
    # Pillow reads a palette only where no colour space is named before it.
    return (
        data[:place] + header.replace(b"\0\0\0\x11", b"\0\0\0\0") + added + data[place + length :]
    )
