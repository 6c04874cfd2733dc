"""The attention sheet: what is on it, where, and what it refuses."""

import numpy as np
import pytest
from PIL import Image

from captioner.explain import can_draw, draw_attention, draw_scenes, numbered
from captioner.photo.preprocessing import Pixels
from captioner.runtime.protocols import Floats


def grey_photo(height: int = 120, width: int = 120) -> Pixels:
    return np.full((height, width, 3), 160, np.uint8)


def maps_at(*places: tuple[int, int], rows: int = 7, columns: int = 7) -> Floats:
    maps = np.zeros((len(places), rows, columns), np.float32)
    for map_, (row, column) in zip(maps, places, strict=True):
        map_[row, column] = 1
    return maps


def brightness(sheet: Image.Image, box: tuple[int, int, int, int]) -> float:
    region = sheet.crop(box).convert("L")
    return sum(region.tobytes()) / (region.width * region.height)


def tile_boxes(sheet: Image.Image) -> list[tuple[int, int, int, int]]:
    """Return the boxes of the tiles (224 pixels square) in reading order."""
    return [
        (left, top, left + 224, top + 224)
        for top in range(36, sheet.height - 224, 288)
        for left in range(36, sheet.width - 224, 248)
        if brightness(sheet, (left, top, left + 224, top + 224)) < 250
    ]


def test_the_plain_photo_comes_first_then_one_tile_for_each_word() -> None:
    sheet = draw_attention(grey_photo(), ["a", "dog", "runs"], maps_at((0, 0), (3, 3), (6, 6)))

    boxes = tile_boxes(sheet)
    assert len(boxes) == 4
    assert sheet.crop(boxes[0]).getcolors() == [(224 * 224, (160, 160, 160))]
    assert all(brightness(sheet, box) < 120 for box in boxes[1:])


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 6), (6, 0), (6, 6)])
def test_the_photo_is_bright_only_where_the_attention_is(row: int, column: int) -> None:
    sheet = draw_attention(grey_photo(), ["dog"], maps_at((row, column)))

    left, top, _, _ = tile_boxes(sheet)[1]
    lit = {
        (y, x): brightness(
            sheet, (left + 32 * x, top + 32 * y, left + 32 * x + 32, top + 32 * y + 32)
        )
        for y in (0, 6)
        for x in (0, 6)
    }
    assert max(lit, key=lambda place: lit[place]) == (row, column)
    assert lit.pop((row, column)) > 2 * max(lit.values())


def test_a_faint_peak_is_as_visible_as_a_sharp_one() -> None:
    spread = np.ones((1, 7, 7), np.float32)
    sheet = draw_attention(grey_photo(), ["everything"], spread / spread.sum())

    assert brightness(sheet, tile_boxes(sheet)[1]) >= 160


def test_a_word_is_written_below_its_tile() -> None:
    maps = maps_at((3, 3))
    written = draw_attention(grey_photo(), ["dog"], maps)
    unwritten = draw_attention(grey_photo(), [""], maps)

    left, top, right, bottom = tile_boxes(written)[1]
    assert written.crop((left, top, right, bottom)) == unwritten.crop((left, top, right, bottom))
    below = (left, bottom, right, bottom + 40)
    assert unwritten.crop(below).getcolors() == [(224 * 40, (255, 255, 255))]
    assert brightness(written, below) < 255


def test_each_scene_is_shown_once_where_the_words_of_its_caption_looked() -> None:
    sheet = draw_scenes(
        [grey_photo(), grey_photo()],
        ["1 (0:00)", "2 (0:03)"],
        [maps_at((0, 0), (0, 0)), maps_at((6, 6))],
    )

    first, second = tile_boxes(sheet)
    left, top = first[:2]
    assert brightness(sheet, (left, top, left + 16, top + 16)) > 140
    assert brightness(sheet, (left + 208, top + 208, left + 224, top + 224)) < 60
    left, top = second[:2]
    assert brightness(sheet, (left, top, left + 16, top + 16)) < 60
    assert brightness(sheet, (left + 208, top + 208, left + 224, top + 224)) > 140
    assert brightness(sheet, (left, top + 224, left + 224, top + 264)) < 255  # its label


def test_a_photo_keeps_its_proportions_and_its_map_covers_all_of_it() -> None:
    sheet = draw_attention(grey_photo(100, 200), ["dog"], maps_at((6, 6)))

    assert sheet.getpixel((36, 36)) == (160, 160, 160)
    assert sheet.getpixel((36 + 223, 36 + 111)) == (160, 160, 160)
    assert sheet.getpixel((36, 36 + 112)) == (255, 255, 255)
    second_left, second_top = (36, 36 + 176) if sheet.width < 400 else (36 + 248, 36)
    corner = (second_left + 208, second_top + 104, second_left + 224, second_top + 112)
    assert brightness(sheet, corner) > 140


@pytest.mark.parametrize("size", [(2, 5000), (5000, 2), (1, 1)])
def test_an_extreme_photo_still_gives_a_sheet_of_ordinary_size(size: tuple[int, int]) -> None:
    sheet = draw_attention(grey_photo(*size), ["a", "line"], maps_at((0, 0), (6, 6)))

    assert 200 < sheet.width < 1200
    assert 100 < sheet.height < 1200
    assert any(colour == (160, 160, 160) for _, colour in sheet.getcolors(1 << 16) or [])


@pytest.mark.parametrize(
    "word", ["犬", "собака", "كلب", "🐕", "\ud800", "two\nlines", "\0", "w" * 99]
)
def test_any_word_can_be_written_and_stays_below_its_tile(word: str) -> None:
    sheet = draw_attention(grey_photo(), [word], maps_at((3, 3)))

    left, _, right, _ = tile_boxes(sheet)[1]
    assert sheet.size == draw_attention(grey_photo(), ["dog"], maps_at((3, 3))).size
    assert brightness(sheet, (left - 20, 36, left, sheet.height)) == 255
    assert brightness(sheet, (right, 36, right + 20, sheet.height)) == 255


def test_no_words_give_the_photo_alone() -> None:
    assert len(tile_boxes(draw_attention(grey_photo(), [], np.zeros((0, 7, 7), np.float32)))) == 1


@pytest.mark.parametrize(
    ("photo", "words", "attention", "reason"),
    [
        (grey_photo(), ["a", "dog"], maps_at((0, 0)), "2 words, 1 maps"),
        (grey_photo(), ["a"], np.ones((7, 7), np.float32), "words, rows, columns"),
        (grey_photo(), ["a"], np.ones((1, 0, 7), np.float32), "words, rows, columns"),
        (grey_photo(), ["a"], np.ones((1, 7, 7), np.int64), "int64"),
        (grey_photo()[:, :, :1], ["a"], maps_at((0, 0)), "height, width"),
        (grey_photo().astype(float), ["a"], maps_at((0, 0)), "uint8"),
        (grey_photo()[:, :0], ["a"], maps_at((0, 0)), "uint8"),
    ],
)
def test_wrong_shapes_are_refused_with_their_reason(
    photo: Pixels, words: list[str], attention: Floats, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        draw_attention(photo, words, attention)


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (["a", "dog"], True),
        (["l'", "homme"], True),
        (["ein", "Mädchen"], False),
        (["žena", "se", "psem"], False),
        (["一", "只", "狗"], False),
        (["كلب", "يركض"], False),
    ],
)
def test_words_are_drawn_if_the_font_has_their_letters(words: list[str], drawn: bool) -> None:
    assert can_draw(words) is drawn


def test_words_that_cannot_be_drawn_are_numbered() -> None:
    maps = maps_at((0, 0), (3, 3))
    chinese = draw_attention(grey_photo(), ["一", "狗"], maps)
    assert chinese.tobytes() == draw_attention(grey_photo(), ["1", "2"], maps).tobytes()
    assert numbered(["一", "狗"]) == "1 一   2 狗"
