"""Whether captions are right as often as their confidences say."""

import numpy as np
import pytest

from train.scoring.calibration_error import calibration_error, reliability


def test_captions_are_grouped_by_tenths_and_empty_bins_left_out() -> None:
    confidences = np.array([0.91, 0.0, 0.08, 1.0, 0.5])
    right = np.array([True, False, True, False, True])

    bins = reliability(confidences, right)

    assert [(one.right, one.count) for one in bins] == [(0.5, 2), (1.0, 1), (0.5, 2)]
    assert [one.confidence for one in bins] == pytest.approx([0.04, 0.5, 0.955])


def test_the_error_is_the_gap_of_each_bin_weighed_by_its_captions() -> None:
    confidences = np.array([0.25] * 4 + [0.75] * 4 + [0.95] * 2)
    right = np.array([True] + [False] * 3 + [True] * 2 + [False] * 4)

    assert calibration_error(confidences, right) == pytest.approx(0.4 * 0.25 + 0.2 * 0.95)


def test_perfect_confidences_have_no_error_and_certain_wrong_ones_the_largest() -> None:
    confidences = np.repeat([0.2, 0.8], 10)
    right = np.array(([True] * 2 + [False] * 8) + ([True] * 8 + [False] * 2))

    assert calibration_error(confidences, right) == pytest.approx(0)
    assert calibration_error(np.ones(4), np.zeros(4, bool)) == 1


def test_the_library_gives_the_same_as_our_earlier_code() -> None:
    chance = np.random.default_rng(7)
    confidences = chance.random(500)
    right = chance.random(500) < confidences**2
    bins = reliability(confidences, right)

    assert [one.count for one in bins] == [46, 54, 38, 54, 43, 59, 49, 53, 58, 46]
    assert calibration_error(confidences, right) == pytest.approx(0.182363399751)
