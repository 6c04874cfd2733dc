"""Videos made to harm their readers, by name, and what each must come out as."""

import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

from PIL import Image

from captioner.errors import BadImageKind
from tests.captioner.photo.hostile_boxes import box, full_box
from tests.captioner.video.making import RATE, SIZE, encoded, shifted, turned
from tests.captioner.video.making_hdr import high
from tests.pictures import LEFT, RIGHT, patched

SECRET = Path(__file__).parents[3] / "examples" / "bird.jpg"  # a file that no video may open
MANY = 20_000


@cache
def video_file(format_: str, codec: str, seconds: int = 2, fragments: bool = False) -> bytes:
    """Return a small valid video, red and then blue."""
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    half = seconds * RATE // 2
    frames = half * [Image.new("RGB", SIZE, LEFT)] + half * [Image.new("RGB", SIZE, RIGHT)]
    muxer = {"movflags": "frag_keyframe+empty_moov"} if fragments else {}
    return encoded(frames, format_, codec, pixels=pixels, muxer=muxer)


VALID = {
    "MP4, H.264": video_file("mp4", "libx264"),
    "MP4, H.265": video_file("mp4", "libx265"),
    "MP4, MPEG-4": video_file("mp4", "mpeg4"),
    "MP4, AV1": video_file("mp4", "libsvtav1"),
    "MP4 in fragments": video_file("mp4", "libx264", fragments=True),
    "MOV, JPEG": video_file("mov", "mjpeg"),
    "WebM, VP8": video_file("webm", "libvpx"),
    "WebM, VP9": video_file("webm", "libvpx-vp9"),
    "Matroska, H.264": video_file("matroska", "libx264"),
    "MP4, mirrored": turned(video_file("mp4", "libx264"), -1, 0, 0, 1),
    "MP4, H.265 in HLG": high(LEFT, "HLG"),
    "MP4, AV1 in PQ": high(LEFT, "PQ", "libsvtav1"),
    "MP4, later than its sound": shifted(video_file("mp4", "libx264"), 3.0, sound=4.0),
}


def mp4() -> bytes:
    return VALID["MP4, H.264"]


def with_numbers(kind: bytes, offset: int, layout: str, *values: int) -> bytes:
    """Write numbers into a box of the MP4, counted from its name."""
    return patched(mp4(), mp4().index(kind) + offset, layout, *values)


def with_moov(change: Callable[[bytes], bytes]) -> bytes:
    """Change what is in the MP4's index, which is at its end."""
    start = mp4().index(b"moov") - 4
    (length,) = struct.unpack_from(">I", mp4(), start)
    return mp4()[:start] + box(b"moov", change(mp4()[start + 8 : start + length]))


def with_tracks(count: int) -> bytes:
    def change(moov: bytes) -> bytes:
        start = moov.index(b"trak") - 4
        (length,) = struct.unpack_from(">I", moov, start)
        return moov[:start] + count * moov[start : start + length] + moov[start + length :]

    return with_moov(change)


def with_reference() -> bytes:
    """Return a MOV whose pictures are in another file, which it names."""
    path = str(SECRET).encode()
    alias = bytes(8) + struct.pack(">HH", 2, 0) + bytes(138)
    # A Macintosh's alias, with the absolute path as its last part.
    alias += struct.pack(">hH", 2, len(path)) + path + bytes(len(path) % 2) + struct.pack(">h", -1)
    entry = full_box(b"alis", struct.pack(">I", 0) + alias)

    def change(moov: bytes) -> bytes:
        found = moov.index(b"dinf") - 4
        (length,) = struct.unpack_from(">I", moov, found)
        new = box(b"dinf", full_box(b"dref", struct.pack(">I", 1) + entry))
        grown = bytearray(moov[:found] + new + moov[found + length :])
        for kind in (b"trak", b"mdia", b"minf"):
            place = grown.index(kind) - 4
            (size,) = struct.unpack_from(">I", grown, place)
            struct.pack_into(">I", grown, place, size + len(new) - length)
        return bytes(grown)

    return with_moov(change)


def huge_vp8() -> bytes:
    data = VALID["WebM, VP8"]
    return patched(data, data.index(b"\x9d\x01\x2a") + 3, "<HH", 16_383, 16_383)


def huge_jpeg() -> bytes:
    data = VALID["MOV, JPEG"]
    return patched(data, data.index(b"\xff\xc0") + 5, ">HH", 65_500, 65_500)


def element(kind: bytes, body: bytes) -> bytes:
    """Return an element of a Matroska file."""
    return kind + (2**56 | len(body)).to_bytes(8) + body


def nested_matroska(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = element(b"\x18\x53\x80\x67", body)
    return VALID["WebM, VP8"][:40] + body


def with_scale(value: int) -> bytes:
    """Return a Matroska file whose times are in units of this many nanoseconds."""
    data = VALID["Matroska, H.264"]
    return patched(data, data.index(b"\x2a\xd7\xb1\x83") + 4, ">BH", value >> 16, value % 2**16)


PLAYLIST = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{SECRET}\n#EXT-X-ENDLIST\n"
MANIFEST = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet>'
    f"<Representation><BaseURL>file://{SECRET}</BaseURL></Representation></AdaptationSet>"
    "</Period></MPD>"
)

# What reads a file, in part or whole, is None.
Outcome = BadImageKind | None

HOSTILE: dict[str, tuple[Callable[[], bytes], Outcome]] = {
    "playlist of another file": (PLAYLIST.encode, "unsupported"),
    "list of other files": (f"ffconcat version 1.0\nfile {SECRET}\n".encode, "unsupported"),
    "manifest of another file": (MANIFEST.encode, "unsupported"),
    "session that names an address": (lambda: b"v=0\nm=video 9 RTP/AVP 96\n", "unsupported"),
    "MOV that names another file": (with_reference, "damaged"),
    "MP4 of a billion pixels": (lambda: with_numbers(b"avc1", 28, ">HH", 65_535, 65_535), None),
    "WebM, VP8 of 268 million pixels": (huge_vp8, "damaged"),
    "MOV, JPEG of 4 billion pixels": (huge_jpeg, None),
    "MP4 of 20,000 streams": (lambda: with_tracks(MANY), "too much memory"),
    "MP4 of 60 streams": (lambda: with_tracks(60), None),
    "MP4 that lasts a century": (lambda: with_numbers(b"mvhd", 20, ">I", 2**32 - 1), None),
    "MP4, frames of a century": (lambda: with_numbers(b"stts", 16, ">I", 2**31 - 1), None),
    "MP4, frames of no length": (lambda: with_numbers(b"stts", 16, ">I", 0), None),
    "MP4, seconds of no units": (lambda: with_numbers(b"mdhd", 16, ">I", 0), None),
    "MP4, a billion frames": (lambda: with_numbers(b"stsz", 12, ">I", 2**30), "damaged"),
    "MP4, a billion equal frames": (
        lambda: with_numbers(b"stsz", 8, ">II", 4000, 2**30),
        "damaged",
    ),
    "MP4, a billion frames in a chunk": (lambda: with_numbers(b"stsc", 16, ">I", 2**30), None),
    "MP4, chunks outside of the file": (
        lambda: with_numbers(b"stco", 12, ">I", 2**32 - 1),
        "damaged",
    ),
    "MP4 of boxes in boxes": (
        lambda: (
            mp4()[:32]
            + b"".join(struct.pack(">I4s", 8 * level, b"moov") for level in range(MANY, 0, -1))
        ),
        "damaged",
    ),
    "MP4 of a million boxes": (lambda: mp4()[:32] + 10**6 * box(b"free", b""), "damaged"),
    "MP4, a box of no length": (lambda: with_numbers(b"trak", -4, ">I", 0), None),
    "Matroska in itself": (lambda: nested_matroska(2000), "damaged"),
    "Matroska of a million empty elements": (
        lambda: (
            VALID["WebM, VP8"][:40] + element(b"\x18\x53\x80\x67", 10**6 * element(b"\xec", b""))
        ),
        "damaged",
    ),
    "Matroska, seconds of no units": (lambda: with_scale(0), None),
    "Matroska of nothing but its head": (lambda: VALID["WebM, VP8"][:40], "damaged"),
    "MP4 of nothing but its head": (lambda: mp4()[:32], "damaged"),
}
