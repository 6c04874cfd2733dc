"""Converts a photo from the colours that its profile describes to sRGB.

A profile says what a file's numbers mean (ISO 15076-1). Photos from phones have those of a wider
display, prints those of a press. The network was trained on sRGB, and pixels without a profile are
taken for it everywhere.
"""

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE = 8 * 2**20  # bytes; those of presses have up to 3 million
ALIKE = 3  # of 255: sRGB itself is rounded differently by each of its many profiles

# Which modes hold the numbers that a profile of a colour space is about.
MODES = {"RGB": ("RGB", "RGBA"), "CMYK": ("CMYK",), "GRAY": ("L", "LA")}
INDIRECT = ("P", "PA", "RGBX", "YCbCr")  # Pillow's own forms of RGB


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a picture to sRGB; one whose profile is broken or for other modes stays as it is.

    Returns:
        the same picture if nothing had to be done, or one in RGB, with alpha if there was any.
    """
    if len(profile) > MAX_PROFILE:
        return image
    try:
        source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        direct = _direct(image) if space == "RGB" else image
        if direct.mode not in MODES.get(space, ()) or (space == "RGB" and _is_srgb(source)):
            return image
        return _converted(direct, source)
    # A photo with a broken profile is still a photo; lcms raises several types.
    except Exception:
        return image


def _direct(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA" or (image.mode == "RGB" and not image.has_transparency_data):
        return image
    if image.mode in (*INDIRECT, "RGB"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _converted(image: Image.Image, source: Any) -> Image.Image:
    if image.mode != "LA":
        return _transformed(image, source, "RGBA" if image.mode == "RGBA" else "RGB")
    colours = _transformed(image.getchannel("L"), source, "RGB")
    colours.putalpha(image.getchannel("A"))
    return colours


def _transformed(
    image: Image.Image, source: Any, mode: str, flags: ImageCms.Flags = ImageCms.Flags.NONE
) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(source, srgb, image.mode, mode, flags=flags)
    found = ImageCms.applyTransform(image, transform)
    assert found is not None  # only a conversion in place returns None
    return found


def _is_srgb(source: Any) -> bool:
    # Preparing to convert a few colours takes a fifth of the time that preparing for many does.
    colours = _palette()
    found = _transformed(colours, source, "RGB", ImageCms.Flags.NOOPTIMIZE)
    return bool(np.abs(np.asarray(found, np.int16) - np.asarray(colours)).max() <= ALIKE)


@cache
def _palette() -> Image.Image:
    """Return colours from everywhere in RGB, one a pixel."""
    steps = np.linspace(0, 255, 5).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(5, 25, 3))


def to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture of any mode in sRGB, with white where it is transparent.

    Args:
        image: in any mode.
        profile: of its colours; None: they are sRGB.
    """
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = to_8_bits(image)
    if profile:
        image = to_srgb(image, profile)
    if image.has_transparency_data:
        return on_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def on_white(image: Image.Image) -> Image.Image:
    """Return a picture in RGBA as it is on white, in RGB."""
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def to_8_bits(image: Image.Image) -> Image.Image:
    """Return a picture of wider values in grey; with alpha, if one of them is transparent."""
    values = np.array(image, dtype=np.float32)
    opaque = values != image.info.get("transparency")
    values[~np.isfinite(values)] = 0
    # 16 bits are 0..65535. Wider types have no fixed range: take the smallest common one that fits.
    peak = 65535 if image.mode.startswith("I;16") else values.max()
    white = next((white for white in (1, 255, 65535) if peak <= white), peak)
    values = values.clip(0, white, out=values) * (255 / white)
    grey = Image.fromarray(np.rint(values).astype(np.uint8))
    if not opaque.all():
        grey.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return grey
