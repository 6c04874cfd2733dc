"""Whether a photo is like those that the model learned from.

Of a picture unlike all of them, a page of text or a drawing, a model says nonsense, and may say it
surely: its confidence was fitted on photos of the kind that it knows. What the decoder starts from
tells such pictures apart by its Mahalanobis distance to the training photos (K. Lee, K. Lee,
H. Lee and J. Shin, *A Simple Unified Framework for Detecting Out-of-Distribution Samples and
Adversarial Attacks*, NeurIPS 2018, arXiv:1807.03888). `python -m train calibrate` fits it.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from captioner.runtime.protocols import Floats


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What is known of the training photos, by which others are told to be unlike them."""

    mean: Floats  # (size,), of what the decoder starts from; see `Runnable.starts`
    whitening: Floats  # (size, size); times its own transpose it is the inverse of the covariance
    most: float  # the distance above which a photo is unfamiliar

    def __post_init__(self) -> None:
        """Refuse what does not fit together or is no finite number, naming the field."""
        if self.mean.ndim != 1 or self.whitening.shape != 2 * self.mean.shape:
            raise ValueError(
                f"familiarity: mean has the shape {self.mean.shape}, whitening "
                f"{self.whitening.shape}; they must have (size,) and (size, size)"
            )
        for field in ("mean", "whitening"):
            if not np.isfinite(getattr(self, field)).all():
                raise ValueError(f"familiarity: {field} must be of finite numbers")
        if not isinstance(self.most, int | float) or not math.isfinite(self.most):
            raise ValueError(f"familiarity: most is {self.most!r}; it must be a finite number")

    def distance(self, starts: Floats) -> Floats:
        """Return how far photos are from the mean of the training photos.

        Args:
            starts: `(photos, size)`, what the decoder starts from.

        Returns:
            `(photos,)`, the Mahalanobis distance divided by the square root of `size`, so that it
            is about 1 for what is spread as the covariance has it.
        """
        # A product of matrices would leave the threads of NumPy's BLAS spinning for 25 ms on the
        # cores that the network computes on.
        whitened = np.einsum("ij,jk->ik", starts - self.mean, self.whitening)
        return np.sqrt(np.square(whitened).mean(-1))

    def unfamiliar(self, starts: Floats) -> npt.NDArray[np.bool_]:
        """Say which photos are unlike the training photos: `(photos,)`, as `distance` has it."""
        return self.distance(starts) > self.most
