"""A frame looks as players show it: upright, in its proportions, and in its colours."""

import io
from fractions import Fraction
from typing import cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels
from captioner.video.pictures import display
from captioner.video.reading import read
from tests.captioner.video.making import RATE, SIZE, encoded, turned
from tests.captioner.video.making_hdr import TRANSFERS, high
from tests.pictures import BLACK, LEFT, RIGHT, WHITE

SIDE = 32
QUARTERS = {"red": LEFT, "blue": RIGHT, "black": BLACK, "white": WHITE}


def quarters() -> Image.Image:
    """Return a picture of four colours: red and blue above black and white."""
    width, height = SIZE[0] // 2, SIZE[1] // 2
    found = Image.new("RGB", SIZE)
    for index, colour in enumerate(QUARTERS.values()):
        left, above = width * (index % 2), height * (index // 2)
        found.paste(colour, (left, above, left + width, above + height))
    return found


def shown(square: Pixels) -> str:
    """Return the names of the four colours of a frame: those above, then those below."""
    found = []
    for y in (SIDE // 4, -SIDE // 4):
        for x in (SIDE // 4, -SIDE // 4):
            pixel = square[y, x].astype(int)
            found.append(min(QUARTERS, key=lambda name: np.abs(pixel - QUARTERS[name]).sum()))
    return " ".join(found)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), "red blue black white"),
        # A quarter to the right, as of phones held upright.
        ((0, 1, -1, 0), "black red white blue"),
        ((-1, 0, 0, -1), "white black blue red"),
        ((0, -1, 1, 0), "blue white red black"),
        # Mirrored, as of front cameras.
        ((-1, 0, 0, 1), "blue red white black"),
        ((1, 0, 0, -1), "black white red blue"),
        # Mirrored and a quarter to the left.
        ((0, 1, 1, 0), "red black blue white"),
        ((0, -1, -1, 0), "white blue black red"),
        # Nonsense.
        ((0, 0, 0, 0), "red blue black white"),
    ],
)
def test_a_turned_or_mirrored_video_is_upright(
    matrix: tuple[int, int, int, int], expected: str
) -> None:
    clip = read(turned(encoded([quarters()] * RATE), *matrix), Limits(), SIDE)
    assert shown(clip.squares[0]) == expected
    assert (clip.aspect < 1) == (matrix[1] != 0)


class WithUnknownData:
    """A frame with data that PyAV does not know, such as which eye of a spatial video it is for."""

    def __init__(self, frame: VideoFrame) -> None:
        self.rotation = frame.rotation

    @property
    def side_data(self) -> dict[str, object]:
        raise ValueError("29 is not a valid Type")


@pytest.mark.parametrize("matrix", [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)])
def test_data_that_pyav_does_not_know_leaves_a_video_upright(
    matrix: tuple[int, int, int, int],
) -> None:
    with av.open(io.BytesIO(turned(encoded([quarters()] * RATE), *matrix)), "r") as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        expected = display(frame, stream.codec_context, None).matrix
        found = display(cast(VideoFrame, WithUnknownData(frame)), stream.codec_context, None).matrix
    assert np.sign(found).tolist() == np.sign(expected).tolist() == list(matrix)


def test_wide_pixels_are_shown_wide() -> None:
    # Twice as wide as high: the middle is a narrow part of what is stored.
    stored = Image.new("RGB", (240, 240), RIGHT)
    stored.paste(LEFT, (60, 0, 180, 240))
    for aspect, share in ((Fraction(2), 1.0), (Fraction(1), 0.5)):
        data = encoded([stored] * RATE, "matroska", aspect=aspect)
        (square, *_) = read(data, Limits(), SIDE, 64).middles
        red = (square[..., 0] > square[..., 2]).mean()
        assert red == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_transparent_sticker_is_on_white(codec: str) -> None:
    sticker = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    sticker.paste((*LEFT, 255), (0, 0, 256, 512))
    data = encoded([sticker] * RATE, "webm", codec, pixels="yuva420p")
    (square, *_) = read(data, Limits(), SIDE).squares
    assert square[:, -8:].min() > 240
    assert np.abs(square[:, 4:12].mean((0, 1)) - LEFT).max() < 12


@pytest.mark.parametrize(
    ("transfer", "codec"),
    [(name, codec) for name in TRANSFERS for codec in ("libx265", "libsvtav1")],
)
@pytest.mark.parametrize("size", [SIZE, (96, 54)])
def test_a_high_dynamic_range_is_shown_in_srgb(
    transfer: str, codec: str, size: tuple[int, int]
) -> None:
    for colour in ((150, 45, 30), (30, 70, 160), (40, 150, 60), (118, 118, 118), (16, 16, 16)):
        (square, *_) = read(high(colour, transfer, codec, size=size), Limits(), SIDE).squares
        assert np.abs(square.mean((0, 1)) - colour).max() < 8, (colour, square.mean((0, 1)))


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_light_above_white_paper_keeps_its_differences(transfer: str) -> None:
    lights = [
        read(high(WHITE, transfer, light=light), Limits(), SIDE) for light in (0.5, 1, 2, 4.9)
    ]
    levels = [clip.squares[0].mean((0, 1)) for clip in lights]
    assert all(np.ptp(level) < 3 for level in levels)  # grey stays grey
    means = [float(level.mean()) for level in levels]
    assert means == sorted(means)
    assert means[1] > 200
    assert 250 < means[3] <= 255
    assert np.diff(means).min() > 3
