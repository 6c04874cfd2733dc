"""How well a sentence goes with a photo.

Photos and sentences are placed in one space, where what belongs together lies together (R. Kiros,
R. Salakhutdinov and R. Zemel, *Unifying Visual-Semantic Embeddings with Multimodal Neural Language
Models*, 2014, arXiv:1411.2539). Likelihood alone prefers what may be said of many photos; what goes
with this photo better than with others makes up for it. `python -m train match` fits the places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from captioner.runtime.protocols import Floats

Words = tuple[int, ...]

TINY = 1e-5  # added to a variance, that nothing is divided by zero


@dataclass(frozen=True, eq=False)
class Matching:
    """Where photos and words lie."""

    weight: Floats  # (channels, size), by which what is seen of a photo, standardized, is placed
    bias: Floats  # (size,)
    words: Floats  # (vocabulary, size)

    def __post_init__(self) -> None:
        """Refuse what does not fit together or is no finite number, naming the field."""
        shapes = [getattr(self, field.name).shape for field in fields(self)]
        if [len(shape) for shape in shapes] != [2, 1, 2] or len({s[-1] for s in shapes}) > 1:
            raise ValueError(
                f"matching: weight, bias and words have the shapes {shapes}; "
                "they must have (channels, size), (size,) and (vocabulary, size)"
            )
        for field in fields(self):
            if not np.isfinite(getattr(self, field.name)).all():
                raise ValueError(f"matching: {field.name} must be of finite numbers")

    def places(self, seen: Floats) -> Floats:
        """Place photos: `(photos, size)`, each of length 1.

        Args:
            seen: `(photos, channels)`, see `Network.pooled_features`.
        """
        centred = seen - seen.mean(-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(-1, keepdims=True) + TINY)
        # A product of matrices would leave the threads of NumPy's BLAS spinning for 25 ms on the
        # cores that the network computes on.
        return _unit(np.einsum("ij,jk->ik", centred / spread, self.weight) + self.bias)

    def cosines(self, place: Floats, sentences: Sequence[Words]) -> list[float]:
        """Return how well each sentence goes with one photo: -1..1, 0 where it has no word.

        Args:
            place: of the photo, `(size,)`.
            sentences: word ids.
        """
        places = [self.words[list(words)].mean(0) for words in sentences if words]
        told = iter((_unit(np.array(places)) * place).sum(-1).tolist() if places else ())
        return [next(told) if words else 0.0 for words in sentences]


def _unit(rows: Floats) -> Floats:
    lengths = np.sqrt(np.square(rows).sum(-1, keepdims=True))
    return np.asarray(rows / np.maximum(lengths, TINY), np.float32)
