"""A sheet with the attention map of each word, or of each scene of a video.

The maps are the attention weights of Show, Attend and Tell (Xu et al., 2015), figure 3.
"""

import math
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from captioner.files import unwritable
from captioner.photo.preprocessing import Pixels
from captioner.runtime.protocols import Floats

PHOTO_SIDE = 640  # pixels; a sheet does not need a larger photo
_TILE = 224
_TALLEST = 320
_THINNEST = 32
_GAP = 24
_MARGIN = 36
_LABEL = 40
_TYPE = 20
_INK = (32, 33, 36)
_FAINT_INK = (140, 143, 150)
_SHEET_SHAPE = 4 / 3

_WARM = np.array([255, 176, 64], np.float32)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_DARKEST = 0.28
_WARMTH = 0.16


def file_problem(path: Path) -> str | None:
    """Return why no sheet can be written to a path; None if one can."""
    if os.path.isdir(path):
        return "is a folder; name a file in it, such as explained.png"
    # Registers the formats that Pillow knows, by their suffixes.
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        return "does not end like a picture that can be written, such as explained.png"
    problem = unwritable(path)
    return problem and f"cannot be written: {problem}"


def can_draw(words: Sequence[str]) -> bool:
    """Return whether the sheet's font has every letter of some words: it has English ones only."""
    return all(map(_has_glyph, {letter for word in words for letter in word}))


def numbered(words: Sequence[str]) -> str:
    """Return words as they stand under a sheet that has only their numbers: "1 a, 2 dog"."""
    return "   ".join(f"{number} {word}" for number, word in enumerate(words, 1))


def draw_attention(photo: Pixels, words: Sequence[str], attention: Floats) -> Image.Image:
    """Draw the photo, then once for each word, bright where its attention is.

    Under each map is its word, or its number if the font lacks letters of the words.

    Each map is stretched over the whole photo, because the encoder gets the whole photo squeezed to
    a square, and is scaled so that its own peak is fully bright. The photo keeps its proportions,
    unless one side would have less than 32 pixels.

    Args:
        photo: `(height, width, 3)` uint8 RGB.
        words: the caption's words as a person reads them.
        attention: `(words, rows, columns)` float; each map is non-negative and sums to 1.

    Raises:
        ValueError: the shapes or types are wrong, or there is not one map for each word.
    """
    _check(photo, words, attention)
    plain = _tile(photo)
    tiles = [plain, *(_light(plain, weights) for weights in attention)]
    shown = words if can_draw(words) else [str(number) for number in range(1, len(words) + 1)]
    labels = [("", _FAINT_INK), *((word, _INK) for word in shown)]
    return _arrange(tiles, labels)


def draw_scenes(
    pictures: Sequence[Pixels], labels: Sequence[str], attention: Sequence[Floats]
) -> Image.Image:
    """Draw a picture of each scene, bright where the attention was for all of its words together.

    Args:
        pictures: each `(height, width, 3)` uint8 RGB, and all of one shape.
        labels: what stands under each, in letters that the font has.
        attention: of each, `(words, rows, columns)`, as for `draw_attention`.

    Raises:
        ValueError: the shapes or types are wrong.
    """
    tiles = []
    for picture, maps in zip(pictures, attention, strict=True):
        _check(picture, [""] * len(maps), maps)
        tiles.append(_light(_tile(picture), maps.mean(0)))
    return _arrange(tiles, [(label, _INK) for label in labels])


def _check(photo: Pixels, words: Sequence[str], attention: Floats) -> None:
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3 or not photo.size:
        raise ValueError(
            f"the photo must be (height, width, 3) uint8, not {photo.shape} {photo.dtype}"
        )
    if attention.ndim != 3 or 0 in attention.shape[1:] or attention.dtype.kind != "f":
        raise ValueError(
            "the attention must be (words, rows, columns) float, "
            f"not {tuple(attention.shape)} {attention.dtype}"
        )
    if len(words) != len(attention):
        raise ValueError(
            f"each word needs one attention map: {len(words)} words, {len(attention)} maps"
        )


def _tile(photo: Pixels) -> Image.Image:
    height, width, _ = photo.shape
    scale = min(_TILE / width, _TALLEST / height)
    size = (max(_THINNEST, round(width * scale)), max(_THINNEST, round(height * scale)))
    return Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS)


def _light(plain: Image.Image, weights: Floats) -> Image.Image:
    colour = np.asarray(plain, np.float32)
    light = _smooth(weights, plain.size)[:, :, None]
    dark = (colour @ _LUMA)[:, :, None] * _DARKEST
    lit = colour + (_WARM - colour) * _WARMTH * light
    return Image.fromarray((dark + (lit - dark) * light).clip(0, 255).astype(np.uint8))


def _smooth(weights: Floats, size: tuple[int, int]) -> Floats:
    small = Image.fromarray(weights.astype(np.float32))
    spread = np.maximum(np.asarray(small.resize(size, Image.Resampling.BICUBIC)), 0)
    return spread / max(spread.max(), np.finfo(np.float32).tiny)


def _arrange(
    tiles: Sequence[Image.Image], labels: Sequence[tuple[str, tuple[int, int, int]]]
) -> Image.Image:
    cell_width, cell_height = _TILE + _GAP, tiles[0].height + _LABEL + _GAP
    columns = round(math.sqrt(len(tiles) * cell_height / cell_width * _SHEET_SHAPE))
    columns = min(len(tiles), max(1, columns))
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new(
        "RGB",
        (2 * _MARGIN + columns * cell_width - _GAP, 2 * _MARGIN + rows * cell_height - _GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    font = _font()
    for index, (tile, (word, ink)) in enumerate(zip(tiles, labels, strict=True)):
        row, column = divmod(index, columns)
        left, top = _MARGIN + column * cell_width, _MARGIN + row * cell_height
        sheet.paste(tile, (left + (_TILE - tile.width) // 2, top))
        baseline = (left + _TILE / 2, top + tile.height + _LABEL * 0.7)
        draw.text(baseline, _fit(word, draw, font), fill=ink, font=font, anchor="ms")
    return sheet


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TYPE)


@cache
def _has_glyph(letter: str) -> bool:
    # A font draws the same box for every letter that it lacks, such as this private one.
    return letter.isspace() or bytes(_font().getmask(letter)) != bytes(_font().getmask("\ue123"))


def _fit(
    word: str, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> str:
    line = " ".join(word.encode("utf-8", "replace").decode().split())
    if draw.textlength(line, font) <= _TILE:
        return line
    while line and draw.textlength(line + "…", font) > _TILE:
        line = line[:-1]
    return line + "…"
