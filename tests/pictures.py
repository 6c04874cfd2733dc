"""Small pictures and their files, valid ones of every format, for tests that read or break them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from captioner.photo.decode import FORMATS

LEFT, RIGHT = (200, 60, 40), (40, 90, 210)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SIDE = 7000  # a square of it is just within the limit on pixels


def saved(picture: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def halves(left: Any = LEFT, right: Any = RIGHT, mode: str = "RGB") -> Image.Image:
    picture = Image.new(mode, (64, 32), left)
    picture.paste(right, (32, 0, 64, 32))
    return picture


def wide_halves(left: float, right: float, dtype: str) -> Image.Image:
    values = np.full((32, 64), left, dtype)
    values[:, 32:] = right
    return Image.fromarray(values)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, **extra: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [chunk(kind.encode(), body) for kind, body in extra.items()]
    body = chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def with_tiff_tag(data: bytes, tag: int, value: int, kind: int = 4, count: int = 1) -> bytes:
    changed = bytearray(data)
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    for place in range(directory + 2, directory + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", data, place) == (tag,):
            struct.pack_into("<HII", changed, place + 2, kind, count, value)
    assert changed != data
    return bytes(changed)


def patched(data: bytes, place: int, layout: str, *values: int) -> bytes:
    """Write numbers over those that stand at a place, as `struct` lays them out."""
    new = struct.pack(layout, *values)
    return data[:place] + new + data[place + len(new) :]


def truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def plain(mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (SIDE, SIDE))


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def with_alpha(mode: str) -> Image.Image:
    picture = halves().convert(mode)
    picture.putalpha(halves(0, 255, "L"))
    return picture


def claiming(format_: str, side: int) -> bytes:
    """Return a small file whose header claims a square of `side` pixels."""
    data = saved(Image.new("RGB", (64, 64), LEFT), format_)
    short, long = struct.pack("<HH", side, side), struct.pack("<II", side, side)
    match format_:
        case "JPEG":
            place, size = data.index(b"\xff\xc0") + 5, struct.pack(">HH", side, side)
        case "PNG":
            return png(side, side, 8, 2, b"")
        case "WEBP" if side < 2**14:
            place, size = 26, short
        case "WEBP":
            canvas = 2 * (side - 1).to_bytes(3, "little")
            return data[:12] + b"VP8X\x0a\0\0\0\0\0\0\0" + canvas + data[12:]
        case "GIF":
            place, size = 6, short
        case "BMP":
            place, size = 18, long
        case "TIFF":
            return with_tiff_tag(with_tiff_tag(data, 256, side), 257, side)
        case "JPEG2000":
            data = patched(data, data.index(b"ihdr") + 4, ">II", side, side)
            place, size = data.index(b"\xff\x51") + 6, struct.pack(">II", side, side)
        case _:
            place, size = data.index(b"ispe") + 8, struct.pack(">II", side, side)
    return data[:place] + size + data[place + len(size) :]


VALID = {format_: saved(halves(), format_) for format_ in ("JPEG", "PNG", "WEBP", "GIF", "BMP")} | {
    "progressive JPEG": saved(halves(), "JPEG", progressive=True, exif=exif(6)),
    "PNG with a palette": saved(halves().quantize(4), "PNG", transparency=1),
    "16-bit PNG": saved(wide_halves(1, 9999, "<u2"), "PNG"),
    "animated PNG": saved(halves(), "PNG", save_all=True, append_images=[halves(BLACK)]),
    "lossless WebP": saved(with_alpha("RGB"), "WEBP", lossless=True, exif=exif(3)),
    "animated GIF": saved(halves(), "GIF", save_all=True, append_images=[halves(BLACK)]),
    "TIFF": saved(halves(), "TIFF", exif=exif(6)),
    "TIFF with LZW": saved(halves(), "TIFF", compression="tiff_lzw"),
    "float TIFF": saved(wide_halves(0.1, 0.9, "<f4"), "TIFF"),
    "AVIF": saved(halves(), "AVIF", exif=exif(6)),
    "JPEG 2000": saved(halves(), "JPEG2000"),
    "JPEG 2000 without a box": saved(halves(60, 180, "L"), "JPEG2000", no_jp2=True),
}
if "HEIF" in FORMATS:
    VALID["HEIC"] = saved(halves(), "HEIF", exif=exif(6))
