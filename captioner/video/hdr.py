"""Shows video of a high dynamic range in sRGB, as phones record it and players show it elsewhere.

Its code values stand for light (ITU-R BT.2100): in HLG that of a scene, in PQ that of a screen, up
to 1,000 and 10,000 cd/m2. White paper has 203 cd/m2 (BT.2408). From about half of that on, light is
compressed below the brightest that sRGB can show (BT.2390, section 5.4); colours outside of BT.709
are clipped.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from captioner.photo.preprocessing import Pixels

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Light = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]

PQ, HLG = TRANSFERS = 16, 18  # in H.273
WHITE = 203.0  # cd/m2 of white paper, which becomes the brightest of sRGB
# cd/m2. Brighter light is clipped: the reference screen of HLG has this peak, and few PQ videos
# exceed it.
PEAK = 1000.0
LEVELS = 4096  # of tables; their steps are below those of eight bits
LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)  # of BT.2020's red, green and blue
OOTF = 1.2  # the exponent from the light of a scene to that of a screen with this peak
# From the red, green and blue of BT.2020 to those of BT.709 and sRGB (BT.2087).
NARROWER = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)


def standard(frame: "VideoFrame", transfer: int, side: int) -> Pixels:
    """Return a frame of a high dynamic range in sRGB.

    Args:
        frame: decoded.
        transfer: what its code values stand for: PQ or HLG.
        side: the shorter side after scaling it down, in pixels; it is never enlarged.

    Returns:
        `(height, width, 3)`.
    """
    factor = min(1.0, side / min(frame.width, frame.height))
    width, height = (max(1, round(factor * size)) for size in (frame.width, frame.height))
    small = frame.reformat(width, height, "rgb48le").to_ndarray()
    screen = _screen(small.astype(np.uint16) >> 4, transfer)
    brightest = np.maximum.reduce([screen[..., index] for index in range(3)])[..., np.newaxis]
    # Compressed by the brightest of the three, so that a colour stays what it is.
    screen *= _compression()[_level(brightest / PEAK)]
    return _srgb()[_level(screen @ NARROWER.T)]


def _screen(pixels: npt.NDArray[np.integer], transfer: int) -> Light:
    """Return the light of a screen, in cd/m2, for 12-bit code values."""
    if transfer == PQ:
        return _pq_light()[pixels]
    scene = _hlg_light()[pixels]
    luminance = np.maximum(1e-9, scene @ LUMINANCE)[..., np.newaxis]
    return PEAK * luminance ** (OOTF - 1) * scene


def _level(share: Light) -> npt.NDArray[np.int32]:
    """Return the indices of shares of light, 0..1, into a table that is finer in the dark.

    The table has `LEVELS` entries.
    """
    return (np.sqrt(share.clip(0, 1)) * (LEVELS - 1) + 0.5).astype(np.int32)


def _shares() -> Exact:
    return np.square(np.linspace(0, 1, LEVELS))


@cache
def _hlg_light() -> Light:
    """Return the inverse of HLG's curve (BT.2100, table 5): light of a scene, 0..1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.linspace(0, 1, LEVELS)
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return scene.astype(np.float32)


@cache
def _pq_light() -> Light:
    """Return PQ's curve (BT.2100, table 4): light of a screen, in cd/m2."""
    return _from_pq(np.linspace(0, 1, LEVELS)).astype(np.float32)


@cache
def _compression() -> Light:
    """Return by how much light is multiplied, for each share of `PEAK`: the curve of BT.2390.

    In PQ's code values it is a line up to its knee, and from there a part of a Hermite spline.
    """
    light = PEAK * _shares()
    peak, most = _to_pq(np.array(PEAK)), _to_pq(np.array(WHITE)) / _to_pq(np.array(PEAK))
    knee = 1.5 * most - 0.5
    share = _to_pq(light) / peak
    t = (share - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    spline += (3 * t**2 - 2 * t**3) * most
    shown = _from_pq(np.where(share < knee, share, spline) * peak)
    return (np.where(share < knee, 1, shown / np.maximum(1e-9, light)) / WHITE).astype(np.float32)


@cache
def _srgb() -> Pixels:
    """Return sRGB's code values (IEC 61966-2-1), for each share of its brightest."""
    light = _shares()
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * signal).astype(np.uint8)


# PQ's constants (BT.2100, table 4).
M1, M2 = 2610 / 16384, 2523 / 32
C1, C2, C3 = 3424 / 4096, 2413 / 128, 2392 / 128


def _from_pq(signal: Exact) -> Exact:
    power = signal ** (1 / M2)
    return 10_000 * (np.maximum(0, power - C1) / (C2 - C3 * power)) ** (1 / M1)


def _to_pq(light: Exact) -> Exact:
    power = (light / 10_000) ** M1
    return ((C1 + C2 * power) / (1 + C3 * power)) ** M2
