"""A JPEG that is decoded row by row may be vast."""

import pytest
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.decode import Limits, decode
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Sandbox
from tests.captioner.photo.test_decode import colours, refusal
from tests.pictures import BLACK, LEFT, RIGHT, claiming, halves, saved


def assert_left_and_right(pixels: Pixels) -> None:
    for found, wanted in zip(colours(pixels), (LEFT, RIGHT), strict=True):
        assert found == pytest.approx(list(wanted), abs=6)


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
