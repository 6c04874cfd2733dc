"""A frame of a video as players show it."""

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from PIL import Image

from captioner.photo import colour
from captioner.photo.preprocessing import Pixels, as_picture
from captioner.video import hdr
from captioner.video.changes import POINTS, Points

if TYPE_CHECKING:
    from av.sidedata.sidedata import SideData
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame

ASPECTS = (Fraction(1, 4), Fraction(4))  # of a pixel; others are ignored
STRAIGHT = (1, 0, 0, 1)
MATRIX = 9  # numbers, each of 32 bits: a, b, u, c, d, v, x, y, w
UNSPECIFIED = 2  # FFmpeg's number for colours that a file does not specify
HIGH = 720  # lines; from here on, colours that a file does not specify are those of BT.709


class Display(NamedTuple):
    """How all frames of a video are shown."""

    aspect: Fraction | None  # the width of a shown pixel divided by its height; None: 1
    # The numbers a, b, c and d of a display matrix: a pixel at (x, y) is shown at
    # (ax + cy, bx + dy), where y counts downwards (ISO 14496-12, 6.2.2).
    matrix: tuple[int, int, int, int]
    transfer: int  # what numbers mean, as in H.273


def display(frame: "VideoFrame", context: "VideoCodecContext", aspect: Fraction | None) -> Display:
    """Return how the frames of a video are shown.

    Do not ask it of each: a frame that was asked for its matrix stays in memory for longer.

    Args:
        frame: the first.
        context: that decoded it.
        aspect: as in `Display`.
    """
    return Display(aspect, _matrix(frame), context.color_trc)


def picture(frame: "VideoFrame", display: Display, side: int) -> Image.Image:
    """Return a frame as players show it: in sRGB, upright, on white where it is transparent.

    Args:
        frame: decoded.
        display: how it is shown; it is turned to the nearest quarter.
        side: the side that it will be scaled to, in pixels. Of high dynamic range, where each pixel
            takes long, it is scaled down first, but never below this side.
    """
    high = frame.height >= HIGH and frame.colorspace == UNSPECIFIED
    if display.transfer in hdr.TRANSFERS:
        shown = Image.fromarray(hdr.standard(frame, display.transfer, side))
    elif any(component.is_alpha for component in frame.format.components):
        shown = colour.on_white(Image.fromarray(frame.to_ndarray(format="rgba")))
    else:
        pixels = frame.to_ndarray(format="rgb24", src_colorspace="ITU709" if high else None)
        shown = Image.fromarray(pixels)
    aspect = display.aspect
    if aspect and aspect != 1 and ASPECTS[0] <= aspect <= ASPECTS[1]:
        wider = math.sqrt(aspect)  # so that there are as many pixels as before
        size = (max(1, round(shown.width * wider)), max(1, round(shown.height / wider)))
        shown = shown.resize(size, Image.Resampling.BILINEAR)
    return _upright(shown, *display.matrix)


def _matrix(frame: "VideoFrame") -> tuple[int, int, int, int]:
    try:
        side = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    except ValueError:  # there is data beside it that PyAV does not know, as in spatial videos
        quarters = round(frame.rotation / 90) % 4
        cosine, sine = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
        return cosine, -sine, sine, cosine
    if side is None or side.buffer_size < 4 * MATRIX:
        return STRAIGHT
    a, b, _, c, d, *_ = map(int, np.frombuffer(bytes(side), np.int32))
    return a, b, c, d


def _upright(shown: Image.Image, a: int, b: int, c: int, d: int) -> Image.Image:
    if abs(b) + abs(c) > abs(a) + abs(d):
        shown, a, d = shown.transpose(Image.Transpose.TRANSPOSE), c, b
    if a < 0:
        shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if d < 0 else shown


def points(frame: "VideoFrame") -> Points:
    """Return how bright a frame is at a few points, as it is stored: this takes no time."""
    plane, component = frame.planes[0], frame.format.components[0]
    number: type[np.uint8] | type[np.uint16] = np.uint16 if component.bits > 8 else np.uint8
    each = np.dtype(number).itemsize
    row, rows = plane.line_size // each, plane.height
    if row <= 0 or row * rows * each > plane.buffer_size:
        return np.zeros((0, 0), np.uint8)
    whole = np.frombuffer(memoryview(plane), number, row * rows).reshape(rows, row)
    across, down = max(1, plane.width // POINTS), max(1, rows // POINTS)
    few = cast("Points", whole[::down, : plane.width : across])
    # A larger number means as much as one of eight bits.
    return few >> (component.bits - 8) if component.bits > 8 else few


def unsqueezed(square: Pixels, aspect: float) -> Pixels:
    """Return a squeezed frame in its own proportions, no larger than the square.

    Args:
        square: `(side, side, 3)`.
        aspect: the width of the frame divided by its height.
    """
    side = len(square)
    size = (max(1, round(side * min(1, aspect))), max(1, round(side / max(1, aspect))))
    return np.array(as_picture(square).resize(size, Image.Resampling.BILINEAR))
