"""Decodes the bytes of a photo to RGB pixels.

Whatever is wrong with a file is found here, before the photo joins others in a batch: every bad
input raises `BadImage`, and nothing else is raised. A file can also be made to take minutes, or to
crash a library: see `sandbox`.
"""

import io
import itertools
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, Jpeg2KImagePlugin, UnidentifiedImageError

from captioner.errors import BadImage
from captioner.photo import animation, colour, jpeg, jpeg2000, variants, webp
from captioner.photo.limits import MOST_MEGAPIXELS, Limits, check_file
from captioner.photo.preprocessing import Pixels

try:
    import pillow_heif
except ImportError:  # HEIC is the optional extra `heif`; every other format is Pillow's own
    HEIF_FORMATS: tuple[str, ...] = ()
else:
    pillow_heif.register_heif_opener()
    HEIF_FORMATS = ("HEIF",)

# Broken metadata and large sizes are common in other people's photos; neither is worth a warning.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow's JPEG reader also opens a camera's MPO, which holds a second picture after the first.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", *HEIF_FORMATS)
JPEGS = frozenset({"JPEG", "MPO"})
REDUCED = frozenset({"L", "RGB", "RGBA", "CMYK"})  # modes in which pixels have a mean
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

FASTEST, USUALLY = 10, 0.1  # milliseconds of a GIF's frame that are not taken; seconds instead

SPATIAL_EXTENT = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)  # a box in HEIC and AVIF

# Pillow's own bound is 179 million, and phones take photos of 200 million; it refuses twice the
# number that it is given.
Image.MAX_IMAGE_PIXELS = MOST_MEGAPIXELS * 1_000_000 // 2


def decode(data: bytes, limits: Limits = Limits(), side: int | None = None) -> Pixels:
    """Decode a photo to `(height, width, 3)`, uint8, RGB; see `picture`."""
    return np.array(picture(data, limits, side))


def picture(data: bytes, limits: Limits = Limits(), side: int | None = None) -> Image.Image:
    """Decode a photo to sRGB: turned upright, with white where it is transparent.

    Of an animation that begins with a frame of one colour, a later frame is decoded. A JPEG that
    lacks its end marker is read if nearly all of its pixels are there.

    Args:
        data: a whole file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000, and HEIC with
            `pillow-heif`.
        limits: the largest photo that is accepted; checked before any pixel is decoded.
        side: the side that the photo will be scaled to, in pixels. A much larger JPEG or JPEG 2000
            is decoded at a fraction of its size, but never below twice this side.

    Returns:
        a picture in RGB.

    Raises:
        BadImage: the file is empty, too large, damaged, not a picture, or of an unsupported
            variant.
    """
    check_file(data, limits)
    data = bytes(data)
    try:
        with _open(data) as image:
            _check_pixels(image, data, limits, side)
            _scale(image, data, side)
            found = _picture(_load(image, data, side), data, side)
            animated = image.format in animation.FORMATS
        if animated and animation.spread(pixels := np.array(found)) < animation.BLANK:
            return Image.fromarray(_later(pixels, data, limits))
        return found
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage("too much memory") from error
    # Pillow's decoders raise many types: OSError, ValueError, struct.error, SyntaxError.
    except Exception as error:
        raise _damaged(data, opened=True) from error


@dataclass(frozen=True)
class Frame:
    """A frame of an animation; its pictures can be had only before the next frame is taken."""

    seconds: float  # that it is shown
    _image: Image.Image
    _data: bytes  # the whole file

    def picture(self) -> Image.Image:
        """Return it as the function `picture` returns a photo."""
        return _picture(self._image.copy(), self._data, None)

    def points(self, count: int) -> Image.Image:
        """Return as many of its pixels across and down, in the colours of the file."""
        return colour.to_rgb(self._image.resize((count, count), Image.Resampling.NEAREST), None)


def frames(data: bytes, limits: Limits) -> Iterator[Frame]:
    """Go through an animation: GIF, APNG, WebP or AVIF.

    An animation that is damaged or cut off ends where it is. The frame of an APNG that programs
    without animation show is left out.

    Args:
        data: a whole file.
        limits: as of `picture`, for each frame.

    Yields:
        each frame.

    Raises:
        BadImage: as of `picture`, of the first frame.
    """
    check_file(data, limits)
    if data.startswith(b"RIFF"):
        data = webp.whole(data)
    with _open(data) as image:
        first = 1 if image.info.get("default_image") else 0
        checked: tuple[int, int] | None = None
        for number in itertools.count(first):
            try:
                image.seek(number)
                if image.size != checked:  # one may be larger than the others
                    _check_pixels(image, data, limits, None)
                    checked = image.size
                image.load()
            except EOFError:
                return
            except Exception as error:
                if number > first:
                    return
                if isinstance(error, BadImage | MemoryError):
                    raise
                raise _damaged(data, opened=True) from error
            yield Frame(_shown(image), image, data)


def _shown(frame: Image.Image) -> float:
    """Return the seconds that a frame is shown; browsers take their own for very few."""
    milliseconds = frame.info.get("duration") or 0
    return milliseconds / 1000 if milliseconds > FASTEST else USUALLY


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage("far too many pixels") from error
    except UnidentifiedImageError as error:
        start = data[:16]
        if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS and not HEIF_FORMATS:
            raise BadImage("unsupported HEIC") from error
        if start[4:8] == b"ftyp" and start[8:12] in variants.HEIF_BRANDS:
            raise BadImage("unsupported variant") from error
        if _starts_like_a_picture(start):
            raise _damaged(data, opened=False) from error
        raise BadImage("unsupported") from error
    except MemoryError:
        raise
    except Exception as error:
        raise _damaged(data, opened=False) from error


def _starts_like_a_picture(start: bytes) -> bool:
    accepts = [accept for _, accept in map(Image.OPEN.__getitem__, FORMATS)]
    return any(accept is not None and accept(start) is True for accept in accepts)


def _damaged(data: bytes, opened: bool) -> BadImage:
    return BadImage("unsupported variant" if variants.is_unsupported(data, opened) else "damaged")


def _check_pixels(image: Image.Image, data: bytes, limits: Limits, side: int | None) -> None:
    """Check that a picture and what it is cut from are within the limits.

    Of a JPEG that is decoded row by row, only the pixels that are left after scaling take memory.
    """
    whole = image.size
    if math.prod(whole) > limits.max_pixels and _is_streamed(image, data):
        _scale(image, data, side)  # no pixel is decoded yet
    sizes = (image.size, *_coded_sizes(data))
    longest = max(itertools.chain(whole, *sizes))
    if max(map(math.prod, sizes)) > limits.max_pixels or longest > limits.max_side:
        width, height = max(whole, *sizes, key=math.prod)
        raise BadImage(
            "too many pixels",
            width=width,
            height=height,
            max_pixels=limits.max_pixels,
            max_side=limits.max_side,
        )
    if "progressive" in image.info and jpeg.has_too_many_scans(data):
        raise BadImage("too slow")


def _is_streamed(image: Image.Image, data: bytes) -> bool:
    return image.format in JPEGS and jpeg.is_streamed(data)


def _coded_sizes(data: bytes) -> list[tuple[int, int]]:
    # A HEIC file may show a small crop of a vast picture, but the whole picture is decoded.
    boxes = SPATIAL_EXTENT.finditer(data) if data[4:8] == b"ftyp" else ()
    return [(int.from_bytes(box[1]), int.from_bytes(box[2])) for box in boxes]


def _scale(image: Image.Image, data: bytes, side: int | None) -> None:
    """Have a large photo decoded at a fraction of its size; a JPEG that is scaled stays so."""
    if side is None:
        return
    if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        halvings = (min(image.size) // (2 * side)).bit_length() - 1
        image.reduce = max(0, min(halvings, jpeg2000.halvings(data)))
    else:
        image.draft(None, (2 * side, 2 * side))


def _load(image: Image.Image, data: bytes, side: int | None) -> Image.Image:
    """Decode a picture, or the file again with an end if it is a JPEG that lacks only that."""
    try:
        image.load()
    except OSError:
        ends = jpeg.ended(data) if image.format in JPEGS else None
        if ends is None:
            raise
        picture, noisy = (_open(end) for end in ends)
        row_height, height = jpeg.row_height(data), picture.height
        for each in (picture, noisy):
            if jpeg.is_streamed(data):  # scaling hides what the scans after the first ones add
                _scale(each, data, side)
            each.load()
        if jpeg.missing(picture, noisy, row_height * picture.height // height) > jpeg.MAX_MISSING:
            raise
        return picture
    return image


def _later(first: Pixels, data: bytes, limits: Limits) -> Pixels:
    with _open(data) as image:

        def pixels(frame: Image.Image) -> Pixels:
            _check_pixels(frame, data, limits, None)  # a frame of a GIF may be larger than others
            return np.array(_picture(frame.copy(), data, None))

        return animation.clearest(first, image, pixels, limits.max_pixels)


def _picture(image: Image.Image, data: bytes, side: int | None) -> Image.Image:
    with suppress(Exception):  # a photo with unreadable EXIF data is still a photo
        ImageOps.exif_transpose(image, in_place=True)
    profile = image.info.get("icc_profile")
    if image.format == "JPEG2000":
        profile = jpeg2000.profile(data)
    if profile and side is not None:  # converting takes far longer than scaling
        image = _reduced(image, side)
    return colour.to_rgb(image, profile)


def _reduced(image: Image.Image, side: int) -> Image.Image:
    factor = min(image.size) // (2 * side)
    if factor < 2 or image.mode not in REDUCED or "transparency" in image.info:
        return image
    return Image.Image.reduce(image, factor)  # the files of JPEG 2000 have another `reduce`
