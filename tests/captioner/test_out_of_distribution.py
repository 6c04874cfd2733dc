"""Photos unlike the training photos are detected, and others are not."""

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from captioner import Captioner, Options
from captioner.out_of_distribution import OutOfDistributionDetector
from captioner.photo.decode import decode
from captioner.runtime.protocols import Floats
from captioner.serving import ServingConfig
from tests.conftest import Trained, on_cpu, photo_bytes
from tests.pictures import WHITE, halves, saved
from train.data.datasets import DatasetError
from train.fitting.out_of_distribution import PERCENTILE, fit

SIZE = 24
# Makes numbers depend on each other.
MIXED = np.random.default_rng(0).normal(size=(SIZE, SIZE)) / 5


def photos(count: int, seed: int, spread: float = 1.0) -> Floats:
    """Return the start states of photos from one distribution."""
    chance = np.random.default_rng(seed).normal(size=(count, SIZE))
    return (0.5 + spread * chance @ MIXED).astype(np.float32)


TRAINING = photos(4000, seed=1)


@pytest.fixture(scope="module")
def fitted() -> OutOfDistributionDetector:
    return fit(TRAINING, photos(2000, seed=2))  # imports scikit-learn, which takes seconds


def test_the_mean_of_the_training_photos_is_nearest(fitted: OutOfDistributionDetector) -> None:
    mean = TRAINING.mean(0, keepdims=True)
    assert fitted.distance(mean)[0] == pytest.approx(0, abs=1e-2)
    assert fitted.distance(TRAINING).min() > 0.1
    assert not fitted.detect(mean)[0]


def test_the_distance_is_proportional_to_the_difference_from_the_mean(
    fitted: OutOfDistributionDetector,
) -> None:
    step = photos(1, seed=3) - fitted.mean
    near, far = (fitted.distance(fitted.mean + factor * step)[0] for factor in (1, 10))
    assert far == pytest.approx(10 * near, rel=1e-4)
    assert fitted.detect(fitted.mean + 10 * step)[0]


def test_one_percent_of_similar_photos_is_detected_and_all_of_other_photos(
    fitted: OutOfDistributionDetector,
) -> None:
    assert PERCENTILE == 99
    assert fitted.detect(photos(5000, seed=4)).mean() == pytest.approx(0.01, abs=0.005)
    assert fitted.detect(photos(50, seed=5, spread=4)).all()


def test_the_distance_is_in_standard_deviations_along_each_axis(
    fitted: OutOfDistributionDetector,
) -> None:
    eigenvalues, axes = np.linalg.eigh(np.cov(TRAINING.T))
    narrow, wide = axes[:, 1], axes[:, -1]
    away = np.stack([fitted.mean + narrow, fitted.mean + wide]).astype(np.float32)
    beside, along = fitted.distance(away)
    assert beside > 2 * along
    # Of a covariance that is shrunk by 0.3, the variance along each axis is.
    shrunk = 0.7 * eigenvalues[[1, -1]] + 0.3 * eigenvalues.mean()
    assert [beside, along] == pytest.approx((1 / shrunk / SIZE) ** 0.5, rel=5e-3)


def test_the_detector_fits_half_precision_without_loss(fitted: OutOfDistributionDetector) -> None:
    for array in (fitted.mean, fitted.whitening):
        np.testing.assert_array_equal(array, array.astype(np.float16))


def test_a_distance_does_not_depend_on_the_neighbours(fitted: OutOfDistributionDetector) -> None:
    together = fitted.distance(TRAINING[:7])
    alone = [fitted.distance(TRAINING[index : index + 1])[0] for index in range(7)]
    assert together == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("count", [1, 5])
def test_training_photos_that_are_all_alike_are_refused(count: int) -> None:
    with pytest.raises(DatasetError, match="all alike"):
        fit(np.ones((count, SIZE), np.float32), TRAINING)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mean": np.zeros((1, 2), np.float32)}, "mean has the shape"),
        ({"mean": np.zeros(3, np.float32)}, "mean has the shape"),
        ({"whitening": np.zeros((2, 3), np.float32)}, "whitening"),
        ({"mean": np.array([0, np.nan], np.float32)}, "mean must be of finite numbers"),
        ({"whitening": np.full((2, 2), np.inf, np.float32)}, "whitening must be of finite"),
        ({"threshold": np.nan}, "threshold is nan"),
        ({"threshold": "1"}, "threshold is '1'"),
    ],
)
def test_arrays_that_do_not_fit_together_are_named(fields: dict[str, Any], reason: str) -> None:
    right = {
        "mean": np.zeros(2, np.float32),
        "whitening": np.eye(2, dtype=np.float32),
        "threshold": 1.0,
    }
    OutOfDistributionDetector(**right)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^out of distribution: .*{reason}"):
        OutOfDistributionDetector(**{**right, **fields})


BLANK = saved(halves(WHITE, WHITE), "PNG")


def fitted_to(tiny: Trained, seeds: range, threshold: float | None = None) -> Trained:
    """Return a model whose detector is fitted to some photos."""
    network = on_cpu(tiny)[1]
    squeeze = tiny.metadata.preprocessing.squeeze
    squares = np.stack([squeeze(decode(photo_bytes(seed))) for seed in seeds])
    start_states = network.start_states(network.encode(squares))
    detector = fit(start_states, start_states)
    if threshold is not None:
        detector = replace(detector, threshold=threshold)
    return tiny.having(out_of_distribution=detector)


async def test_a_caption_and_its_alternatives_are_marked_out_of_distribution(
    tiny: Trained,
) -> None:
    for threshold, unfamiliar in ((1e9, False), (0.0, True)):
        async with Captioner(*on_cpu(fitted_to(tiny, range(4), threshold))) as captioner:
            caption = await captioner.caption(photo_bytes(9), Options(alternatives=2))
        assert [one.out_of_distribution for one in (caption, *caption.alternatives)] == [
            unfamiliar
        ] * 3


async def test_each_photo_of_a_batch_is_detected_by_itself(tiny: Trained) -> None:
    model = fitted_to(tiny, range(40))
    strange = BLANK, photo_bytes(3), BLANK, photo_bytes(5)
    asked = [Options(), Options(beam=1), Options(beam=1), Options()]
    async with Captioner(*on_cpu(model), ServingConfig(max_wait=1, max_batch=4)) as captioner:
        caption = await asyncio.gather(*map(captioner.caption, strange, asked))
    assert [one.out_of_distribution for one in caption] == [True, False, True, False]


async def test_without_a_detector_no_photo_is_out_of_distribution(tiny: Trained) -> None:
    assert tiny.metadata.out_of_distribution is None
    async with Captioner(*on_cpu(tiny)) as captioner:
        assert not (await captioner.caption(BLANK)).out_of_distribution
