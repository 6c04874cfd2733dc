"""The detector is fitted as it was when the shipped checkpoints were."""

import numpy as np

from train.fitting.out_of_distribution import fit


def test_the_library_fits_the_same_as_our_earlier_code() -> None:
    chance = np.random.default_rng(7)
    mixing = np.array([[1, 0.5, 0], [0, 2, 0.3], [0, 0, 0.1]])
    training = (chance.normal(size=(40, 3)) @ mixing).astype(np.float32)
    fitted = fit(training, chance.normal(size=(10, 3)).astype(np.float32))

    np.testing.assert_array_equal(fitted.mean, [-0.371826171875, 0.184326171875, 0.0302734375])
    expected = [
        [1.140625, 0.0, 0.0],
        [-0.10528564453125, 0.62060546875, 0.0],
        [0.049407958984375, -0.462158203125, 1.462890625],
    ]
    np.testing.assert_allclose(fitted.whitening, expected, rtol=1e-3)
