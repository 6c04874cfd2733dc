"""The bytes of a photo to RGB pixels.

Whatever is wrong with a file is found here, before the photo meets others in a batch: every bad
input raises `BadImage` with a sentence for the person who sent it, and nothing else is raised.
A stranger's file can also be made to take minutes, or to crash a library: `sandbox` is for these.
"""

import io
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from captioner.photo.preprocessing import Pixels

try:
    import pillow_heif
except ImportError:  # HEIC is the optional extra `heif`; every other format is Pillow's own
    HEIF_FORMATS: tuple[str, ...] = ()
else:
    pillow_heif.register_heif_opener()
    HEIF_FORMATS = ("HEIF",)

# Broken metadata in a stranger's photo, and a size that `Limits` allows, are no news for the log.
warnings.filterwarnings("ignore", module=r"PIL\.")

# A camera's MPO, a second picture behind the first, is opened by Pillow's JPEG reader.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", *HEIF_FORMATS)
FORMAT_NAMES = f"JPEG, PNG, WebP, GIF, BMP, TIFF{', AVIF or HEIC' if HEIF_FORMATS else ' or AVIF'}"
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd8])")  # of a JPEG segment, or of its end
SPATIAL_EXTENT = re.compile(rb"ispe\0{4}(.{4})(.{4})", re.DOTALL)  # a box in HEIC and AVIF
MAX_SCANS = 100  # as in libtiff; a progressive JPEG has about ten

BadImageKind = Literal["damaged", "too large", "unsupported"]

DAMAGED = "The picture is damaged or cut off; try sending it again."
TOO_SLOW = "The picture takes too long to unpack; save it anew as JPEG."
TOO_MUCH_MEMORY = "The picture needs more memory than I have; send a smaller one."


class BadImage(ValueError):
    """A photo that cannot be captioned; the message is a sentence for the person who sent it."""

    def __init__(self, message: str, kind: BadImageKind = "damaged") -> None:
        """Keep the sentence, and the kind of trouble for programs."""
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Limits:
    """What a photo may cost."""

    max_bytes: int = 20 * 2**20  # what Telegram lets a bot download
    max_pixels: int = 50_000_000  # the largest phone photos; Pillow's 179 million holds above it
    max_side: int = 65_535  # as in JPEG; scaling a strip of millions of rows would fill gigabytes
    seconds: float = 10  # to unpack it, where it can be stopped: in a `Sandbox`


def check_file(data: bytes, limits: Limits) -> None:
    """Check what is known of a file unopened.

    Raises:
        BadImage: it is empty or too large.
    """
    if not data:
        raise BadImage("The file is empty.")
    if len(data) > limits.max_bytes:
        raise BadImage(
            f"The file is too large: {len(data) / 2**20:.1f} MB, "
            f"and {limits.max_bytes / 2**20:.1f} MB is the most that I take.",
            "too large",
        )


def decode(data: bytes, limits: Limits = Limits(), side: int | None = None) -> Pixels:
    """Decode a photo: its first frame, turned upright, over white where it is transparent.

    Args:
        data: a whole file: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, and HEIC with `pillow-heif`.
        limits: what it may cost; checked before any pixel is decoded.
        side: of what the photo will be scaled to. A JPEG far larger is decoded at a half, a
            quarter or an eighth of its size, where at least twice the side is left.

    Returns:
        `(height, width, 3)`, uint8, RGB.

    Raises:
        BadImage: it is empty, too large, broken, or not a picture.
    """
    check_file(data, limits)
    try:
        with _open(data) as image:
            for width, height in (image.size, *_coded_sizes(data)):
                _check_size(width, height, limits)
            if "progressive" in image.info and _scans(data) > MAX_SCANS:
                raise BadImage(TOO_SLOW, "too large")
            if side is not None:
                image.draft(None, (2 * side, 2 * side))
            image.load()
            with suppress(Exception):  # a photo with unreadable EXIF data is still a photo
                ImageOps.exif_transpose(image, in_place=True)
            return np.array(_to_rgb(image))
    except BadImage:
        raise
    except MemoryError as error:
        raise BadImage(TOO_MUCH_MEMORY, "too large") from error
    # Pillow's decoders raise whatever comes up: OSError, ValueError, struct.error, SyntaxError.
    except Exception as error:
        raise BadImage(DAMAGED) from error


def _open(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadImage(
            "The picture has far too many pixels; send a smaller one.", "too large"
        ) from error
    except UnidentifiedImageError as error:
        start = bytes(data[:16])
        if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS and not HEIF_FORMATS:
            raise BadImage(
                f"I cannot read HEIC photos; send it as {FORMAT_NAMES}.", "unsupported"
            ) from error
        if _starts_like_a_picture(start):
            raise BadImage(DAMAGED) from error
        raise BadImage(
            f"This is not a picture that I can read; send it as {FORMAT_NAMES}.", "unsupported"
        ) from error


def _starts_like_a_picture(start: bytes) -> bool:
    accepts = [accept for _, accept in map(Image.OPEN.__getitem__, FORMATS)]
    return any(accept is not None and accept(start) is True for accept in accepts)


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise BadImage(
            f"The picture is too large: {width} x {height} pixels, and I take at most "
            f"{limits.max_pixels / 1e6:g} million, {limits.max_side} on a side.",
            "too large",
        )


def _coded_sizes(data: bytes) -> list[tuple[int, int]]:
    # HEIC may hide a vast picture behind a small crop, and all of it is decoded.
    boxes = SPATIAL_EXTENT.finditer(data) if data[4:8] == b"ftyp" else ()
    return [(int.from_bytes(box[1]), int.from_bytes(box[2])) for box in boxes]


def _scans(jpeg: bytes) -> int:
    # Each scan of a few bytes costs a pass over all pixels: megabytes of them would last for hours.
    scans, position = 0, 2
    while scans <= MAX_SCANS and (marker := MARKER.search(jpeg, position)):
        if marker[1] == b"\xd9":
            break
        scans += marker[1] == b"\xda"
        position = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2])
    return scans


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image)
        return white
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    values = np.array(image, dtype=np.float32)
    opaque = values != image.info.get("transparency")
    values[~np.isfinite(values)] = 0
    # 16 bits are 0..65535. Wider numbers have no range of their own: the smallest that holds them.
    peak = 65535 if image.mode.startswith("I;16") else values.max()
    white = next((white for white in (1, 255, 65535) if peak <= white), peak)
    values = values.clip(0, white, out=values) * (255 / white)
    grey = Image.fromarray(np.rint(values).astype(np.uint8))
    if not opaque.all():
        grey.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return grey
