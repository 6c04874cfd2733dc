"""The photos that a benchmark sends, again and again."""

import io
from pathlib import Path

from PIL import Image

SUFFIXES = (".jpg", ".jpeg")
QUALITY = 90  # of JPEG, as cameras have it


def read_photos(folder: Path, megapixels: float | None = None) -> list[bytes]:
    """Return the files of a folder's JPEG photos, at any depth, in the order of their names.

    Args:
        folder: where they are.
        megapixels: what each is scaled to; as it is if None.

    Raises:
        SystemExit: there are none.
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
