"""AVIF and HEIC files made to harm their readers; see `tests.captioner.photo.hostile`.

Both are boxes: a length, four letters, and what is in it, often boxes again (ISO/IEC 14496-12).
"""

import struct
from collections.abc import Callable

from PIL import Image

from captioner.photo.decode import FORMATS
from tests.pictures import LEFT, SIDE, VALID, claiming, halves, patched, plain, saved, truncated

# A box that is found by its name, what is after its name, and what is written there.
Patch = tuple[bytes, int, str, tuple[int, ...]]


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind: bytes, body: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]) + body)


def content(data: bytes, kind: bytes) -> bytes:
    place = data.index(kind)
    (length,) = struct.unpack_from(">I", data, place - 4)
    return data[place + 4 : place - 4 + length]


def with_box(data: bytes, patch: Patch) -> bytes:
    kind, offset, layout, values = patch
    return patched(data, data.index(kind) + offset, layout, *values)


def nested(data: bytes, depth: int) -> bytes:
    """Put boxes within boxes in front of everything but the first box."""
    (first,) = struct.unpack_from(">I", data)
    deep = b"".join(struct.pack(">I4s", 8 * level, b"moov") for level in range(depth, 0, -1))
    return data[:first] + deep + data[first:]


def grid(count: int, whole: int, claimed: int, tile: int = 1, side: int = 64) -> bytes:
    """Return a HEIC whose picture is put together of one tile, again and again.

    Args:
        count: tiles side by side and one below another, up to 256.
        whole: side of the picture, as the grid says.
        claimed: side of the picture, as its properties say.
        tile: number of the picture that is the tile; 2 is the grid itself.
        side: of the tile.
    """
    coded = saved(Image.new("RGB", (side, side), LEFT), "HEIF")
    pixels = content(coded, b"mdat")
    layout = struct.pack(">BBBBII", 0, 1, count - 1, count - 1, whole, whole)
    entries = [
        full_box(b"infe", struct.pack(">HH4sB", number, 0, kind, 0), 2)
        for number, kind in ((1, b"hvc1"), (2, b"grid"))
    ]
    extents = [
        full_box(b"ispe", struct.pack(">II", side, side)),
        full_box(b"ispe", struct.pack(">II", claimed, claimed)),
        box(b"hvcC", content(coded, b"hvcC")),
    ]
    named = min(count * count, 65_535)
    tiles = struct.pack(f">HH{named}H", 2, named, *named * [tile])
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(place: int) -> bytes:
        places = struct.pack(">BBH", 0x44, 0, 2)
        for number, method, start, length in ((1, 0, place, len(pixels)), (2, 1, 0, len(layout))):
            places += struct.pack(">HHHHII", number, method, 0, 1, start, length)
        known = struct.pack(">I HBBB HBB", 2, 1, 2, 0x81, 0x83, 2, 1, 0x82)
        return full_box(
            b"meta",
            full_box(b"hdlr", b"\0\0\0\0pict" + bytes(13))
            + full_box(b"pitm", struct.pack(">H", 2))
            + full_box(b"iinf", struct.pack(">H", 2) + b"".join(entries))
            + full_box(b"iref", box(b"dimg", tiles))
            + box(b"iprp", box(b"ipco", b"".join(extents)) + full_box(b"ipma", known))
            + full_box(b"iloc", places, 1)
            + box(b"idat", layout),
        )

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", pixels)


def broken(name: str) -> dict[str, Callable[[], bytes]]:
    """Return what can be done to the boxes of either format."""
    data = VALID[name]
    patches: dict[str, Patch] = {
        "meta of no length": (b"meta", -4, ">I", (0,)),
        "meta of a lying length": (b"meta", -4, ">I", (2**31,)),
        "meta of a length of 64 bits": (b"meta", -4, ">I", (1,)),
        "pixels of a lying length": (b"mdat", -4, ">I", (2**32 - 1,)),
        "4 billion pixels claimed": (b"ispe", 8, ">II", (65_535, 65_535)),
        "4 billion columns claimed": (b"ispe", 8, ">II", (2**32 - 1, 1)),
        "no pixels claimed": (b"ispe", 8, ">II", (0, 0)),
        "49 million pixels claimed": (b"ispe", 8, ">II", (SIDE, SIDE)),
        "65,535 items claimed": (b"iinf", 8, ">H", (65_535,)),
        "pixels outside of the file": (b"iloc", 16, ">I", (2**32 - 1,)),
        "65,535 pieces claimed": (b"iloc", 12, ">H", (65_535,)),
        "4 billion properties claimed": (b"ipma", 8, ">I", (2**32 - 1,)),
        "properties of a lying length": (b"ipco", -4, ">I", (9,)),
        "another handler": (b"hdlr", 12, ">I", (0,)),
    }
    files: dict[str, Callable[[], bytes]] = {
        f"{name}, {what}": lambda patch=patch: with_box(data, patch)  # type: ignore[misc]
        for what, patch in patches.items()
    }
    return files | {
        f"{name}, truncated": lambda: truncated(data),
        f"{name}, boxes in boxes": lambda: nested(data, 500_000),
        f"{name}, a million boxes": lambda: data[:-1] + 1_000_000 * box(b"free", b""),
        f"{name}, the letters of a brand alone": lambda: data[:12],
    }


def animation(format_: str, count: int) -> bytes:
    first, *rest = (Image.new("RGB", (64, 64), (number % 256, 9, 9)) for number in range(count))
    return saved(first, format_, save_all=True, append_images=rest)


AVIFS = broken("AVIF") | {
    "AVIF of 49 million pixels": lambda: saved(plain(), "AVIF", speed=10),
    "AVIF of 49 million pixels with alpha": lambda: saved(plain("RGBA"), "AVIF", speed=10),
    "AVIF that claims 3.6 billion pixels": lambda: claiming("AVIF", 60_000),
    "AVIF of many frames": lambda: animation("AVIF", 300),
    "AVIF, EXIF of 10 MB": lambda: saved(
        halves(), "AVIF", exif=b"II*\0\x08\0\0\0" + bytes(10_000_000)
    ),
    "AVIF, XMP of 10 MB": lambda: saved(halves(), "AVIF", xmp=10_000_000 * b"<"),
}

HEICS: dict[str, Callable[[], bytes]] = {}
if "HEIF" in FORMATS:
    HEICS |= broken("HEIC")
    HEICS |= {
        "HEIC that claims 3.6 billion pixels": lambda: claiming("HEIF", 60_000),
        "HEIC of many pictures": lambda: animation("HEIF", 300),
        "HEIC, EXIF of 10 MB": lambda: saved(
            halves(), "HEIF", exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(10_000_000)
        ),
        "HEIC, a grid as it should be": lambda: grid(2, 128, 128),
        "HEIC of 47 million pixels, a grid": lambda: grid(27, 27 * 256, 27 * 256, side=256),
        "HEIC, a grid of 65,536 tiles": lambda: grid(256, 7000, 7000),
        "HEIC, a grid larger than it says": lambda: grid(27, 27 * 512, 64, side=512),
        "HEIC, a grid far larger than it says": lambda: grid(27, 65_535, 64),
        "HEIC, a grid of itself": lambda: grid(2, 128, 128, tile=2),
        "HEIC, a grid of what is not there": lambda: grid(2, 128, 128, tile=9),
    }
