"""How sure the model is of a caption."""

import math
from typing import Any

import pytest

from captioner.confidence import Calibration, Features, confidence

CALIBRATION = Calibration(right=50, intercept=4.0, mean=4.0, length=-0.05)


def test_the_surer_the_words_are_the_surer_is_the_caption() -> None:
    told = [confidence([each] * 8, CALIBRATION) for each in (-5.0, -2.0, -1.0, -0.5, -0.1)]
    assert told == sorted(set(told))
    assert told[0] > 0
    assert told[-1] < 1


def test_one_word_less_sure_makes_the_caption_less_sure() -> None:
    assert confidence([-0.1, -0.1, -0.9], CALIBRATION) < confidence([-0.1] * 3, CALIBRATION)


def test_who_says_more_is_less_sure() -> None:
    assert confidence([-0.5] * 12, CALIBRATION) < confidence([-0.5] * 6, CALIBRATION)


def test_the_probability_is_the_logistic_function_of_the_weighted_features() -> None:
    logit = 4.0 + 4.0 * -0.75 - 0.05 * 2
    expected = 1 / (1 + math.exp(-logit))
    assert CALIBRATION.probability(Features(-0.75, 2)) == pytest.approx(expected)
    assert confidence([-0.5, -1.0], CALIBRATION) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "expected"), [(-1e300, 0.0), (1e300, 1.0)])
def test_nothing_overflows(mean: float, expected: float) -> None:
    assert CALIBRATION.probability(Features(mean, 8)) == expected


def test_without_a_calibration_it_is_the_geometric_mean_of_the_words() -> None:
    assert confidence([math.log(0.4)] * 3, None) == pytest.approx(0.4)
    assert confidence([math.log(0.2), math.log(0.8)], None) == pytest.approx(0.4)


@pytest.mark.parametrize("value", [math.nan, math.inf, "4", None, [1.0]])
def test_a_weight_that_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^calibration: mean is .*finite number"):
        Calibration(right=50, intercept=4.0, mean=value, length=0.0)
