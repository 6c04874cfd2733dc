"""Photos of every format and mode, broken files of every kind, and the network's input."""

import io
import itertools
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional

from captioner.errors import NUMBERS, BadImage
from captioner.photo.decode import FORMATS, decode
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels, Preprocessing, middle, shrink
from tests.pictures import (
    BLACK,
    LEFT,
    RIGHT,
    VALID,
    WHITE,
    claiming,
    exif,
    halves,
    png,
    saved,
    wide_halves,
    with_alpha,
    with_tiff_tag,
)

DARK, LIGHT = (60, 60, 60), (180, 180, 180)

needs_heif = pytest.mark.skipif("HEIF" not in FORMATS, reason="pillow-heif is not installed")


def each_format(*without: str) -> list[Any]:
    formats = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "HEIF"]
    return [
        pytest.param(format_, marks=needs_heif if format_ == "HEIF" else ())
        for format_ in formats
        if format_ not in without
    ]


def colours(photo: Pixels) -> tuple[list[int], list[int]]:
    height, width, _ = photo.shape
    left, right = photo[height // 2, width // 4], photo[height // 2, width * 3 // 4]
    return left.tolist(), right.tolist()


def assert_halves(photo: Pixels, left: Any, right: Any, tolerance: int = 0) -> None:
    assert photo.dtype == np.uint8
    assert photo.shape == (32, 64, 3)
    for found, wanted in zip(colours(photo), (left, right), strict=True):
        assert found == pytest.approx(list(wanted), abs=tolerance)


def refusal(data: Any, limits: Limits = Limits()) -> BadImage:
    with pytest.raises(BadImage) as caught:
        decode(data, limits)
    assert set(caught.value.numbers) == set(NUMBERS[caught.value.kind])
    return caught.value


# A photo is read


COLOUR_FILES: dict[str, tuple[Callable[[], bytes], int]] = {
    "JPEG": (lambda: saved(halves(), "JPEG", quality=95), 3),
    "progressive JPEG": (lambda: saved(halves(), "JPEG", quality=95, progressive=True), 3),
    "CMYK JPEG, inverted as Adobe does": (lambda: saved(halves().convert("CMYK"), "JPEG"), 8),
    "MPO": (lambda: saved(halves(), "MPO", save_all=True, append_images=[halves(BLACK)]), 8),
    "PNG": (lambda: saved(halves(), "PNG"), 0),
    "PNG with a palette": (lambda: saved(halves().quantize(4), "PNG"), 0),
    "PNG with 16 bits a colour": (
        lambda: png(64, 32, 16, 2, 32 * (b"\0" + 32 * doubled(LEFT) + 32 * doubled(RIGHT))),
        0,
    ),
    "WebP": (lambda: saved(halves(), "WEBP", quality=95), 8),
    "lossless WebP": (lambda: saved(halves(), "WEBP", lossless=True), 0),
    "GIF": (lambda: saved(halves(), "GIF"), 0),
    "BMP": (lambda: saved(halves(), "BMP"), 0),
    "BMP with a palette": (lambda: saved(halves().quantize(4), "BMP"), 0),
    "TIFF": (lambda: saved(halves(), "TIFF"), 0),
    "TIFF with LZW": (lambda: saved(halves(), "TIFF", compression="tiff_lzw"), 0),
    "TIFF with Deflate": (lambda: saved(halves(), "TIFF", compression="tiff_adobe_deflate"), 0),
    "TIFF with JPEG": (lambda: saved(halves(), "TIFF", compression="jpeg"), 8),
    "CMYK TIFF": (lambda: saved(halves().convert("CMYK"), "TIFF"), 0),
    "YCbCr TIFF": (lambda: saved(halves().convert("YCbCr"), "TIFF"), 3),
    "LAB TIFF": (lambda: saved(halves().convert("LAB"), "TIFF"), 8),
    "AVIF": (lambda: saved(halves(), "AVIF", quality=95), 8),
    "JPEG 2000": (lambda: saved(halves(), "JPEG2000"), 0),
    "JPEG 2000 without a box": (lambda: saved(halves(), "JPEG2000", no_jp2=True), 0),
    "lossy JPEG 2000": (
        lambda: saved(halves(), "JPEG2000", irreversible=True, quality_layers=[9]),
        12,
    ),
    "HEIC": (lambda: saved(halves(), "HEIF", quality=95), 8),
}


def doubled(colour: tuple[int, ...]) -> bytes:
    return bytes(itertools.chain.from_iterable(zip(colour, colour, strict=True)))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=needs_heif if name == "HEIC" else ()) for name in COLOUR_FILES],
)
def test_a_colour_photo_of_any_format_is_read(name: str) -> None:
    make, tolerance = COLOUR_FILES[name]
    assert_halves(decode(make()), LEFT, RIGHT, tolerance)


@pytest.mark.parametrize("format_", each_format("GIF"))
def test_a_grey_photo_of_any_format_is_read(format_: str) -> None:
    assert_halves(decode(saved(halves(60, 180, "L"), format_)), DARK, LIGHT, 3)


@pytest.mark.parametrize("format_", each_format("JPEG", "WEBP", "AVIF", "JPEG2000", "HEIF"))
def test_a_drawing_of_one_bit_a_pixel_is_read(format_: str) -> None:
    assert_halves(decode(saved(halves(0, 1, "1"), format_)), BLACK, WHITE)


def test_a_fax_is_read() -> None:
    fax = saved(halves(0, 1, "1"), "TIFF", compression="group4")
    assert_halves(decode(fax), BLACK, WHITE)


@pytest.mark.parametrize(
    ("left", "right", "dtype", "format_"),
    [
        pytest.param(60 * 257, 180 * 257, "<u2", "PNG", id="16-bit PNG"),
        pytest.param(60 * 257, 180 * 257, "<u2", "TIFF", id="16-bit TIFF, little-endian"),
        pytest.param(60 * 257, 180 * 257, ">u2", "TIFF", id="16-bit TIFF, big-endian"),
        pytest.param(60, 180, "<i4", "TIFF", id="32-bit TIFF of 0 to 255"),
        pytest.param(60 * 257, 180 * 257, "<i4", "TIFF", id="32-bit TIFF of 0 to 65535"),
        pytest.param(60 / 255, 180 / 255, "<f4", "TIFF", id="float TIFF of 0 to 1"),
        pytest.param(60, 180, "<f4", "TIFF", id="float TIFF of 0 to 255"),
    ],
)
def test_deep_grey_becomes_8_bits(left: float, right: float, dtype: str, format_: str) -> None:
    data = saved(wide_halves(left, right, dtype), format_)
    assert_halves(decode(data), DARK, LIGHT)


def test_a_dark_16_bit_photo_stays_dark() -> None:
    assert_halves(decode(saved(wide_halves(0, 200, "<u2"), "PNG")), BLACK, (1, 1, 1))


def test_the_widest_numbers_are_scaled_to_their_peak() -> None:
    data = saved(wide_halves(10**9, 2 * 10**9, "<i4"), "TIFF")
    assert_halves(decode(data), (128, 128, 128), WHITE)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, -3e38])
def test_values_outside_of_any_range_are_black(broken: float) -> None:
    data = saved(wide_halves(broken, 1, "<f4"), "TIFF")
    assert_halves(decode(data), BLACK, WHITE)


# A photo is turned upright


CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
STORED_AS: dict[int, list[Image.Transpose]] = {  # how a camera that was turned stores the picture
    1: [],
    2: [Image.Transpose.FLIP_LEFT_RIGHT],
    3: [Image.Transpose.ROTATE_180],
    4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE],
    6: [Image.Transpose.ROTATE_90],
    7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}


def four_corners() -> Image.Image:
    picture = Image.new("RGB", (64, 32))
    for number, colour in enumerate(CORNERS):
        left, top = 32 * (number % 2), 16 * (number // 2)
        picture.paste(colour, (left, top, left + 32, top + 16))
    return picture


def assert_upright(photo: Pixels) -> None:
    assert photo.shape == (32, 64, 3)
    found = [photo[y, x].tolist() for y in (8, 24) for x in (16, 48)]
    assert found == [pytest.approx(list(colour), abs=12) for colour in CORNERS]


@pytest.mark.parametrize("format_", each_format("GIF", "BMP", "JPEG2000"))
@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_photo_is_turned_upright(orientation: int, format_: str) -> None:
    picture = four_corners()
    for turn in STORED_AS[orientation]:
        picture = picture.transpose(turn)
    assert_upright(decode(saved(picture, format_, exif=exif(orientation))))


def test_a_compressed_tiff_is_turned_only_once() -> None:
    picture = four_corners().transpose(Image.Transpose.ROTATE_90)
    assert_upright(decode(saved(picture, "TIFF", compression="tiff_lzw", exif=exif(6))))


def test_deep_grey_is_turned_upright() -> None:
    picture = wide_halves(60 * 257, 180 * 257, "<u2").transpose(Image.Transpose.ROTATE_90)
    assert_halves(decode(saved(picture, "PNG", exif=exif(6))), DARK, LIGHT)


BROKEN_EXIF = {
    "not EXIF at all": b"garbage",
    "nothing but a name": b"Exif\0\0",
    "a directory outside the file": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "a directory cut off": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + 3 * b"\x01\x12\xff\xff\xff\xff",
    "an unknown orientation": exif(200),
    "a text for an orientation": (
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0"
    ),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("broken", BROKEN_EXIF)
@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_does_not_refuse_a_good_photo(format_: str, broken: str) -> None:
    data = saved(halves(), format_, quality=95, exif=BROKEN_EXIF[broken])
    assert_halves(decode(data), LEFT, RIGHT, 8)


@pytest.mark.parametrize("format_", each_format("GIF", "BMP"))
def test_a_broken_colour_profile_does_not_refuse_a_good_photo(format_: str) -> None:
    data = saved(halves(), format_, quality=95, icc_profile=b"no profile at all")
    assert_halves(decode(data), LEFT, RIGHT, 8)


# A photo is put on white


@pytest.mark.parametrize("format_", each_format("JPEG", "BMP"))
def test_white_shows_through_where_a_photo_is_transparent(format_: str) -> None:
    data = saved(with_alpha("RGB"), format_, quality=95)
    assert_halves(decode(data), WHITE, RIGHT, 8)


TRANSPARENT_FILES: dict[str, Callable[[], bytes]] = {
    "grey with alpha": lambda: saved(halves((0, 0), (60, 255), "LA"), "PNG"),
    "grey with alpha in TIFF": lambda: saved(halves((0, 0), (60, 255), "LA"), "TIFF"),
    "palette with alpha": lambda: saved(with_alpha("PA"), "TIFF"),
    "palette with one clear colour": lambda: png(
        64, 32, 8, 3, rows(b"\0", b"\1"), PLTE=b"\1\2\3" + bytes(DARK), tRNS=b"\0"
    ),
    "palette with an alpha for each colour": lambda: png(
        64, 32, 8, 3, rows(b"\0", b"\1"), PLTE=b"\1\2\3" + bytes(DARK), tRNS=b"\0\xfe"
    ),
    "grey with a clear value": lambda: png(64, 32, 8, 0, rows(b"\1", b"\x3c"), tRNS=b"\0\1"),
    "16-bit grey with a clear value": lambda: png(
        64, 32, 16, 0, rows(b"\1\2", b"\x3c\x3c"), tRNS=b"\1\2"
    ),
    "colour with a clear value": lambda: png(
        64, 32, 8, 2, rows(b"\1\2\3", bytes(DARK)), tRNS=b"\0\1\0\2\0\3"
    ),
    "16-bit colour with alpha": lambda: png(64, 32, 16, 6, rows(bytes(8), doubled((*DARK, 255)))),
}


def rows(left: bytes, right: bytes) -> bytes:
    return 32 * (b"\0" + 32 * left + 32 * right)


@pytest.mark.parametrize("name", TRANSPARENT_FILES)
def test_every_kind_of_transparency_shows_white(name: str) -> None:
    left, right = colours(decode(TRANSPARENT_FILES[name]()))
    assert left == [255, 255, 255]
    assert max(right) < 220


def test_half_transparent_black_is_grey() -> None:
    data = saved(halves((0, 0, 0, 128), (0, 0, 0, 255), "RGBA"), "PNG")
    assert_halves(decode(data), (127, 127, 127), BLACK)


# An animation


@pytest.mark.parametrize("format_", each_format("JPEG", "BMP", "JPEG2000"))
def test_the_first_frame_of_an_animation_is_read(format_: str) -> None:
    rest = [halves(BLACK, WHITE), halves(WHITE, BLACK)]
    data = saved(halves(), format_, save_all=True, append_images=rest)
    with Image.open(io.BytesIO(data)) as animation:
        assert getattr(animation, "n_frames", 1) == 3
    assert_halves(decode(data), LEFT, RIGHT, 12)


def test_a_gif_frame_larger_than_its_screen_is_read() -> None:
    data = bytearray(saved(halves(), "GIF"))
    data[6:10] = struct.pack("<HH", 8, 8)
    assert_halves(decode(bytes(data)), LEFT, RIGHT)


# Other types of input


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_bytes_are_read_alike(kind: Callable[[bytes], Any]) -> None:
    assert_halves(decode(kind(saved(halves(), "PNG"))), LEFT, RIGHT)
    assert refusal(kind(b"hello")).kind == "unsupported"


def test_photos_are_read_in_several_threads_at_once() -> None:
    files = [saved(halves(), format_) for format_ in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")]
    alone = [decode(data) for data in files]
    with ThreadPoolExecutor(8) as threads:
        together = threads.map(decode, files * 8)
        assert all(map(np.array_equal, together, alone * 8))


# A broken file is refused


SMALL = halves()
JPEG, PNG, GIF, TIFF = (saved(halves(), format_) for format_ in ("JPEG", "PNG", "GIF", "TIFF"))

BROKEN_FILES: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "empty"),
    "one byte": (b"\xff", "unsupported"),
    "zeros": (bytes(1000), "unsupported"),
    "text": ("Ein Hund läuft über die Wiese.".encode(), "unsupported"),
    "a web page": (b"<!DOCTYPE html><html><body>404</body></html>", "unsupported"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "unsupported"),
    "PDF": (saved(SMALL, "PDF"), "unsupported"),
    "EPS": (saved(SMALL, "EPS"), "unsupported"),
    "ICO": (saved(SMALL, "ICO"), "unsupported"),
    "PPM": (saved(SMALL, "PPM"), "unsupported"),
    "PSD": (struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 1, 1, 8, 3) + bytes(17), "unsupported"),
    "a ZIP": (b"PK\x03\x04" + bytes(100), "unsupported"),
    "a video": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100), "unsupported"),
    "a sound": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(28), "unsupported"),
    "JPEG without its header": (JPEG[20:], "unsupported"),
    "JPEG, three bytes": (JPEG[:3], "damaged"),
    "JPEG without pixels": (JPEG[: JPEG.index(b"\xff\xda")], "damaged"),
    "JPEG without tables": (JPEG.replace(b"\xff\xdb", b"\xff\xfe"), "damaged"),
    "PNG, its signature": (PNG[:8], "damaged"),
    "PNG without width": (png(0, 1, 8, 0, b""), "damaged"),
    "PNG of an unknown depth": (png(1, 1, 7, 0, b"\0\0"), "damaged"),
    "PNG without pixels": (png(9, 9, 8, 0, b""), "damaged"),
    "PNG with a wrong checksum": (PNG[:29] + b"\0\0\0\0" + PNG[33:], "damaged"),
    "PNG with garbage pixels": (PNG.replace(b"IDATx", b"IDATy"), "damaged"),
    "PNG without a palette": (png(1, 1, 8, 3, b"\0\0"), "damaged"),
    "PNG with a text bomb": (
        png(1, 1, 8, 0, b"\0\0", zTXt=b"a\0\0" + zlib.compress(bytes(5_000_000))),
        "damaged",
    ),
    "GIF without a frame": (GIF[:13] + b";", "damaged"),
    "GIF without a size": (GIF[:6] + bytes(4) + GIF[10:13] + b";", "damaged"),
    "BMP with an unknown header": (b"BM" + bytes(12) + b"\7\0\0\0" + bytes(50), "damaged"),
    "WebP without pixels": (b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0" + bytes(10), "damaged"),
    "TIFF, its signature": (TIFF[:4], "damaged"),
    "TIFF with its directory outside": (b"II*\0\xff\xff\xff\x7f", "damaged"),
    "TIFF without tags": (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "damaged"),
    "JPEG 2000, its signature": (VALID["JPEG 2000"][:12], "damaged"),
    "JPEG 2000 without pixels": (
        VALID["JPEG 2000"][: VALID["JPEG 2000"].index(b"jp2c") - 4],
        "damaged",
    ),
    "TIFF with an unknown compression": (with_tiff_tag(TIFF, 259, 60000), "unsupported variant"),
    "TIFF with a billion samples a pixel": (with_tiff_tag(TIFF, 277, 10**9), "damaged"),
    "TIFF with a billion strips": (with_tiff_tag(TIFF, 273, 8, count=10**9), "damaged"),
    "TIFF with pixels outside of the file": (with_tiff_tag(TIFF, 273, 2**31), "damaged"),
    "TIFF with a text for its width": (with_tiff_tag(TIFF, 256, 0, kind=2), "damaged"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_file_is_refused_with_a_reason(name: str) -> None:
    data, kind = BROKEN_FILES[name]
    assert refusal(data).kind == kind


@pytest.mark.skipif("HEIF" in FORMATS, reason="pillow-heif is installed")
def test_a_heic_photo_that_cannot_be_read_is_recognized() -> None:
    assert refusal(b"\0\0\0\x18ftypheic" + bytes(100)).kind == "unsupported HEIC"


@pytest.mark.parametrize("format_", each_format())
def test_a_truncated_photo_is_refused(format_: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Image.fromarray(noise), format_)
    for share in (0.1, 0.5, 0.9):
        assert refusal(data[: int(share * len(data))]).kind == "damaged"


@pytest.mark.filterwarnings("error")
def test_a_warning_turned_into_an_error_does_not_escape() -> None:
    assert refusal(with_tiff_tag(TIFF, 273, 8, count=10**9)).kind == "damaged"


# A photo that would cost too much is refused before its pixels are decoded


def pixel_buffers() -> int:
    return int(Image.core.get_stats()["new_count"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("format_", each_format())
def test_a_photo_of_too_many_pixels_is_refused_before_they_are_decoded(format_: str) -> None:
    data, before = claiming(format_, 9000), pixel_buffers()
    refused = refusal(data)
    assert refused.kind == "too many pixels"
    assert refused.numbers == {
        "width": 9000,
        "height": 9000,
        "max_pixels": Limits.max_pixels,
        "max_side": Limits.max_side,
    }
    assert pixel_buffers() == before


@pytest.mark.parametrize("format_", each_format())
def test_a_bomb_is_refused_before_its_pixels_are_decoded(format_: str) -> None:
    data, before = claiming(format_, 60_000), pixel_buffers()
    # The AVIF library does not accept such a header.
    assert refusal(data).kind == ("damaged" if format_ == "AVIF" else "far too many pixels")
    assert pixel_buffers() == before


def test_a_photo_at_the_limits_is_read_and_a_larger_one_is_refused() -> None:
    data = saved(halves(), "PNG")
    decode(data, Limits(max_bytes=len(data), max_pixels=64 * 32, max_side=64))
    large = refusal(data, Limits(max_bytes=len(data) - 1))
    assert (large.kind, large.numbers) == (
        "too many bytes",
        {"size": len(data), "limit": len(data) - 1},
    )
    assert refusal(data, Limits(max_pixels=64 * 32 - 1)).numbers["max_pixels"] == 64 * 32 - 1
    assert refusal(data, Limits(max_side=63)).numbers["max_side"] == 63


@needs_heif
def test_a_crop_does_not_hide_the_size_of_the_whole_photo() -> None:
    data = saved(halves(), "HEIF")  # 64 x 32 cut from the 64 x 64 that the encoder works on
    numbers = refusal(data, Limits(max_pixels=64 * 32)).numbers
    assert (numbers["width"], numbers["height"]) == (64, 64)


def test_a_progressive_photo_of_endless_scans_is_refused() -> None:
    data = saved(halves(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert refusal(data[:-2] + 1000 * scan + data[-2:]).kind == "too slow"


def test_a_photo_followed_by_another_file_is_read() -> None:
    video_file = b"\0\0\0\x20ftypisom" + 1000 * b"\xff\xda\0\2"
    data = saved(halves(), "JPEG", quality=95, progressive=True)
    assert_halves(decode(data + video_file), LEFT, RIGHT, 3)


WITH_LITTLE_MEMORY = """
import resource, sys
from captioner.errors import BadImage
from captioner.photo.decode import Limits, decode
data = sys.stdin.buffer.read()
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**26,) * 2)
try:
    decode(data, Limits(max_pixels=10**9))
except BadImage as error:
    print(error.kind)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is a Linux one")
def test_a_photo_that_does_not_fit_in_memory_is_refused() -> None:
    # In a process of its own: memory that earlier tests gave back would do here.
    command = [sys.executable, "-c", WITH_LITTLE_MEMORY]
    done = subprocess.run(command, input=claiming("PNG", 9000), capture_output=True)
    assert done.stdout == b"too much memory\n", done.stderr.decode()


# A photo that was mutated


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    data = VALID[draw(st.sampled_from(sorted(VALID)))]
    for _ in range(draw(st.integers(1, 4))):
        near_header = draw(st.booleans())
        place = draw(st.integers(0, min(300, len(data)) if near_header else len(data)))
        length = draw(st.sampled_from([1, 2, 4, 16, 64, 256]))
        match draw(st.sampled_from(["overwrite", "insert", "cut", "truncate", "repeat"])):
            case "overwrite":
                new = draw(st.binary(min_size=1, max_size=4))
                data = data[:place] + new + data[place + len(new) :]
            case "insert":
                data = data[:place] + draw(st.binary(min_size=1, max_size=16)) + data[place:]
            case "cut":
                data = data[:place] + data[place + length :]
            case "truncate":
                data = data[:place]
            case "repeat":
                data = data[: place + length] + data[place:]
    return data


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=120, derandomize=True, deadline=None)
@given(mutants())
def test_a_mutated_photo_is_read_or_refused(data: bytes) -> None:
    try:
        photo = decode(data, Limits(max_pixels=10**6))
    except BadImage:
        return
    assert photo.dtype == np.uint8
    assert photo.ndim == 3
    assert photo.shape[2] == 3
    assert photo.size > 0


# The network's input


def noise(height: int, width: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_photo_of_the_right_size_is_left_alone() -> None:
    photo = noise(224, 224)
    assert Preprocessing().squeeze(photo) is photo


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 5000), (5000, 1), (60, 90), (224, 500), (480, 640), (1000, 300), (3, 700)],
)
def test_a_photo_is_squeezed_as_pytorch_does_it(height: int, width: int) -> None:
    photo = noise(height, width)
    square = Preprocessing(size=100).squeeze(photo)

    tensor = torch.from_numpy(photo).permute(2, 0, 1)[None]
    wanted = functional.interpolate(tensor, (100, 100), mode="bilinear", antialias=True)[0]
    assert square.dtype == np.uint8
    assert square.shape == (100, 100, 3)
    assert np.abs(square.astype(int) - wanted.permute(1, 2, 0).numpy()).max() <= 2


def test_a_squeezed_photo_keeps_its_edges() -> None:
    square = Preprocessing().squeeze(decode(saved(four_corners(), "PNG")))
    found = [square[y, x].tolist() for y in (0, -1) for x in (0, -1)]
    assert found == [list(colour) for colour in CORNERS]


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60), (60, 60), (1, 500), (61, 90)])
def test_the_middle_of_a_photo_keeps_its_proportions(height: int, width: int) -> None:
    photo = noise(height, width)
    side = min(height, width)
    above, left = (height - side) // 2, (width - side) // 2
    found = middle(photo, side)
    assert found.shape == (side, side, 3)
    if not (height - side) % 2 and not (width - side) % 2:
        assert np.array_equal(found, photo[above : above + side, left : left + side])
    assert middle(photo, 40).shape == (40, 40, 3)


def test_a_fine_checkerboard_becomes_grey() -> None:
    board = (np.arange(900)[:, None] + np.arange(900)) % 2 * 255
    square = Preprocessing().squeeze(np.dstack([board.astype(np.uint8)] * 3))
    assert np.abs(square - 127.5).max() < 12


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [(480, 640, (75, 100)), (640, 480, (100, 75)), (5000, 2, (100, 1)), (60, 90, (60, 90))],
)
def test_a_photo_is_shrunk_in_its_proportions(
    height: int, width: int, wanted: tuple[int, int]
) -> None:
    assert shrink(noise(height, width), 100).shape == (*wanted, 3)


def test_normalizing_takes_the_mean_and_divides_by_the_deviation() -> None:
    preprocessing = Preprocessing(size=2, mean=(0.5, 0.2, 0.0), std=(0.5, 0.1, 2.0))
    photos = torch.tensor([255, 51, 102], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 2, 2)
    seen = preprocessing.normalize(photos)

    assert seen.dtype == torch.float32
    assert seen.is_contiguous(memory_format=torch.channels_last)
    wanted = torch.tensor([1.0, 0.0, 0.2]).view(1, 3, 1, 1).expand(4, 3, 2, 2)
    torch.testing.assert_close(seen, wanted)
    torch.testing.assert_close(preprocessing.normalize(photos.float()), wanted)


def test_a_large_jpeg_is_decoded_no_larger_than_needed() -> None:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((1600, 1200)).convert("RGB").save(file, "JPEG", quality=95)
    whole, enough = decode(file.getvalue()), decode(file.getvalue(), side=224)
    assert whole.shape == (1200, 1600, 3)
    assert enough.shape == (600, 800, 3)
    squeeze = Preprocessing(size=224).squeeze
    assert np.abs(squeeze(whole).astype(int) - squeeze(enough)).mean() < 1
    assert decode(file.getvalue(), side=640).shape == whole.shape
