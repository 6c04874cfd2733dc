"""A photo has the colours that its profile says, in sRGB."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from captioner.photo import colour
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from tests.captioner.photo.profiles import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    grey_profile,
    ink_profile,
    rgb_profile,
    srgb_of,
    srgb_of_lab,
)
from tests.captioner.photo.test_decode import (
    assert_halves,
    colours,
    needs_heif,
)
from tests.pictures import LEFT, RIGHT, WHITE, halves, saved, wide_halves, with_alpha

EXAMPLE = Path(__file__).parents[3] / "examples" / "boats.jpg"
P3 = rgb_profile(DISPLAY_P3)
LEFT_P3, RIGHT_P3 = srgb_of(DISPLAY_P3, LEFT), srgb_of(DISPLAY_P3, RIGHT)
DARK_RED = (77, 168, 150)  # in CIELAB, as bytes
LINEAR = grey_profile(1.0)  # the same numbers look lighter than in sRGB

WIDE_FILES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: saved(halves(), "JPEG", quality=95, icc_profile=P3),
    "progressive JPEG": lambda: saved(
        halves(), "JPEG", quality=95, progressive=True, icc_profile=P3
    ),
    "PNG": lambda: saved(halves(), "PNG", icc_profile=P3),
    "PNG with a palette": lambda: saved(halves().quantize(4), "PNG", icc_profile=P3),
    "WebP": lambda: saved(halves(), "WEBP", lossless=True, icc_profile=P3),
    "TIFF": lambda: saved(halves(), "TIFF", icc_profile=P3),
    "AVIF": lambda: saved(halves(), "AVIF", quality=95, icc_profile=P3),
    "JPEG 2000": lambda: jp2_with_profile(P3),
    "HEIC": lambda: saved(halves(), "HEIF", quality=95, icc_profile=P3),
}


def jp2_with_profile(profile: bytes) -> bytes:
    """Put a profile in the place of the number that names a colour space."""
    data = saved(halves(), "JPEG2000")
    place, header = data.index(b"colr") - 4, data.index(b"jp2h") - 4
    box = b"colr\2\0\0" + profile
    length = int.from_bytes(data[place : place + 4])
    grown = int.from_bytes(data[header : header + 4]) + len(box) + 4 - length
    return (
        data[:header]
        + grown.to_bytes(4)
        + data[header + 4 : place]
        + (len(box) + 4).to_bytes(4)
        + box
        + data[place + length :]
    )


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=needs_heif if name == "HEIC" else ()) for name in WIDE_FILES],
)
def test_the_colours_of_a_wide_profile_become_those_of_srgb(name: str) -> None:
    assert np.abs(np.subtract(LEFT_P3, LEFT)).max() > 15  # the colours differ for all to see
    assert_halves(decode(WIDE_FILES[name]()), LEFT_P3, RIGHT_P3, 8)


def test_another_profile_gives_other_colours() -> None:
    left, right = srgb_of(ADOBE_RGB, LEFT), srgb_of(ADOBE_RGB, RIGHT)
    data = saved(halves(), "PNG", icc_profile=rgb_profile(ADOBE_RGB))
    assert_halves(decode(data), left, right, 2)


def test_a_press_profile_gives_the_colours_of_its_inks() -> None:
    profile = ink_profile(DARK_RED)
    inks = halves((0, 0, 0, 0), (0, 255, 0, 0), "CMYK")
    for format_ in ("TIFF", "JPEG"):
        found = decode(saved(inks, format_, icc_profile=profile))
        assert_halves(found, WHITE, srgb_of_lab(*DARK_RED), 8)


def test_grey_has_the_brightness_that_its_profile_says() -> None:
    data = saved(halves(60, 180, "L"), "PNG", icc_profile=LINEAR)
    assert_halves(decode(data), (133, 133, 133), (218, 218, 218), 2)
    deep = saved(wide_halves(60 * 257, 180 * 257, "<u2"), "PNG", icc_profile=LINEAR)
    assert_halves(decode(deep), (133, 133, 133), (218, 218, 218), 2)


def test_what_is_transparent_stays_so() -> None:
    data = saved(with_alpha("RGB"), "PNG", icc_profile=P3)
    assert_halves(decode(data), WHITE, RIGHT_P3, 2)
    grey = saved(halves((60, 0), (180, 255), "LA"), "PNG", icc_profile=LINEAR)
    assert_halves(decode(grey), WHITE, (218, 218, 218), 2)
    clear = saved(halves(), "PNG", icc_profile=P3, transparency=LEFT)
    assert_halves(decode(clear), WHITE, RIGHT_P3, 2)


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), rgb_profile(SRGB)[:0]],
    ids=["sRGB", "none"],
)
def test_srgb_is_left_exactly_as_it_is(profile: bytes) -> None:
    picture = Image.effect_noise((64, 32), 90).convert("RGB")
    assert colour.to_srgb(picture, profile) is picture


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("L", P3),
        ("CMYK", P3),
        ("RGB", LINEAR),
        ("RGB", ink_profile(DARK_RED)),
        ("1", LINEAR),
    ],
)
def test_a_profile_for_other_modes_is_passed_over(mode: str, profile: bytes) -> None:
    picture = halves().convert(mode)
    assert colour.to_srgb(picture, profile) is picture


def test_a_broken_profile_is_passed_over() -> None:
    broken = [P3[:length] for length in (4, 100, 128, 140, 200, 300)]
    broken += [P3[:16] + b"XYZ?" + P3[20:], P3.replace(b"curv", b"curx"), P3 + bytes(9 * 2**20)]
    for profile in broken:
        picture = halves()
        assert colour.to_srgb(picture, profile) is picture


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_a_large_photo_is_converted_once_it_is_small(format_: str) -> None:
    picture = halves().resize((1024, 512), Image.Resampling.NEAREST)
    found = decode(saved(picture, format_, quality=95, icc_profile=P3), side=32)
    assert found.shape == (64, 128, 3)
    for half, wanted in zip(colours(found), (LEFT_P3, RIGHT_P3), strict=True):
        assert half == pytest.approx(wanted, abs=6)


def test_converting_before_or_after_scaling_gives_the_same_photo() -> None:
    with Image.open(EXAMPLE) as picture:
        data = saved(picture, "PNG", icc_profile=P3)
    squeeze = Preprocessing(64).squeeze
    whole, small = squeeze(decode(data)), squeeze(decode(data, side=64))
    assert np.abs(whole.astype(int) - small).mean() < 1
