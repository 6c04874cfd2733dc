"""What a file is, by its first bytes: a video, an animation or a picture."""

from typing import Literal

Kind = Literal["mp4", "matroska", "animation", "picture"]

EBML = b"\x1aE\xdf\xa3"  # Matroska and WebM begin with it
# An MP4 or a MOV begins with one of these boxes, after four bytes of its length.
BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
# Of HEIC and AVIF, which have the boxes of an MP4 and are pictures.
PICTURES = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif"}
    | {b"miaf", b"MA1A", b"MA1B", b"jxl "}
)
SEQUENCE = b"avis"  # an animated AVIF
ANIMATED = 0x02  # in the flags of a WebP with an extended header


def kind(data: bytes) -> Kind:
    """Return what a file is; "mp4" stands for MP4 and MOV, "matroska" for Matroska and WebM.

    A GIF is an animation even if it has a single frame; whoever reads it finds that out.
    """
    if data.startswith(EBML):
        return "matroska"
    if is_animated_avif(data):
        return "animation"
    if data[4:8] in BOXES:
        brand = data[8:12] if data[4:8] == b"ftyp" else b""
        return "picture" if brand in PICTURES else "mp4"
    return "animation" if _is_animated(data) else "picture"


def is_animated_avif(data: bytes) -> bool:
    """Return whether a file is an animated AVIF, which is built like an MP4."""
    return data[4:12] == b"ftyp" + SEQUENCE


def is_moving(data: bytes) -> bool:
    """Return whether a file is a video or an animation."""
    return kind(data) != "picture"


def is_video(data: bytes) -> bool:
    """Return whether a file is a video, and not an animation, which a photo's reader can open."""
    return kind(data) not in ("animation", "picture")


def _is_animated(data: bytes) -> bool:
    if data.startswith((b"GIF87a", b"GIF89a")):
        return True
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        # An APNG says so before its first pixels.
        place, control = data.find(b"IDAT"), data.find(b"acTL", 0, 2**16)
        return 0 <= control < place
    webp = data.startswith(b"RIFF") and data[8:16] == b"WEBPVP8X"
    return webp and len(data) > 20 and bool(data[20] & ANIMATED)
