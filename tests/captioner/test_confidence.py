"""How sure the model is of a caption."""

import math
from typing import Any

import pytest

from captioner.confidence import Calibration, Features, confidence
from captioner.reranking import Hypothesis

CALIBRATION = Calibration(right=50, intercept=4.0, mean=4.0, length=-0.05, match=2.0)


def told(
    logprobs: list[float],
    calibration: Calibration | None = CALIBRATION,
    match: float | None = None,
) -> float:
    """Return how sure a model is that thought so of its words."""
    said = Hypothesis(tuple(range(len(logprobs) - 1)), tuple(logprobs), match)
    return confidence(Features.of(said), calibration)


def test_the_surer_the_words_are_the_surer_is_the_caption() -> None:
    sure = [told([each] * 8) for each in (-5.0, -2.0, -1.0, -0.5, -0.1)]
    assert sure == sorted(set(sure))
    assert sure[0] > 0
    assert sure[-1] < 1


def test_one_word_less_sure_makes_the_caption_less_sure() -> None:
    assert told([-0.1, -0.1, -0.9]) < told([-0.1] * 3)


def test_who_says_more_is_less_sure() -> None:
    assert told([-0.5] * 12) < told([-0.5] * 6)


def test_what_goes_better_with_the_photo_is_surer() -> None:
    assert told([-0.5] * 6, match=0.6) > told([-0.5] * 6, match=0.1) > told([-0.5] * 6)


def test_the_probability_is_the_logistic_function_of_the_weighted_features() -> None:
    logit = 4.0 + 4.0 * -0.75 - 0.05 * 2 + 2.0 * 0.3
    expected = 1 / (1 + math.exp(-logit))
    assert CALIBRATION.probability(Features(-0.75, 2, 0.3)) == pytest.approx(expected)
    assert told([-0.5, -1.0], match=0.3) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "expected"), [(-1e300, 0.0), (1e300, 1.0)])
def test_nothing_overflows(mean: float, expected: float) -> None:
    assert CALIBRATION.probability(Features(mean, 8)) == expected


def test_without_a_calibration_it_is_the_geometric_mean_of_the_words() -> None:
    assert told([math.log(0.4)] * 3, None) == pytest.approx(0.4)
    assert told([math.log(0.2), math.log(0.8)], None, match=0.9) == pytest.approx(0.4)


@pytest.mark.parametrize("value", [math.nan, math.inf, "4", None, [1.0]])
def test_a_weight_that_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^calibration: mean is .*finite number"):
        Calibration(right=50, intercept=4.0, mean=value, length=0.0)
