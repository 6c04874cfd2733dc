"""Colour profiles made by hand (ISO 15076-1), and the sRGB that they stand for."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

WHITE = (0.9642, 1.0, 0.8249)  # D50, to which all profiles refer
# Columns are red, green and blue, as X, Y and Z relative to D50.
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
ADOBE_RGB = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)


def rgb_profile(primaries: Values, gamma: float = 2.2) -> bytes:
    tags = {
        name: _xyz(primaries[:, column]) for column, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    return _profile(
        b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    )


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


def ink_profile(ink: Sequence[int]) -> bytes:
    """Return a profile of a press with black, and three other inks that look alike, on white."""
    paper, black = bytes([255, 128, 128]), bytes([0, 128, 128])
    nodes = paper + black + 7 * (bytes(ink) + black)  # the last channel changes first
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (number % 4 == 0) for number in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + 4 * ramp + nodes + 3 * ramp
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table}, kind=b"prtr")


def srgb_of(primaries: Values, colour: Sequence[int], gamma: float = 2.2) -> list[int]:
    """Return a colour of an RGB profile in sRGB, 0..255."""
    return encoded(np.linalg.solve(SRGB, primaries @ (np.array(colour) / 255) ** gamma))


def srgb_of_lab(lightness: int, red: int, yellow: int) -> list[int]:
    """Return a colour of an ink in sRGB; it is given as the bytes of a profile, CIELAB 1976."""
    height = (lightness / 255 * 100 + 16) / 116
    steps = np.array([height + (red - 128) / 500, height, height - (yellow - 128) / 200])
    parts = np.where(steps > 6 / 29, steps**3, (steps - 4 / 29) * 108 / 841)
    return encoded(np.linalg.solve(SRGB, parts * WHITE))


def encoded(linear: Values) -> list[int]:
    """Return linear values in 0..1 as sRGB, 0..255 (IEC 61966-2-1)."""
    linear = linear.clip(0, 1)
    values = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [round(float(255 * value)) for value in values]


def _profile(
    space: bytes, through: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr"
) -> bytes:
    tags = {b"wtpt": _xyz(WHITE), b"desc": b"desc\0\0\0\0\0\0\0\2a\0" + bytes(79)} | tags
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s", start + len(body), 0x02100000, kind, space, through, b"acsp"
    )
    return (head + bytes(28) + _xyz(WHITE)[8:]).ljust(128, b"\0") + table + body


def _xyz(values: Sequence[float] | Values) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
