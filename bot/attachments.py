"""What a file in a chat says that it is, by its declared type and its name.

Apps declare types carelessly: none, "application/octet-stream", capitals, parameters. So a type or
a name is enough, and the answer does not depend on what the operating system knows about names.
"""

from mimetypes import MimeTypes
from pathlib import PurePath
from typing import Literal

from captioner.photo.formats import VIDEO_SUFFIXES, is_photo_name

Kind = Literal["picture", "video", "other", "unknown"]

# Types that say nothing about the content.
GENERIC = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/binary"})
# Python's own table: `mimetypes.guess_type` would also read the operating system's.
TYPES = MimeTypes().types_map[True]
# Beside those in the table. The last two cannot be read, but a chat may have a preview of them.
VIDEOS = VIDEO_SUFFIXES | {".ogv", ".wmv"}
# What systems call every file named ".ts". Most are TypeScript; videos of that type cannot be read.
MPEG_TS = "video/mp2t"


def kind_of(declared: str | None, name: str | None) -> Kind:
    """Return what a file says that it is.

    Args:
        declared: its type, such as "image/jpeg"; None if there is none.
        name: its name; None if there is none.

    Returns:
        "unknown" if neither says anything: only the content can tell.
    """
    name = (name or "").strip()
    suffix = PurePath(name).suffix.lower()
    by_name = "video/" if suffix in VIDEOS else TYPES.get(suffix, "")
    type_ = (declared or "").partition(";")[0].strip().lower()
    if MPEG_TS in (type_, by_name):
        return "other"
    if type_.startswith("video/"):
        return "video"
    if type_.startswith("image/") or is_photo_name(name) or by_name.startswith("image/"):
        return "picture"
    if by_name.startswith("video/"):
        return "video"
    return "unknown" if type_ in GENERIC and not by_name else "other"
