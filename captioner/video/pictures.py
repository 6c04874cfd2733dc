"""From decoded frames to pictures."""

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from captioner.photo import colour
from captioner.photo.preprocessing import Pixels, as_picture

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

ASPECTS = (Fraction(1, 4), Fraction(4))  # of a pixel; others are ignored
# By the number of quarter turns to the left that a file asks for.
TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}
UNSPECIFIED = 2  # FFmpeg's number for colours that a file does not specify
HIGH = 720  # lines; from here on, colours that a file does not specify are those of BT.709


def picture(frame: "VideoFrame", aspect: Fraction | None) -> Image.Image:
    """Return a frame as players show it: in RGB, upright, on white where it is transparent.

    Args:
        frame: decoded.
        aspect: the width of a shown pixel divided by its height; None: 1.
    """
    high = frame.height >= HIGH and frame.colorspace == UNSPECIFIED
    if any(component.is_alpha for component in frame.format.components):
        shown = colour.on_white(Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        pixels = frame.to_ndarray(format="rgb24", src_colorspace="ITU709" if high else None)
        shown = Image.fromarray(pixels)
    if aspect and aspect != 1 and ASPECTS[0] <= aspect <= ASPECTS[1]:
        wider = math.sqrt(aspect)  # so that there are as many pixels as before
        size = (max(1, round(shown.width * wider)), max(1, round(shown.height / wider)))
        shown = shown.resize(size, Image.Resampling.BILINEAR)
    turned = TURNS.get(round(frame.rotation / 90) % 4)
    return shown.transpose(turned) if turned is not None else shown


def unsqueezed(square: Pixels, aspect: float) -> Pixels:
    """Return a squeezed frame in its own proportions, no larger than the square.

    Args:
        square: `(side, side, 3)`.
        aspect: the width of the frame divided by its height.
    """
    side = len(square)
    size = (max(1, round(side * min(1, aspect))), max(1, round(side / max(1, aspect))))
    return np.array(as_picture(square).resize(size, Image.Resampling.BILINEAR))
