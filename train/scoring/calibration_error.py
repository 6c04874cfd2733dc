"""Whether captions are right as often as their confidences say."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10  # of equal width

Reals = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bin:
    """The captions whose confidences are in one tenth of 0..1."""

    confidence: float  # mean, 0..1
    right: float  # share of right captions, 0..1
    count: int  # at least one


def reliability(confidences: Reals, right: Truths) -> list[Bin]:
    """Group captions by confidence, the least certain first; empty bins are left out.

    Args:
        confidences: `(captions,)`, 0..1.
        right: `(captions,)`.
    """
    # scikit-learn takes a second to import, and most evaluations do not need it.
    from sklearn.calibration import calibration_curve

    shares, means = calibration_curve(right, confidences, n_bins=BINS)
    # The library does not return the counts: in its bins, too, an upper edge belongs to the bin.
    edges = np.linspace(0, 1, BINS + 1)
    _, counts = np.unique(np.digitize(confidences, edges[1:-1], right=True), return_counts=True)
    return [Bin(*one) for one in zip(means.tolist(), shares.tolist(), counts.tolist(), strict=True)]


def calibration_error(confidences: Reals, right: Truths) -> float:
    """Return the expected calibration error, 0..1 (C. Guo et al., ICML 2017).

    It is the difference between confidence and share of right captions in a bin, on average over
    all captions. By chance alone, even a perfectly calibrated model does not get 0: with 1,000
    captions it gets about 0.03.

    Args:
        confidences: `(captions,)`, 0..1; at least one.
        right: `(captions,)`.
    """
    bins = reliability(confidences, right)
    return sum(one.count * abs(one.confidence - one.right) for one in bins) / len(confidences)
