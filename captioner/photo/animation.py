"""Which frame of an animation is captioned: the first, or a later one if that is blank."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL import Image

from captioner.photo.preprocessing import Pixels

# A HEIC or TIFF with several pictures is a collection; the first is the one that is shown.
FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF"})

# Many animations fade in, over a second or two. Each frame looked at is twice as far as the last.
LAST = 64
BLANK = 16  # the spread of a frame of almost one colour
CLEAR = 64  # the spread of a frame that has surely faded in
SAMPLES = 64  # rows and columns that `spread` looks at


def spread(pixels: Pixels) -> float:
    """Return how far a picture's values are apart, in 0..255, without the outermost hundredths."""
    height, width, _ = pixels.shape
    sample = pixels[:: -(-height // SAMPLES), :: -(-width // SAMPLES)]
    low, high = np.percentile(sample, (1, 99), axis=(0, 1))
    return float((high - low).max())


def clearest(
    first: Pixels, animation: Image.Image, pixels: Callable[[Image.Image], Pixels], max_pixels: int
) -> Pixels:
    """Return the first frame with content, of a few.

    Args:
        first: the first frame.
        animation: newly opened.
        pixels: returns the pixels of the frame at which an animation stands.
        max_pixels: how many pixels may be decoded, in all frames together.

    Returns:
        the first frame that is clear; if none is, the one of the widest spread; and if none has
        more than one colour, the first.
    """
    found, widest = first, spread(first)
    last = min(LAST, max_pixels // max(1, animation.width * animation.height))
    with suppress(Exception):  # the animation has ended, or a later frame is damaged
        for number in range(1, last + 1):
            animation.seek(number)
            if number & (number - 1):  # not a power of two
                continue
            frame = pixels(animation)
            reach = spread(frame)
            if reach > max(widest, BLANK):
                found, widest = frame, reach
            if widest >= CLEAR:
                break
    return found
