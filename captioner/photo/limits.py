"""What a photo or a video may cost, and what is checked before it is opened."""

from dataclasses import dataclass

from captioner.errors import BadImage

# The highest limit of a picture: one with more has over two billion bytes.
MOST_MEGAPIXELS = 1000
# The highest limits of a video. Its frames are 2.5 seconds apart then, as they are at the defaults.
MOST_VIDEO_SECONDS, MOST_VIDEO_FRAMES = 600, 240


@dataclass(frozen=True)
class Limits:
    """What a photo or a video may cost."""

    max_bytes: int = 20 * 2**20  # the largest file that a Telegram bot can download
    # Of what is decoded: phones save photos of up to 200 million pixels as plain JPEG, which is
    # decoded at an eighth of its width and height.
    max_pixels: int = 50_000_000
    max_side: int = 65_535  # as in JPEG; scaling a strip of millions of rows would take gigabytes
    seconds: float = 10  # to decode it; only a `Sandbox` enforces this
    # Seconds of a video that are used, from its start: five sentences cannot describe more.
    video_seconds: float = 120
    # Frames of a video that are encoded; with fewer, scenes in two minutes would be missed.
    video_frames: int = 48


def check_file(data: bytes, limits: Limits) -> None:
    """Check what is known about a file before it is opened.

    Raises:
        BadImage: the file is empty or too large.
    """
    if not data:
        raise BadImage("empty")
    if len(data) > limits.max_bytes:
        raise BadImage("too many bytes", size=len(data), limit=limits.max_bytes)
