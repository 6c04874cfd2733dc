"""Fit the probability that a caption is right; see `captioner.confidence`."""

import numpy as np

from captioner.confidence import Calibration, Features
from train.scoring.calibration_error import Reals, Truths

# By eye, captions with this CIDEr-D mostly name the subject and the place, and half of them the
# action too; those with half of it mostly miss the subject or the place. It is near the mean.
RIGHT = 50.0
FOLDS = 10


def fit(features: Reals, cider: Reals, right: float = RIGHT) -> Calibration:
    """Fit by logistic regression on standardized features, with an L2 penalty of strength 1.

    Targets are Platt's (*Probabilistic Outputs for Support Vector Machines*, 1999), so that the
    odds stay finite even if all captions are right, or none.

    Args:
        features: `(captions, features)`, those of `Features`; at least one caption.
        cider: `(captions,)`, each caption's own CIDEr-D in percent points.
        right: the CIDEr-D above which a caption is called right.
    """
    # scikit-learn takes a second to import, and only calibration needs it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    targets = _platt_targets(cider > right)
    # scikit-learn has no soft targets: each caption counts twice, as right and as wrong.
    scaler = StandardScaler().fit(features)
    inputs = np.tile(scaler.transform(features), (2, 1))
    labels = np.repeat((True, False), len(targets))
    regression = LogisticRegression(C=1, solver="newton-cholesky", tol=1e-9, max_iter=100)
    regression.fit(inputs, labels, sample_weight=np.concatenate((targets, 1 - targets)))
    slopes = regression.coef_[0] / scaler.scale_
    intercept = regression.intercept_[0] - slopes @ scaler.mean_
    return Calibration(right, float(intercept), *map(float, slopes))


def cross_validated(features: Reals, cider: Reals, right: float = RIGHT) -> Reals:
    """Return each caption's probability of being right, fitted on nine tenths without it.

    Args:
        features: `(captions, features)`, as `fit` takes them; at least two captions.
        cider: `(captions,)`.
        right: the CIDEr-D above which a caption is called right.

    Returns:
        `(captions,)`, 0..1.
    """
    from sklearn.model_selection import KFold

    order = np.random.default_rng(0).permutation(len(cider))
    confidences = np.empty(len(cider))
    for fitted_on, held_out in KFold(min(FOLDS, len(order))).split(order):
        others, held = order[fitted_on], order[held_out]
        calibration = fit(features[others], cider[others], right)
        confidences[held] = probabilities(calibration, features[held])
    return confidences


def probabilities(calibration: Calibration, features: Reals) -> Reals:
    """Return the probability of being right: `(captions,)`, of features `(captions, features)`."""
    return np.array([calibration.probability(Features(*row)) for row in features.tolist()])


def _platt_targets(right: Truths) -> Reals:
    return np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
