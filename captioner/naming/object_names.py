"""The words for what a classifier knows, and which of them is sure enough to be said.

`weights/naming.tsv` gives each of ImageNet's 1,000 classes the name that a person would use, and
wider names: "a tabby cat", "a cat", "an animal". A name is as likely as all classes together that
it fits, so a classifier that wavers between three breeds is still sure of "a dog".
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from captioner.result import NamedObject
from captioner.runtime.protocols import Floats

Reals = npt.NDArray[np.float64]


class ObjectNames:
    """The names of all classes, each a path from its own name to the widest."""

    def __init__(self, paths: Iterable[Sequence[str]]) -> None:
        """Take the names of each class, in the order of the classifier's outputs.

        Args:
            paths: of each class, its own name first, then wider and wider ones.

        Raises:
            ValueError: a class has no name, or a name has different wider names in two places.
        """
        self.paths = tuple(tuple(path) for path in paths)
        self._wider: dict[str, tuple[str, ...]] = {}
        for path in self.paths:
            if not all(path) or not path:
                raise ValueError(f"a class has an empty name: {path}")
            for place, name in enumerate(path):
                wider = path[place + 1 :]
                if self._wider.setdefault(name, wider) != wider:
                    raise ValueError(f"{name!r} is both {wider} and {self._wider[name]}")
        self.names = tuple(self._wider)
        places = {name: place for place, name in enumerate(self.names)}
        pairs = [(index, places[name]) for index, path in enumerate(self.paths) for name in path]
        self._classes, self._places = np.array(pairs).T

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table: a line of headings, then one line for each class.

        Its first column is ignored; the others are the names, from the class's own to the widest.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a table.
        """
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        return cls(row[1:] for row in rows[1:])

    def probabilities(self, classes: Reals) -> Reals:
        """Add up the probabilities of the classes that each name fits.

        Args:
            classes: `(classes,)`, of one photo.

        Returns:
            `(names,)`, in the order of `names`.
        """
        found = np.zeros(len(self.names))
        np.add.at(found, self._places, classes[self._classes])
        return found

    def sure(self, classes: Reals, threshold: float) -> tuple[NamedObject, ...]:
        """Return the narrowest names that are sure enough, the likeliest first.

        Args:
            classes: the probabilities of the classes, `(classes,)`, of one photo.
            threshold: the least probability of a name.
        """
        found = {
            name: probability
            for name, probability in zip(
                self.names, self.probabilities(classes).tolist(), strict=True
            )
            if probability >= threshold
        }
        for name in list(found):
            for wider in self._wider[name]:
                found.pop(wider, None)
        ranked = sorted(found.items(), key=lambda item: -item[1])
        return tuple(
            NamedObject(name, min(1.0, probability), self._wider[name])
            for name, probability in ranked
        )


def softmax(logits: Floats, temperature: float) -> Reals:
    """Return the probabilities of classes.

    The temperature calibrates them (C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, *On Calibration
    of Modern Neural Networks*, ICML 2017, arXiv:1706.04599).

    Args:
        logits: `(photos, classes)`.
        temperature: what they are divided by; above 1 it makes them less sure.

    Returns:
        `(photos, classes)`, in double precision.
    """
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
