"""TIFF files made to harm their readers; see `tests.captioner.photo.hostile`."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.pictures import SIDE, VALID, claiming, patched, plain, saved, truncated, with_tiff_tag

BYTE, SHORT, LONG = 1, 3, 4
DEFLATE, PACKBITS, LZW, FAX, JPEG, ZSTD = 8, 32773, 5, 3, 7, 50000
BEHIND = -1  # a value: the place behind the directory

TIFF = VALID["TIFF"]
Tags = dict[int, tuple[int, int, int]]  # kind, count, value


def tiff(tags: Tags, behind: bytes = b"", following: int = 0) -> bytes:
    place = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack("<HHII", tag, kind, count, place if value == BEHIND else value)
        for tag, (kind, count, value) in sorted(tags.items())
    )
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    return b"II*\0\x08\0\0\0" + directory + behind


def grey(side: int, compression: int, strip: bytes, changes: Tags | None = None) -> bytes:
    """Return a picture of one strip, with other tags where they are given."""
    tags = {
        256: (LONG, 1, side),
        257: (LONG, 1, side),
        258: (SHORT, 1, 8),
        259: (SHORT, 1, compression),
        262: (SHORT, 1, 1),
        273: (LONG, 1, BEHIND),
        277: (SHORT, 1, 1),
        278: (LONG, 1, side),
        279: (LONG, 1, len(strip)),
    }
    return tiff(tags | (changes or {}), strip)


def tiled(side: int, width: int, height: int, count: int = 1) -> bytes:
    tile = zlib.compress(bytes(10**6))
    tags = {
        256: (LONG, 1, side),
        257: (LONG, 1, side),
        258: (SHORT, 1, 8),
        259: (SHORT, 1, DEFLATE),
        262: (SHORT, 1, 1),
        277: (SHORT, 1, 1),
        322: (LONG, 1, width),
        323: (LONG, 1, height),
        324: (LONG, count, BEHIND),
        325: (LONG, count, len(tile) if count == 1 else BEHIND),
    }
    return tiff(tags, tile)


def directories(count: int) -> bytes:
    """Return a picture followed by `count` directories without tags."""
    start = len(TIFF) + len(TIFF) % 2
    (first,) = struct.unpack_from("<I", TIFF, 4)
    (entries,) = struct.unpack_from("<H", TIFF, first)
    head = patched(TIFF, first + 2 + 12 * entries, "<I", start)
    return (
        head
        + len(TIFF) % 2 * b"\0"
        + b"".join(struct.pack("<HI", 0, start + 6 * number) for number in range(1, count + 1))
    )


def followed_by(place: int) -> bytes:
    (first,) = struct.unpack_from("<I", TIFF, 4)
    (entries,) = struct.unpack_from("<H", TIFF, first)
    return patched(TIFF, first + 2 + 12 * entries, "<I", place)


TIFFS: dict[str, Callable[[], bytes]] = {
    "TIFF of one bit, 49 million pixels": lambda: saved(plain("1"), "TIFF", compression="group4"),
    "TIFF of 49 million floats": lambda: saved(
        Image.fromarray(np.zeros((SIDE, SIDE), np.float32)), "TIFF", compression="tiff_lzw"
    ),
    "TIFF, CMYK, 49 million pixels": lambda: saved(plain("CMYK"), "TIFF", compression="packbits"),
    "TIFF, LAB, 49 million pixels": lambda: saved(plain("LAB"), "TIFF", compression="tiff_lzw"),
    "TIFF that claims 49 million pixels": lambda: claiming("TIFF", SIDE),
    "TIFF that claims 3.6 billion pixels": lambda: claiming("TIFF", 60_000),
    "TIFF, Deflate strip of 50 MB": lambda: grey(64, DEFLATE, zlib.compress(bytes(5 * 10**7))),
    "TIFF, Deflate strip of 49 million pixels": lambda: grey(
        SIDE, DEFLATE, zlib.compress(bytes(SIDE * SIDE))
    ),
    "TIFF, PackBits strip of 100 MB": lambda: grey(64, PACKBITS, 800_000 * b"\x81\0"),
    "TIFF, LZW strip that only clears": lambda: grey(64, LZW, 1_000_000 * b"\x80\0"),
    "TIFF, fax of zeros": lambda: grey(SIDE, FAX, bytes(10**6), {258: (SHORT, 1, 1)}),
    "TIFF, fax of ones": lambda: grey(SIDE, FAX, 10**6 * b"\xff", {258: (SHORT, 1, 1)}),
    "TIFF, JPEG strip that claims 4 billion pixels": lambda: grey(
        64, JPEG, claiming("JPEG", 65_500)
    ),
    "TIFF, JPEG strip of many scans": lambda: grey(64, JPEG, VALID["progressive JPEG"]),
    "TIFF, Zstandard of nonsense": lambda: grey(64, ZSTD, b"\x28\xb5\x2f\xfd" + 999 * b"\xff"),
    "TIFF, a strip for each of 49 million pixels": lambda: grey(
        SIDE, 1, bytes(100), {278: (LONG, 1, 1), 273: (LONG, SIDE, 8), 279: (LONG, SIDE, 8)}
    ),
    "TIFF, a strip longer than the file": lambda: with_tiff_tag(TIFF, 279, 2**32 - 1),
    "TIFF, 4 billion rows a strip": lambda: with_tiff_tag(TIFF, 278, 2**32 - 1),
    "TIFF, 4 billion strips": lambda: with_tiff_tag(TIFF, 273, 8, count=2**32 - 1),
    "TIFF, tile of 4 billion pixels": lambda: tiled(64, 65_520, 65_520),
    "TIFF, tile of a billion pixels": lambda: tiled(64, 32_000, 32_000),
    "TIFF, tile of 2**31 columns": lambda: tiled(64, 2**31, 16),
    "TIFF, tiles of one pixel": lambda: tiled(64, 1, 1, count=4096),
    "TIFF, tiles of no pixels": lambda: tiled(64, 0, 0),
    "TIFF, a directory that is its own next": lambda: followed_by(
        struct.unpack_from("<I", TIFF, 4)[0]
    ),
    "TIFF, 100,000 directories": lambda: directories(100_000),
    "TIFF, EXIF directory within itself": lambda: grey(64, 1, bytes(4096), {34665: (LONG, 1, 8)}),
    "TIFF, sub-directories within themselves": lambda: grey(
        64, 1, bytes(4096), {330: (LONG, 1, 8)}
    ),
    "TIFF, tag of 4 billion bytes": lambda: grey(
        64, 1, bytes(4096), {700: (BYTE, 2**32 - 1, BEHIND)}
    ),
    "TIFF, XMP of 15 MB": lambda: grey(64, 1, 15_000_000 * b"<", {700: (BYTE, 15_000_000, BEHIND)}),
    "TIFF, ICC profile of 15 MB": lambda: grey(
        64, 1, bytes(15_000_000), {34675: (7, 15_000_000, BEHIND)}
    ),
    "TIFF, 60,000 tags": lambda: tiff(
        {number: (SHORT, 1, number) for number in range(1000, 61_000)}, following=8
    ),
    "TIFF of 65,535 samples a pixel": lambda: grey(
        64, DEFLATE, zlib.compress(bytes(10**6)), {277: (SHORT, 1, 65_535)}
    ),
    "TIFF of 64 bits a sample": lambda: grey(64, 1, bytes(40_000), {258: (SHORT, 1, 64)}),
    "TIFF, planes of a lying count": lambda: grey(
        64, DEFLATE, zlib.compress(bytes(9999)), {277: (SHORT, 1, 3), 284: (SHORT, 1, 2)}
    ),
    "TIFF, YCbCr of lying subsampling": lambda: grey(
        64, 1, bytes(20_000), {262: (SHORT, 1, 6), 277: (SHORT, 1, 3), 530: (SHORT, 2, 0xFFFFFFFF)}
    ),
    "TIFF of 64-bit offsets, all of them lies": lambda: (
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + 99 * b"\xff"
    ),
    "TIFF, truncated": lambda: truncated(TIFF),
}
