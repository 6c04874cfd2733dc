"""Captions are right as often as fitted confidences say."""

import numpy as np
import pytest

from captioner.confidence import Calibration
from train.fitting.confidence import cross_validated, fit, probabilities
from train.scoring.calibration_error import Reals, calibration_error

TRUTH = Calibration(right=50, intercept=4.5, mean=4.0, length=-0.1, match=3.0)


def captions(count: int, seed: int) -> tuple[Reals, Reals]:
    """Return features of captions, and their CIDEr: above 50 as often as `TRUTH` says."""
    chance = np.random.default_rng(seed)
    features = np.column_stack(
        (
            chance.uniform(-2, -0.3, count),
            chance.integers(5, 16, count).astype(float),
            chance.uniform(-0.2, 0.8, count),
        )
    )
    right = chance.random(count) < probabilities(TRUTH, features)
    return features, np.where(right, 50.1, 50.0)


def test_the_fit_recovers_the_distribution_of_the_captions() -> None:
    fitted = fit(*captions(50_000, seed=1))

    assert fitted.right == 50
    assert fitted.intercept == pytest.approx(TRUTH.intercept, abs=0.25)
    assert fitted.mean == pytest.approx(TRUTH.mean, abs=0.15)
    assert fitted.length == pytest.approx(TRUTH.length, abs=0.02)
    assert fitted.match == pytest.approx(TRUTH.match, abs=0.2)


def test_captions_are_right_as_often_as_was_fitted_on_others() -> None:
    fitted = fit(*captions(1000, seed=2))
    features, cider = captions(20_000, seed=3)
    told = probabilities(fitted, features)

    assert calibration_error(told, cider > 50) < 0.03
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        here = (told >= low) & (told < high)
        assert (cider[here] > 50).mean() == pytest.approx(told[here].mean(), abs=0.05)


def test_the_threshold_decides_what_is_right() -> None:
    features, cider = captions(1000, seed=4)
    likely, unlikely = fit(features, cider, right=10), fit(features, cider, right=100)
    assert (likely.right, unlikely.right) == (10, 100)
    assert probabilities(likely, features).min() > 0.9
    assert probabilities(unlikely, features).max() < 0.1


def test_a_feature_that_separates_all_captions_is_regularized() -> None:
    features = np.array([[-2.0, 8.0], [-1.9, 8.0], [-0.5, 8.0], [-0.4, 8.0]])
    told = probabilities(fit(features, np.array([0.0, 0.0, 90.0, 90.0])), features)
    assert 0.05 < told[0] < told[1] < 0.5 < told[2] < told[3] < 0.95


def test_a_held_out_confidence_depends_on_the_other_captions_alone() -> None:
    features, cider = captions(40, seed=5)
    told = cross_validated(features, cider)
    for index in (0, 17, 39):
        other = cider.copy()
        other[index] = 0.0 if cider[index] > 50 else 100.0
        changed = cross_validated(features, other) != told
        assert not changed[index]
        assert changed.sum() == 36  # all but those of its fold


def test_the_library_fits_the_same_as_our_earlier_code() -> None:
    """The figures are those of the code that fitted the shipped models: Newton, Platt's targets."""
    features, cider = captions(200, seed=6)
    fitted = fit(features, cider)
    figures = (fitted.intercept, fitted.mean, fitted.length, fitted.match)
    assert figures == pytest.approx((3.6322636, 3.8190159, -0.0179938, 2.7574357), abs=1e-6)
    held_out = cross_validated(features, cider)[:3]
    assert held_out == pytest.approx((0.2802281, 0.1052606, 0.2990456), abs=1e-6)


def test_odds_stay_finite_where_every_caption_is_right() -> None:
    features, _ = captions(20, seed=6)
    fitted = fit(features, np.full(20, 90.0))
    # Platt's target for 20 of 20 is 21/22.
    assert probabilities(fitted, features) == pytest.approx([21 / 22] * 20)
