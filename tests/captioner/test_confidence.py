"""The confidence in a caption."""

import math
from typing import Any

import pytest

from captioner.confidence import Calibration, Features, confidence
from captioner.reranking import Hypothesis

CALIBRATION = Calibration(right=50, intercept=4.0, mean=4.0, length=-0.05, match=2.0)


def confidence_of(
    logprobs: list[float],
    calibration: Calibration | None = CALIBRATION,
    match: float | None = None,
) -> float:
    """Return the confidence in a sentence with these log-probabilities."""
    sentence = Hypothesis(tuple(range(len(logprobs) - 1)), tuple(logprobs), match)
    return confidence(Features.of(sentence), calibration)


def test_likelier_words_give_a_higher_confidence() -> None:
    confidences = [confidence_of([each] * 8) for each in (-5.0, -2.0, -1.0, -0.5, -0.1)]
    assert confidences == sorted(set(confidences))
    assert confidences[0] > 0
    assert confidences[-1] < 1


def test_one_less_likely_word_lowers_the_confidence() -> None:
    assert confidence_of([-0.1, -0.1, -0.9]) < confidence_of([-0.1] * 3)


def test_a_longer_sentence_has_a_lower_confidence() -> None:
    assert confidence_of([-0.5] * 12) < confidence_of([-0.5] * 6)


def test_a_better_match_gives_a_higher_confidence() -> None:
    assert (
        confidence_of([-0.5] * 6, match=0.6)
        > confidence_of([-0.5] * 6, match=0.1)
        > confidence_of([-0.5] * 6)
    )


def test_the_probability_is_the_logistic_function_of_the_weighted_features() -> None:
    logit = 4.0 + 4.0 * -0.75 - 0.05 * 2 + 2.0 * 0.3
    expected = 1 / (1 + math.exp(-logit))
    assert CALIBRATION.probability(Features(-0.75, 2, 0.3)) == pytest.approx(expected)
    assert confidence_of([-0.5, -1.0], match=0.3) == pytest.approx(expected)


@pytest.mark.parametrize(("mean", "expected"), [(-1e300, 0.0), (1e300, 1.0)])
def test_nothing_overflows(mean: float, expected: float) -> None:
    assert CALIBRATION.probability(Features(mean, 8)) == expected


def test_without_a_calibration_it_is_the_geometric_mean_of_the_words() -> None:
    assert confidence_of([math.log(0.4)] * 3, None) == pytest.approx(0.4)
    assert confidence_of([math.log(0.2), math.log(0.8)], None, match=0.9) == pytest.approx(0.4)


@pytest.mark.parametrize("value", [math.nan, math.inf, "4", None, [1.0]])
def test_a_weight_that_is_not_a_number_is_named(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^calibration: mean is .*finite number"):
        Calibration(right=50, intercept=4.0, mean=value, length=0.0)
