"""The suffixes that photos have in folders and chats, in one list for all who look for photos."""

from pathlib import PurePath

# Of all that `decode` reads. MPO is a camera's JPEG with a second picture after the first; JFIF
# and JPE are what Windows calls a JPEG, and HIF is what cameras call HEIF. The last row is JPEG
# 2000's, with boxes around the picture and without.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"}
    | {".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"}
)


def is_photo_name(name: str) -> bool:
    """Return whether a file's name has the suffix of a photo, in any case, and is not hidden."""
    path = PurePath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
