"""A whole file of a variant that cannot be read is not called damaged."""

import struct
from collections.abc import Callable
from typing import Any

import pytest

from captioner.errors import BadImage
from captioner.photo import variants
from captioner.photo.decode import FORMATS
from captioner.photo.sandbox import Sandbox
from tests.captioner.photo.hostile import bmp
from tests.captioner.photo.hostile_boxes import box, full_box
from tests.captioner.photo.hostile_tiff import SHORT, grey
from tests.captioner.photo.test_decode import needs_heif, refusal
from tests.pictures import VALID, chunk, halves, patched, saved, truncated, with_tiff_tag

JPEG, TIFF, PNG = VALID["JPEG"], VALID["TIFF"], VALID["PNG"]
FRAME = JPEG.index(b"\xff\xc0")


def heif(brand: bytes, item: bytes) -> bytes:
    """Return a HEIF whose one picture is coded in another way than HEVC."""
    entry = full_box(b"infe", struct.pack(">HH4sB", 1, 0, item, 0), 2)
    known = box(b"ipco", full_box(b"ispe", struct.pack(">II", 4, 4)))
    known += full_box(b"ipma", struct.pack(">IHBB", 1, 1, 1, 0x81))

    def meta(place: int) -> bytes:
        return full_box(
            b"meta",
            full_box(b"hdlr", b"\0\0\0\0pict" + bytes(13))
            + full_box(b"pitm", struct.pack(">H", 1))
            + full_box(b"iinf", struct.pack(">H", 1) + entry)
            + box(b"iprp", known)
            + full_box(b"iloc", struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, place, 48)),
        )

    head = box(b"ftyp", brand + b"\0\0\0\0" + brand + b"mif1")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", bytes(48))


def bit_fields(*masks: int) -> bytes:
    """Return a BMP that says which bits of a pixel are red, green and blue."""
    plain = bmp(8, 8, 32, 3, bytes(256), 0)
    return patched(plain[:54], 10, "<I", 66) + struct.pack("<3I", *masks) + plain[54:]


VARIANTS: dict[str, Callable[[], bytes]] = {
    "JPEG of 12 bits": lambda: patched(JPEG, FRAME + 4, "B", 12),
    "JPEG of 12 bits, progressive": lambda: JPEG.replace(
        b"\xff\xc0\0\x11\x08", b"\xff\xc2\0\x11\x0c"
    ),
    "JPEG without loss of 16 bits": lambda: JPEG.replace(
        b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x10"
    ),
    "JPEG in a hierarchy": lambda: JPEG.replace(b"\xff\xc0", b"\xff\xc5"),
    "arithmetic JPEG without loss": lambda: JPEG.replace(b"\xff\xc0", b"\xff\xcb"),
    "JPEG-LS": lambda: JPEG.replace(b"\xff\xc0", b"\xff\xf7"),
    "CIELAB TIFF of 16 bits": lambda: lab_tiff(16),
    "ICC's CIELAB TIFF": lambda: with_tiff_tag(saved(halves().convert("LAB"), "TIFF"), 262, 9),
    "TIFF of an unknown compression": lambda: with_tiff_tag(TIFF, 259, 60_000),
    "TIFF of 64 bits": lambda: grey(8, 1, bytes(512), {258: (SHORT, 1, 64)}),
    "TIFF of a colour filter": lambda: grey(8, 1, bytes(64), {262: (SHORT, 1, 32_803)}),
    "BMP of other bit fields": lambda: bit_fields(0x3FF00000, 0xFFC00, 0x3FF),
    "BMP that holds a JPEG": lambda: bmp(64, 32, 0, 4, JPEG, 0),
    "BMP of 64 bits": lambda: bmp(8, 8, 64, 0, bytes(512), 0),
    "Apple's PNG": lambda: (
        PNG[:8]
        + chunk(b"CgBI", b"\x50\0\x20\2")
        + PNG[8:33]
        + chunk(b"IDAT", bytes(99))
        + PNG[-12:]
    ),
    "JPEG 2000 of five components": lambda: patched(
        data := VALID["JPEG 2000 without a box"], data.index(b"\xff\x51") + 38, ">H", 5
    ),
    "uncompressed HEIF": lambda: heif(b"mif1", b"unci"),
    "uncompressed HEIF, by its brand": lambda: heif(b"mif2", b"unci"),
    "HEIF of H.264": lambda: heif(b"avci", b"avc1"),
    "HEIF of H.266": lambda: heif(b"mif1", b"vvc1"),
    "HEIF of JPEG": lambda: heif(b"mif1", b"jpeg"),
    "HEIF that is a video": lambda: box(b"ftyp", b"hevc\0\0\0\0msf1hevc") + box(b"moov", bytes(64)),
}


def lab_tiff(bits: int) -> bytes:
    tags = {258: (SHORT, 1, bits), 262: (SHORT, 1, 8), 277: (SHORT, 1, 3)}
    return grey(8, 1, bytes(3 * 64 * bits // 8), tags)


def named(name: str) -> Any:
    return pytest.param(name, marks=needs_heif if "HEIF" in name else ())


@pytest.mark.parametrize("name", [named(name) for name in VARIANTS])
def test_a_whole_file_of_an_unsupported_variant_is_said_to_be_that(name: str) -> None:
    assert refusal(VARIANTS[name]()).kind == "unsupported variant"


@pytest.mark.skipif("HEIF" in FORMATS, reason="pillow-heif is installed")
def test_without_the_library_every_heif_needs_it() -> None:
    assert refusal(heif(b"mif1", b"unci")).kind == "unsupported HEIC"


@pytest.mark.parametrize("name", sorted(VALID))
def test_a_truncated_file_is_damaged(name: str) -> None:
    data = truncated(VALID[name])
    assert not variants.is_unsupported(data, opened=True)
    assert not variants.is_unsupported(data, opened=False)


@pytest.mark.parametrize(
    "name", ["CIELAB TIFF of 16 bits", "TIFF of an unknown compression", "TIFF of 64 bits"]
)
def test_a_truncated_tiff_of_an_unsupported_variant_is_damaged(name: str) -> None:
    data = VARIANTS[name]()
    assert refusal(data[: len(data) - 9]).kind == "damaged"


def test_an_arithmetic_jpeg_is_unsupported_only_where_it_cannot_be_read() -> None:
    arithmetic = JPEG.replace(b"\xff\xc0", b"\xff\xc9")
    assert variants.is_unsupported(arithmetic, opened=True)
    assert not variants.is_unsupported(truncated(arithmetic), opened=True)


async def test_the_sandbox_passes_the_kind_on() -> None:
    async with Sandbox(workers=1) as sandbox:
        with pytest.raises(BadImage) as refused:
            await sandbox.squeeze(VARIANTS["BMP of other bit fields"](), 32)
    assert refused.value.kind == "unsupported variant"
