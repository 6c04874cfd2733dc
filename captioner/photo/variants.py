"""Whether a file that cannot be read is whole, of a variant that its format has and Pillow lacks.

Its sender then needs another answer than for a damaged file: sending it again will not help.
"""

import io
import re
import struct
from contextlib import suppress
from itertools import chain

from PIL import TiffImagePlugin

from captioner.photo import jpeg, jpeg2000

# HEIF's brands whose pictures are coded in another way than HEVC or AV1 (ISO/IEC 23008-12).
HEIF_BRANDS = frozenset(
    {b"unif", b"mif2", b"miaf", b"avci", b"avcs", b"jpeg", b"jpgs", b"j2ki", b"j2is"}
    | {b"vvic", b"vvis", b"evbi", b"evmi"}
)
ITEM = re.compile(rb"infe[\2\3]...(?:..|....)\0\0([a-z][a-z0-9]{3})", re.DOTALL)
CODED = frozenset({b"hvc1", b"lhv1", b"av01"})  # as the libraries for HEIC and AVIF read them
OTHER_CODES = frozenset({b"unci", b"vvc1", b"evc1", b"avc1", b"j2k1", b"jpeg"})

BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # lengths, of each version of BMP
BMP_PLAIN = frozenset({0, 1, 2})  # not compressed, or in run lengths
BMP_RARE_BITS = frozenset({2, 64})  # of Windows CE, and of the newest Windows

# TIFF's tags, and compressions that depend on how libtiff was built: old JPEG, JBIG, LERC.
WIDTH, HEIGHT, COMPRESSION, SAMPLES = 256, 257, 259, 277
STRIPS = ((273, 279), (324, 325))  # where strips or tiles are, and how long
TIFF_RARE = frozenset({6, 34661, 34887})
MOST_SAMPLES = 1000  # a pixel, in pictures from satellites


def is_unsupported(data: bytes, opened: bool) -> bool:
    """Whether a file that was not read is of a variant that cannot be read.

    Args:
        data: the whole file.
        opened: whether its header was read, and only its pixels were not.
    """
    with suppress(Exception):  # broken headers raise what Pillow's readers raise
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"BM"):
            return not opened and _bmp(data)
        if data.startswith((b"II", b"MM")):
            return _tiff(data, opened)
        if data[4:8] == b"ftyp":
            return _heif(data)
        if data.startswith(b"\x89PNG"):
            return data[12:16] == b"CgBI"  # Apple's own, of programs for phones
        return not opened and jpeg2000.components(data) > 4
    return False


def _jpeg(data: bytes) -> bool:
    frame = jpeg.frame(data)
    if frame is None:
        return False
    if frame.kind in jpeg.ARITHMETIC and any(
        segment.kind == jpeg.END for segment in jpeg.segments(data)
    ):
        return True  # some builds of libjpeg have no arithmetic coding
    return frame.kind not in jpeg.READ or frame.bits != 8 or frame.components == 2


def _bmp(data: bytes) -> bool:
    (length,) = struct.unpack_from("<I", data, 14)
    if length == 12 or length not in BMP_HEADERS or len(data) < 14 + length:
        return False
    bits, compression = struct.unpack_from("<HI", data, 28)
    return length == 16 or compression not in BMP_PLAIN or bits in BMP_RARE_BITS


def _tiff(data: bytes, opened: bool) -> bool:
    header = data[: 16 if 43 in data[2:4] else 8]  # the one with offsets of 64 bits is longer
    tags = TiffImagePlugin.ImageFileDirectory_v2(header)
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    if opened:
        return tags.get(COMPRESSION) in TIFF_RARE
    pieces = [zip(tags[at], tags[long], strict=True) for at, long in STRIPS if at in tags]
    return (
        all(isinstance(tags[side], int) and tags[side] > 0 for side in (WIDTH, HEIGHT))
        and tags.get(SAMPLES, 1) <= MOST_SAMPLES
        and bool(pieces)
        and all(0 < start < start + size <= len(data) for start, size in chain(*pieces))
    )


def _heif(data: bytes) -> bool:
    if data[8:12] in HEIF_BRANDS:
        return True
    items = set(ITEM.findall(data))
    # A sequence may have no picture besides, only a video: it has no `meta` box, but a `moov`.
    return not items & CODED if items & OTHER_CODES else b"meta" not in data and b"moov" in data
