"""Fit the detector of photos that are out of distribution; see the captioner's module."""

import numpy as np

from captioner.out_of_distribution import OutOfDistributionDetector
from captioner.runtime.protocols import Floats
from train.data.datasets import DatasetError

PERCENTILE = 99  # one in-distribution photo in a hundred may be a false alarm
# Without it, directions in which the training photos hardly differ would count most.
SHRINKAGE = 0.3
ALIKE = 1e-8  # a variance that may come from rounding alone


def fit(training: Floats, others: Floats) -> OutOfDistributionDetector:
    """Fit the distance from the training photos, and the threshold of the detector.

    The covariance is shrunk towards a multiple of the identity (O. Ledoit and M. Wolf, *A
    well-conditioned estimator for large-dimensional covariance matrices*, 2004). The result is
    rounded as a checkpoint keeps it.

    Args:
        training: `(photos, size)`, the decoder's start states; see `Runnable.start_states`.
        others: `(photos, size)`, of photos from the same distribution that the network was not
            fitted to; at least one. The 99th percentile of their distances is the threshold.

    Raises:
        DatasetError: the network encodes the training photos all alike.
    """
    # scikit-learn takes a second to import, and only calibration needs it.
    from sklearn.covariance import ShrunkCovariance

    exact = training.astype(np.float64)
    if exact.var(0).mean() < ALIKE:
        raise DatasetError(
            "the training photos are too few, or this network encodes them all alike"
        )
    fitted = ShrunkCovariance(shrinkage=SHRINKAGE).fit(exact)
    mean = _rounded(fitted.location_)
    whitening = _rounded(np.linalg.cholesky(fitted.precision_))
    distances = OutOfDistributionDetector(mean, whitening, 0).distance(others)
    return OutOfDistributionDetector(mean, whitening, float(np.percentile(distances, PERCENTILE)))


def _rounded(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Floats:
    return values.astype(np.float16).astype(np.float32)
