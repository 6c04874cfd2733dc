"""Files made to harm their readers: Pillow's known troublemakers, in every allowed format.

Each comes out of the sandbox as pixels or as `BadImage`, within the deadline. They are made when
they are asked for, since some have megabytes.
"""

import struct
import zlib
from collections.abc import Callable, Iterable

from PIL import Image

from tests.captioner.photo.hostile_boxes import AVIFS, HEICS
from tests.captioner.photo.hostile_jpeg2000 import JPEG2000S
from tests.captioner.photo.hostile_tiff import TIFFS
from tests.captioner.photo.profiles import DISPLAY_P3, ink_profile, rgb_profile
from tests.pictures import (
    SIDE,
    VALID,
    chunk,
    claiming,
    exif,
    halves,
    patched,
    plain,
    png,
    saved,
    truncated,
)

MANY = 3000
BOMB = zlib.compress(bytes(5 * 10**7))

P3, INKS = rgb_profile(DISPLAY_P3), ink_profile((77, 168, 150))
JPEG, PROGRESSIVE, PNG, WEBP, GIF, BMP = (
    VALID[name] for name in ("JPEG", "progressive JPEG", "PNG", "WEBP", "GIF", "BMP")
)


def frames(count: int) -> list[Image.Image]:
    # Frames that are alike would be saved as one.
    return [Image.new("RGB", (8, 8), (number % 256, number // 256, 9)) for number in range(count)]


# JPEG


def segments(marker: int, body: bytes, count: int) -> bytes:
    """Put metadata in front of everything else in a JPEG."""
    segment = struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
    return JPEG[:2] + count * segment + JPEG[2:]


def scans(count: int, side: int) -> bytes:
    """Return a progressive JPEG that passes over all of its pixels `count` times."""
    data = patched(PROGRESSIVE, PROGRESSIVE.index(b"\xff\xc2") + 5, ">HH", side, side)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + (count - data.count(b"\xff\xda")) * last + data[-2:]


def jpeg_sof(offset: int, value: int) -> bytes:
    return patched(JPEG, JPEG.index(b"\xff\xc0") + offset, "B", value)


def jpeg_length(marker: bytes, length: int) -> bytes:
    return patched(JPEG, JPEG.index(marker) + 2, ">H", length)


JPEGS: dict[str, Callable[[], bytes]] = {
    "JPEG of 49 million pixels": lambda: saved(plain(), "JPEG"),
    "JPEG that claims 49 million pixels": lambda: claiming("JPEG", SIDE),
    "JPEG that claims 4 billion pixels": lambda: claiming("JPEG", 65_500),
    "JPEG without rows": lambda: patched(JPEG, JPEG.index(b"\xff\xc0") + 5, ">H", 0),
    "JPEG, 99 scans of 49 million pixels": lambda: scans(99, SIDE),
    "JPEG, 100,000 scans": lambda: scans(100_000, 64),
    "JPEG, truncated": lambda: truncated(JPEG),
    "JPEG of 49 million pixels without an end": lambda: saved(plain(), "JPEG")[:-2],
    "JPEG, progressive, 49 million pixels claimed without an end": lambda: scans(9, SIDE)[:-2],
    "JPEG that claims 900 million pixels": lambda: claiming("JPEG", 30_000),
    "JPEG without an end, 900 million pixels claimed": lambda: claiming("JPEG", 30_000)[:-2],
    "JPEG, 100,000 scans without an end": lambda: scans(100_000, 64)[:-2],
    "JPEG, a profile of 8 MB": lambda: saved(
        halves(), "JPEG", icc_profile=P3.ljust(8 * 2**20, b"\0")
    ),
    "JPEG, a profile with a lying number of tags": lambda: saved(
        halves(), "JPEG", icc_profile=patched(P3, 128, ">I", 2**32 - 1)
    ),
    "JPEG, a profile with a curve of 4 billion values": lambda: saved(
        halves(),
        "JPEG",
        icc_profile=patched(P3, P3.index(b"curv\0") + 8, ">I", 2**32 - 1),
    ),
    "JPEG, a profile with a table of 255 channels": lambda: saved(
        halves(0, 255, "L").convert("CMYK"),
        "JPEG",
        icc_profile=patched(INKS, INKS.index(b"mft1") + 8, "BBB", 255, 255, 255),
    ),
    "JPEG, megabytes of EXIF": lambda: segments(0xE1, b"Exif\0\0" + bytes(65_000), 250),
    "JPEG, a million EXIF segments": lambda: segments(
        0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0", 1_000_000
    ),
    "JPEG, megabytes of XMP": lambda: segments(
        0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + 20_000 * b"<a>", 250
    ),
    "JPEG, megabytes of ICC profile": lambda: segments(
        0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(65_000), 255
    ),
    "JPEG, a million comments": lambda: segments(0xFE, b"", 1_000_000),
    "JPEG, lying MPO index": lambda: segments(0xE2, b"MPF\0II*\0\xff\xff\xff\x7f", 1),
    "JPEG, MPO of 4 billion pictures": lambda: segments(
        0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\x01\xb0\x04\0\1\0\0\0\xff\xff\xff\xff\0\0\0\0", 1
    ),
    "JPEG, EXIF directory that is its own next": lambda: saved(
        halves(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\x08\0\0\0"
    ),
    "JPEG, EXIF directory within itself": lambda: saved(
        halves(),
        "JPEG",
        exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x69\x87\x04\0\1\0\0\0\x08\0\0\0\0\0\0\0",
    ),
    "JPEG, CMYK with Adobe's marker and no colours": lambda: segments(
        0xEE, b"Adobe\0d\0\0\0\0\xff", 1
    ),
    "JPEG, CMYK, truncated": lambda: truncated(saved(halves().convert("CMYK"), "JPEG")),
    "JPEG of 12 bits": lambda: jpeg_sof(4, 12),
    "JPEG of 255 components": lambda: jpeg_sof(9, 255),
    "JPEG with lying sampling factors": lambda: jpeg_sof(11, 0x4F),
    "JPEG, Huffman table of a lying length": lambda: jpeg_length(b"\xff\xc4", 65_535),
    "JPEG, segment of length 0": lambda: jpeg_length(b"\xff\xdb", 0),
    "JPEG, arithmetic coding claimed": lambda: JPEG.replace(b"\xff\xc0", b"\xff\xc9"),
    "JPEG, lossless claimed": lambda: JPEG.replace(b"\xff\xc0", b"\xff\xc3"),
    "JPEG, megabytes of restart markers": lambda: (
        JPEG[:-2] + 2_000_000 * b"\xff\xd0\xff\xd1" + JPEG[-2:]
    ),
}


# PNG


def png_chunks(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Put chunks between the header of a PNG and its pixels."""
    return PNG[:33] + b"".join(chunk(kind, body) for kind, body in chunks) + PNG[33:]


def apng(count: int) -> bytes:
    first, *rest = frames(count)
    return saved(first, "PNG", save_all=True, append_images=rest)


PNGS: dict[str, Callable[[], bytes]] = {
    "PNG of 49 million 16-bit colours with alpha": lambda: png(
        SIDE, SIDE, 16, 6, bytes(SIDE * (8 * SIDE + 1))
    ),
    "PNG of 49 million 16-bit greys": lambda: png(SIDE, SIDE, 16, 0, bytes(SIDE * (2 * SIDE + 1))),
    "PNG, interlaced, 49 million pixels": lambda: patched(
        png(SIDE, SIDE, 8, 2, bytes(SIDE * (3 * SIDE + 9))), 28, "B", 1
    ),
    "PNG that claims 49 million pixels": lambda: claiming("PNG", SIDE),
    "PNG that claims 3.6 billion pixels": lambda: claiming("PNG", 60_000),
    "PNG with far more pixels than it claims": lambda: png(1, 1, 8, 2, bytes(5 * 10**7)),
    "PNG, zTXt bomb": lambda: png_chunks([(b"zTXt", b"a\0\0" + BOMB)]),
    "PNG, 1000 zTXt chunks just below the limit": lambda: png_chunks(
        1000 * [(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**20 - 1)))]
    ),
    "PNG, iTXt bomb": lambda: png_chunks([(b"iTXt", b"a\0\1\0\0\0" + BOMB)]),
    "PNG, iCCP bomb": lambda: png_chunks([(b"iCCP", b"a\0\0" + BOMB)]),
    "PNG, a million text chunks": lambda: png_chunks(
        (b"tEXt", b"%d\0a" % number) for number in range(1_000_000)
    ),
    "PNG, a million empty pixel chunks": lambda: png_chunks(1_000_000 * [(b"IDAT", b"")]),
    "PNG, chunk of a lying length": lambda: patched(PNG, 33, ">I", 2**31 - 1),
    "PNG, EXIF of 10 MB": lambda: png_chunks([(b"eXIf", b"II*\0\x08\0\0\0" + bytes(10**7))]),
    "PNG, truncated": lambda: truncated(PNG),
    "PNG, animation of many frames": lambda: apng(MANY),
    "PNG, animation that claims 4 billion frames": lambda: png_chunks(
        [(b"acTL", struct.pack(">II", 2**32 - 1, 0))]
    ),
    "PNG, frame outside of its picture": lambda: png_chunks(
        [
            (b"acTL", struct.pack(">II", 2, 0)),
            (b"fcTL", struct.pack(">IIIIIHHBB", 0, 2**31, 2**31, 2**31, 9, 1, 1, 0, 0)),
        ]
    ),
}


# WebP


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + len(data) % 2 * b"\0" for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp_canvas(flags: int, width: int, height: int) -> tuple[bytes, bytes]:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sizes


def webp_frames(count: int) -> bytes:
    first, *rest = frames(count)
    return saved(first, "WEBP", save_all=True, append_images=rest, method=0, lossless=True)


WEBPS: dict[str, Callable[[], bytes]] = {
    "WebP of 49 million pixels": lambda: saved(plain(), "WEBP", lossless=True, method=0, quality=0),
    "WebP of 49 million pixels with alpha": lambda: saved(
        plain("RGBA"), "WEBP", lossless=True, method=0, quality=0, exif=exif(6)
    ),
    "WebP that claims 49 million pixels": lambda: claiming("WEBP", SIDE),
    "WebP that claims 3.6 billion pixels": lambda: claiming("WEBP", 60_000),
    "WebP, animation that claims 49 million pixels": lambda: webp(
        webp_canvas(2, SIDE, SIDE), (b"ANIM", bytes(6)), (b"ANMF", bytes(16) + WEBP[12:])
    ),
    "WebP, animation of many frames": lambda: webp_frames(MANY),
    "WebP, lying length of the file": lambda: patched(WEBP, 4, "<I", 2**32 - 1),
    "WebP, lying length of the pixels": lambda: patched(WEBP, 16, "<I", 2**31),
    "WebP, truncated": lambda: truncated(WEBP),
    "WebP, EXIF and XMP of 5 MB each": lambda: webp(
        webp_canvas(12, 64, 32),
        (WEBP[12:16], WEBP[20:]),
        (b"EXIF", b"II*\0\x08\0\0\0" + 5_000_000 * b"\xff"),
        (b"XMP ", b"<x:xmpmeta>" + 1_600_000 * b"<a>"),
    ),
    "WebP, a million empty chunks": lambda: webp(
        webp_canvas(0, 64, 32), *(1_000_000 * [(b"none", b"")]), (WEBP[12:16], WEBP[20:])
    ),
}


# GIF


def gif_frame(
    width: int, height: int, left: int = 0, code_size: int = 8, data: bytes = b""
) -> bytes:
    blocks = b"".join(
        bytes([len(data[start : start + 255])]) + data[start : start + 255]
        for start in range(0, len(data), 255)
    )
    return struct.pack("<BHHHHBB", 0x2C, left, 0, width, height, 0, code_size) + blocks + b"\0"


def gif(*parts: bytes, screen: tuple[int, int] = (64, 32)) -> bytes:
    colours = 256 * bytes(3)
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0xF7, 0, 0)
    return head + colours + b"".join(parts) + b";"


def gif_frames(count: int) -> bytes:
    first, *rest = frames(count)
    return saved(first, "GIF", save_all=True, append_images=rest)


GIFS: dict[str, Callable[[], bytes]] = {
    "GIF of 49 million pixels": lambda: saved(plain("P"), "GIF"),
    "GIF that claims 49 million pixels": lambda: claiming("GIF", SIDE),
    "GIF that claims 3.6 billion pixels": lambda: claiming("GIF", 60_000),
    "GIF, frame of 4 billion pixels on a small screen": lambda: gif(gif_frame(65_535, 65_535)),
    "GIF, frame far outside of its screen": lambda: gif(gif_frame(9, 9, 65_000, data=b"\0\1\2")),
    "GIF, LZW that only clears": lambda: gif(gif_frame(64, 32, data=10_000_000 * b"\0\1")),
    "GIF, LZW of lying codes": lambda: gif(gif_frame(64, 32, data=1000 * b"\xff\x7f\x13")),
    "GIF, LZW of 12 bits": lambda: gif(gif_frame(64, 32, code_size=12, data=bytes(99))),
    "GIF, LZW of 255 bits": lambda: gif(gif_frame(64, 32, code_size=255, data=bytes(99))),
    "GIF, truncated": lambda: truncated(GIF),
    "GIF of many frames": lambda: gif_frames(MANY),
    "GIF, a million frames of nothing": lambda: gif(1_000_000 * gif_frame(1, 1)),
    "GIF, a comment of 15 MB": lambda: gif(
        b"!\xfe" + 60_000 * (b"\xff" + bytes(255)) + b"\0", GIF[13:-1]
    ),
    "GIF, a million extensions": lambda: gif(1_000_000 * b"!\xf9\4\0\0\0\0\0", GIF[13:-1]),
}


# BMP


def bmp(width: int, height: int, bits: int, compression: int, pixels: bytes, colours: int) -> bytes:
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, colours, 0
    )
    palette = min(colours, 256) * bytes(4)
    start = 14 + len(header) + len(palette)
    file = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    return file + header + palette + pixels


BMPS: dict[str, Callable[[], bytes]] = {
    "BMP of one bit, 49 million pixels": lambda: saved(plain("1"), "BMP"),
    "BMP that claims 49 million pixels": lambda: claiming("BMP", SIDE),
    "BMP that claims 3.6 billion pixels": lambda: claiming("BMP", 60_000),
    "BMP of the most negative height": lambda: patched(BMP, 22, "<i", -(2**31)),
    "BMP, run lengths for 49 million pixels": lambda: bmp(
        SIDE, SIDE, 8, 1, SIDE * (27 * b"\xff\1" + b"\x73\1\0\0"), 256
    ),
    "BMP, run lengths that only skip": lambda: bmp(
        SIDE, SIDE, 8, 1, 1_000_000 * b"\0\2\xff\0" + b"\0\1", 256
    ),
    "BMP, run lengths that end early": lambda: bmp(SIDE, SIDE, 8, 1, b"\0\1", 256),
    "BMP of 4 billion colours": lambda: bmp(9, 9, 8, 0, bytes(108), 2**32 - 1),
    "BMP, pixels outside of the file": lambda: patched(BMP, 10, "<I", 2**32 - 1),
    "BMP, header of a lying length": lambda: patched(BMP, 14, "<I", 2**31),
    "BMP, truncated": lambda: truncated(BMP),
}


HOSTILE: dict[str, Callable[[], bytes]] = (
    JPEGS | PNGS | WEBPS | GIFS | BMPS | TIFFS | AVIFS | HEICS | JPEG2000S
)

# These are pictures after all, and come out as pixels; every other one is refused.
READABLE = frozenset(
    {
        "JPEG that claims 49 million pixels",
        "JPEG, megabytes of EXIF",
        "JPEG, megabytes of XMP",
        "JPEG, megabytes of ICC profile",
        "JPEG, a million comments",
        "JPEG, lying MPO index",
        "JPEG, MPO of 4 billion pictures",
        "JPEG, EXIF directory that is its own next",
        "JPEG, EXIF directory within itself",
        "JPEG, CMYK with Adobe's marker and no colours",
        "JPEG, arithmetic coding claimed",
        "JPEG, megabytes of restart markers",
        "JPEG, progressive, 49 million pixels claimed without an end",
        "JPEG that claims 900 million pixels",
        "JPEG, a profile of 8 MB",
        "JPEG, a profile with a lying number of tags",
        "JPEG, a profile with a curve of 4 billion values",
        "JPEG, a profile with a table of 255 channels",
        "JP2 that claims 49 million pixels",
        "JP2, profile of a lying length",
        "JP2, small tiles for 49 million pixels",
        "JP2, bare, tiles of one pixel",
        "JP2, bare, tiles of 4 billion pixels",
        "JP2, bare, of 8 bits with a sign",
        "JP2, bare, 65,535 layers",
        "JP2, bare, 100,000 comments",
        "PNG with far more pixels than it claims",
        "PNG, a million text chunks",
        "PNG, a million empty pixel chunks",
        "PNG, chunk of a lying length",
        "PNG, EXIF of 10 MB",
        "PNG, animation of many frames",
        "PNG, animation that claims 4 billion frames",
        "WebP, animation that claims 49 million pixels",
        "WebP, animation of many frames",
        "WebP, EXIF and XMP of 5 MB each",
        "WebP, a million empty chunks",
        "GIF that claims 49 million pixels",
        "GIF, LZW that only clears",
        "GIF of many frames",
        "GIF, a million frames of nothing",
        "GIF, a comment of 15 MB",
        "GIF, a million extensions",
        "BMP of one bit, 49 million pixels",
        "BMP, run lengths for 49 million pixels",
        "BMP, run lengths that only skip",
        "TIFF of one bit, 49 million pixels",
        "TIFF, CMYK, 49 million pixels",
        "TIFF, LAB, 49 million pixels",
        "TIFF, Deflate strip of 50 MB",
        "TIFF, PackBits strip of 100 MB",
        "TIFF, LZW strip that only clears",
        "TIFF, fax of zeros",
        "TIFF, fax of ones",
        "TIFF, a strip longer than the file",
        "TIFF, 4 billion rows a strip",
        "TIFF, a directory that is its own next",
        "TIFF, 100,000 directories",
        "TIFF, EXIF directory within itself",
        "TIFF, sub-directories within themselves",
        "TIFF, tag of 4 billion bytes",
        "TIFF, XMP of 15 MB",
        "TIFF, ICC profile of 15 MB",
        "TIFF, YCbCr of lying subsampling",
        "AVIF, meta of no length",
        "AVIF, pixels of a lying length",
        "AVIF, 49 million pixels claimed",
        "AVIF, a million boxes",
        "AVIF of many frames",
        "AVIF, EXIF of 10 MB",
        "AVIF, XMP of 10 MB",
        "HEIC, meta of no length",
        "HEIC, pixels of a lying length",
        "HEIC, a million boxes",
        "HEIC of many pictures",
        "HEIC, EXIF of 10 MB",
        "HEIC, a grid as it should be",
        "HEIC, a grid of itself",
        "HEIC, a grid of what is not there",
    }
)
