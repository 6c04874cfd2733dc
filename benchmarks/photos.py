"""The photos that a benchmark sends repeatedly."""

import io
from pathlib import Path

from PIL import Image

SUFFIXES = (".jpg", ".jpeg")
QUALITY = 90  # of JPEG, as in cameras


def read_photos(folder: Path, megapixels: float | None = None) -> list[bytes]:
    """Read all JPEG files of a folder and its subfolders, in the order of their names.

    Args:
        folder: the folder.
        megapixels: scale each photo to this size; None leaves them as they are.

    Raises:
        SystemExit: there are no JPEG files.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder} holds no JPEG photos")
    files = [path.read_bytes() for path in paths]
    return files if megapixels is None else [_scaled(data, megapixels) for data in files]


def _scaled(data: bytes, megapixels: float) -> bytes:
    photo, file = Image.open(io.BytesIO(data)).convert("RGB"), io.BytesIO()
    scale = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
    size = (round(scale * photo.width), round(scale * photo.height))
    photo.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
