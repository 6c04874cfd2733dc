"""The suffixes that photos and videos have, in one list for all who look for them."""

from pathlib import PurePath

# Of all that `decode` reads. MPO is a camera's JPEG with a second picture after the first; JFIF
# and JPE are what Windows calls a JPEG, and HIF is what cameras call HEIF. The last row is JPEG
# 2000's, with boxes around the picture and without.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"}
    | {".tif", ".tiff", ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif"}
    | {".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"}
)

# Of all that `video.decode` reads: MP4 and MOV, as phones name them, WebM and Matroska. `.ts` is
# left out: most such files are TypeScript.
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".webm", ".mkv"})


def is_photo_name(name: str) -> bool:
    """Return whether a file's name has the suffix of a photo, in any case, and is not hidden."""
    return _ends(name, SUFFIXES)


def is_video_name(name: str) -> bool:
    """Return the same of the suffix of a video; animations such as GIFs count as photos here."""
    return _ends(name, VIDEO_SUFFIXES)


def _ends(name: str, suffixes: frozenset[str]) -> bool:
    path = PurePath(name)
    return path.suffix.lower() in suffixes and not path.name.startswith(".")
