"""Whether captions are right as often as their confidences say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.scoring.calibration_error import (
    COLOURS,
    Bin,
    calibration_error,
    draw_reliability,
    reliability,
)


def test_captions_are_gathered_by_tenths_and_empty_ones_left_out() -> None:
    confidences = np.array([0.91, 0.0, 0.08, 1.0, 0.5])
    right = np.array([True, False, True, False, True])

    bins = reliability(confidences, right)

    assert [(one.right, one.count) for one in bins] == [(0.5, 2), (1.0, 1), (0.5, 2)]
    assert [one.confidence for one in bins] == pytest.approx([0.04, 0.5, 0.955])


def test_the_error_is_the_gap_of_each_bin_weighed_by_its_captions() -> None:
    confidences = np.array([0.25] * 4 + [0.75] * 4 + [0.95] * 2)
    right = np.array([True] + [False] * 3 + [True] * 2 + [False] * 4)

    assert calibration_error(confidences, right) == pytest.approx(0.4 * 0.25 + 0.2 * 0.95)


def test_confidences_that_come_true_have_no_error_and_certain_ones_that_do_not_have_all() -> None:
    confidences = np.repeat([0.2, 0.8], 10)
    right = np.array(([True] * 2 + [False] * 8) + ([True] * 8 + [False] * 2))

    assert calibration_error(confidences, right) == pytest.approx(0)
    assert calibration_error(np.ones(4), np.zeros(4, bool)) == 1


def colours(png: Path) -> set[tuple[int, ...]]:
    with Image.open(png) as picture:
        found = picture.convert("RGB").getcolors(1 << 24)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


def test_each_split_is_drawn_in_its_colour(tmp_path: Path) -> None:
    first, second = (tuple(bytes.fromhex(colour[1:])) for colour in COLOURS)
    bins = [Bin(0.15, 0.1, 30), Bin(0.45, 0.5, 50), Bin(1.0, 1.0, 3)]

    draw_reliability({"val": bins}, tmp_path / "new" / "one.png")
    draw_reliability({"val": bins, "test": bins[:1]}, tmp_path / "both.png")

    assert first in colours(tmp_path / "new" / "one.png")
    assert second not in colours(tmp_path / "new" / "one.png")
    assert {first, second} <= colours(tmp_path / "both.png")
