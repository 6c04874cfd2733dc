"""A JPEG that lacks only its end is read, and one that is decoded row by row may be vast."""

import random
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from captioner.errors import BadImage
from captioner.photo import jpeg
from captioner.photo.decode import decode
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Sandbox
from tests.captioner.photo.test_decode import colours, refusal
from tests.pictures import BLACK, LEFT, RIGHT, claiming, exif, halves, saved

END = b"\xff\xd9"
VIDEO_FILE = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + random.Random(1).randbytes(20_000)


def photo(width: int = 320, height: int = 480) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


KINDS: dict[str, Callable[[], bytes]] = {
    "baseline": lambda: saved(photo(), "JPEG"),
    "progressive": lambda: saved(photo(), "JPEG", progressive=True),
    "grey": lambda: saved(photo().convert("L"), "JPEG"),
    "CMYK": lambda: saved(photo().convert("CMYK"), "JPEG"),
    "with restart markers": lambda: saved(photo(), "JPEG", restart_marker_blocks=3),
    "progressive with restart markers": lambda: saved(
        photo(), "JPEG", progressive=True, restart_marker_rows=1
    ),
    "of one colour": lambda: saved(Image.new("RGB", (320, 480), (128, 128, 128)), "JPEG"),
    "progressive, of one colour": lambda: saved(
        Image.new("RGB", (320, 480), LEFT), "JPEG", progressive=True
    ),
    "MPO": lambda: saved(photo(), "MPO", save_all=True, append_images=[photo()]),
}


def first_picture(data: bytes) -> bytes:
    """Return a file up to the end marker of its first picture, which is left out."""
    end = next(part.place for part in jpeg.segments(data) if part.kind == jpeg.END)
    return data[:end]


def cut(data: bytes, share: float) -> bytes:
    """Leave out a share of the bytes of a picture's last scan."""
    data = first_picture(data)
    last = [part.place for part in jpeg.segments(data) if part.kind == jpeg.SCAN][-1]
    return data[: len(data) - max(1, round(share * (len(data) - last)))]


@pytest.mark.parametrize(
    "behind", [b"", b"\xff", bytes(512), VIDEO_FILE], ids=["", "half", "0", "video"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_without_its_end_marker_is_read_whole(kind: str, behind: bytes) -> None:
    data = KINDS[kind]()
    assert np.array_equal(decode(first_picture(data) + behind), decode(data))


@pytest.mark.parametrize("kind", ["baseline", "progressive"])
def test_another_picture_behind_one_without_an_end_marker_does_no_harm(kind: str) -> None:
    data = KINDS[kind]()
    other = saved(halves(), "JPEG", progressive=True)
    assert np.array_equal(decode(first_picture(data) + other), decode(data))


@pytest.mark.parametrize("behind", [b"", bytes(64)], ids=["", "0"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "one colour" not in kind])
def test_a_jpeg_that_lacks_a_hundredth_is_read_and_one_that_lacks_more_is_not(
    kind: str, behind: bytes
) -> None:
    data = KINDS[kind]()
    whole, found = decode(data).astype(int), decode(cut(data, 0.005) + behind)
    assert np.abs(whole - found)[:460].max() == 0
    for share in (0.05, 0.2, 0.6, 0.97):
        assert refusal(cut(data, share) + behind).kind == "damaged", share


def test_a_progressive_jpeg_that_lacks_a_whole_scan_is_refused() -> None:
    data = KINDS["progressive"]()
    last = [part.place for part in jpeg.segments(data) if part.kind == jpeg.SCAN][-1]
    assert refusal(data[:last]).kind == "damaged"
    assert refusal(data[: last + 6]).kind == "damaged"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_cut_jpeg_is_refused_at_every_scale(progressive: bool) -> None:
    data = saved(photo(1600, 1200), "JPEG", progressive=progressive)
    for side in (32, 64, 128):
        with pytest.raises(BadImage, match="damaged"):
            decode(cut(data, 0.1), side=side)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_cut_at_a_restart_marker_is_refused(progressive: bool) -> None:
    # From there on the decoder waits for the next marker, and passes over all else.
    data = saved(photo(), "JPEG", progressive=progressive, restart_marker_rows=1)
    last = [part.place for part in jpeg.segments(data) if part.kind == jpeg.SCAN][-1]
    markers = [
        mark.start() for mark in re.finditer(rb"\xff[\xd0-\xd7]", data) if mark.start() > last
    ]
    assert len(markers) > 8
    for place in markers[:-1]:
        assert refusal(data[:place]).kind == "damaged"
        assert refusal(data[: place + 2]).kind == "damaged"


def test_an_end_in_the_middle_of_the_pixels_does_not_hide_what_is_missing() -> None:
    data = KINDS["baseline"]()
    middle = len(data) * 2 // 3
    assert refusal(data[:middle] + b"\xff\xd8" + data[middle:]).kind == "damaged"


def test_a_jpeg_without_its_end_marker_is_turned_and_scaled_like_any_other() -> None:
    data = saved(photo(1600, 1200), "JPEG", exif=exif(6))
    assert np.array_equal(decode(data[:-2], side=100), decode(data, side=100))
    assert decode(data[:-2], side=100).shape == (400, 300, 3)


async def test_the_sandbox_reads_a_jpeg_without_its_end_marker() -> None:
    async with Sandbox(workers=1) as sandbox:
        found = await sandbox.squeeze(saved(halves(), "JPEG", quality=95)[:-2], 32)
    assert_left_and_right(found.pixels)


def assert_left_and_right(pixels: Pixels) -> None:
    for found, wanted in zip(colours(pixels), (LEFT, RIGHT), strict=True):
        assert found == pytest.approx(list(wanted), abs=6)


# Vast photos


FEW = Limits(max_pixels=100_000)


def vast(**options: bool) -> bytes:
    picture = halves().resize((1600, 1200), Image.Resampling.NEAREST)
    return saved(picture, "JPEG", quality=95, **options)


def test_of_a_baseline_jpeg_the_pixels_left_after_scaling_count() -> None:
    pixels = decode(vast(), FEW, side=32)
    assert pixels.shape == (150, 200, 3)
    assert_left_and_right(pixels)
    assert refusal(vast(), FEW).kind == "too many pixels"  # it would not be scaled


@pytest.mark.parametrize("side", [128, 700])
def test_a_jpeg_that_is_still_too_large_after_scaling_is_refused(side: int) -> None:
    with pytest.raises(BadImage) as refused:
        decode(vast(), FEW, side)
    numbers = refused.value.numbers
    assert (numbers["width"], numbers["height"]) == (1600, 1200)


def separate_scans(data: bytes) -> bytes:
    """Have a JPEG claim that its first scan has one component, and others follow."""
    place = data.index(b"\xff\xda")
    return data[: place + 2] + b"\0\x08\1\1\0\0\x3f\0" + data[place + 14 :]


@pytest.mark.parametrize(
    "data",
    [vast(progressive=True), separate_scans(vast())],
    ids=["progressive", "a scan for each colour"],
)
def test_a_jpeg_whose_decoder_holds_all_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(BadImage) as refused:
        decode(data, FEW, side=32)
    assert refused.value.kind == "too many pixels"


async def test_200_megapixels_of_a_phone_fit_in_a_workers_memory() -> None:
    # One colour in the top corner, and as libjpeg has it, grey where nothing was stored.
    data = claiming("JPEG", 14_200)
    async with Sandbox(Limits(max_pixels=5_000_000, seconds=30), workers=1) as sandbox:
        found = await sandbox.squeeze(data, 224)
        assert found.pixels.shape == (224, 224, 3)
        with pytest.raises(BadImage, match="too large"):
            await sandbox.squeeze(data.replace(b"\xff\xc0", b"\xff\xc2"), 224)


def test_the_pixels_of_other_formats_count_before_scaling() -> None:
    picture = Image.new("RGB", (1600, 1200), BLACK)
    for format_ in ("PNG", "JPEG2000", "WEBP"):
        with pytest.raises(BadImage) as refused:
            decode(saved(picture, format_), FEW, side=32)
        assert refused.value.kind == "too many pixels"
