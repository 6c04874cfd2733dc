"""Whether a photo is unlike the photos that the model was trained on.

For a picture unlike all of them, a page of text or a drawing, a model generates nonsense, and may
be confident of it: its confidence was fitted on photos like those it was trained on. The decoder's
start state tells such pictures apart by its Mahalanobis distance to the training photos (K. Lee,
K. Lee, H. Lee and J. Shin, *A Simple Unified Framework for Detecting Out-of-Distribution Samples
and Adversarial Attacks*, NeurIPS 2018, arXiv:1807.03888). `python -m train calibrate` fits it.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from captioner.products import Multiply, multiply
from captioner.runtime.protocols import Floats


@dataclass(frozen=True, eq=False)
class OutOfDistributionDetector:
    """The distribution of the training photos, and the distance at which it ends."""

    mean: Floats  # (size,), of the decoder's start states; see `Runnable.start_states`
    whitening: Floats  # (size, size); times its own transpose it is the inverse of the covariance
    threshold: float  # a photo at a greater distance is out of distribution

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, and fields with numbers that are not finite."""
        if self.mean.ndim != 1 or self.whitening.shape != 2 * self.mean.shape:
            raise ValueError(
                f"out of distribution: mean has the shape {self.mean.shape}, whitening "
                f"{self.whitening.shape}; they must have (size,) and (size, size)"
            )
        for field in ("mean", "whitening"):
            if not np.isfinite(getattr(self, field)).all():
                raise ValueError(f"out of distribution: {field} must be of finite numbers")
        if not isinstance(self.threshold, int | float) or not math.isfinite(self.threshold):
            raise ValueError(
                f"out of distribution: threshold is {self.threshold!r}; it must be a finite number"
            )

    def distance(self, start_states: Floats, multiply: Multiply = multiply) -> Floats:
        """Return how far photos are from the mean of the training photos.

        Args:
            start_states: `(photos, size)`, of the decoder.
            multiply: how; see `Network.multiply`.

        Returns:
            `(photos,)`, the Mahalanobis distance divided by the square root of `size`, so that it
            is about 1 for a photo from the training distribution.
        """
        whitened = multiply(start_states - self.mean, self.whitening)
        return np.sqrt(np.square(whitened).mean(-1))

    def detect(self, start_states: Floats, multiply: Multiply = multiply) -> npt.NDArray[np.bool_]:
        """Return which photos are out of distribution: `(photos,)`; see `distance`."""
        return self.distance(start_states, multiply) > self.threshold
