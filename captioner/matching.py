"""How well a sentence matches a photo.

Photos and sentences are embedded in one space, where a photo and its sentences are close (R. Kiros,
R. Salakhutdinov and R. Zemel, *Unifying Visual-Semantic Embeddings with Multimodal Neural Language
Models*, 2014, arXiv:1411.2539). Likelihood alone prefers sentences that are true of many photos;
the match with this one photo makes up for it. `python -m train match` fits the embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from captioner.products import Multiply, multiply
from captioner.runtime.protocols import Floats

Words = tuple[int, ...]

TINY = 1e-5  # added to a variance, so that it does not divide by zero


@dataclass(frozen=True, eq=False)
class Matching:
    """The embeddings of words, and the layer that embeds photos."""

    weight: Floats  # (channels, size), of the layer; its inputs are standardized photo by photo
    bias: Floats  # (size,), of the layer
    # (vocabulary, size), in half precision or single; the mean of its words is a sentence's
    # embedding.
    words: npt.NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit together, and fields with numbers that are not finite."""
        shapes = [getattr(self, field.name).shape for field in fields(self)]
        if [len(shape) for shape in shapes] != [2, 1, 2] or len({s[-1] for s in shapes}) > 1:
            raise ValueError(
                f"matching: weight, bias and words have the shapes {shapes}; "
                "they must have (channels, size), (size,) and (vocabulary, size)"
            )
        for field in fields(self):
            if not np.isfinite(getattr(self, field.name)).all():
                raise ValueError(f"matching: {field.name} must be of finite numbers")

    def embed(self, pooled: Floats, multiply: Multiply = multiply) -> Floats:
        """Embed photos: `(photos, size)`, each of length 1.

        Args:
            pooled: `(photos, channels)`; see `Network.pooled_features`.
            multiply: how; see `Network.multiply`.
        """
        centred = pooled - pooled.mean(-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(-1, keepdims=True) + TINY)
        return _unit(multiply(centred / spread, self.weight) + self.bias)

    def cosines(self, photo: Floats, sentences: Sequence[Words]) -> list[float]:
        """Return how well each sentence matches one photo: -1..1, 0 if it has no words.

        Args:
            photo: its embedding, `(size,)`.
            sentences: word ids.
        """
        lengths = np.array([len(words) for words in sentences if words])
        if not lengths.size:
            return [0.0] * len(sentences)
        every = self.words[[word for words in sentences for word in words]].astype(np.float32)
        sums = np.add.reduceat(every, lengths.cumsum() - lengths, axis=0)
        cosines = iter((_unit(sums / lengths[:, None]) * photo).sum(-1).tolist())
        return [next(cosines) if words else 0.0 for words in sentences]


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt(np.square(rows).sum(-1, keepdims=True))
    return np.asarray(rows / np.maximum(lengths, TINY), np.float32)
