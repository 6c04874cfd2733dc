"""Calibrate a classifier, and measure the names that it gives; see `captioner.naming`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from captioner.naming.object_names import ObjectNames, Reals, softmax
from captioner.runtime.protocols import Floats, Ids

TEMPERATURES = np.geomspace(0.25, 4, 161)


def temperature(logits: Floats, classes: Ids) -> float:
    """Return the temperature with the least log loss; see `softmax`.

    Args:
        logits: `(photos, classes)`.
        classes: `(photos,)`, what the photos show.
    """
    rows = np.arange(len(classes))
    losses = [-np.log(softmax(logits, one)[rows, classes]).mean() for one in TEMPERATURES]
    return float(TEMPERATURES[np.argmin(losses)].round(2))


def first(names: ObjectNames, classes: Reals) -> str:
    """Return the name to give if one must be given: a class's own, or the next wider one.

    It goes from the widest names down to the likeliest of each, and stops above a class's own name
    that does not have half of the wider one's probability.

    Args:
        names: of the classes.
        classes: their probabilities, `(classes,)`, of one photo.
    """
    likely = dict(zip(names.names, names.probabilities(classes).tolist(), strict=True))
    paths = {path[::-1] for path in names.paths}
    chosen: tuple[str, ...] = ()
    while True:
        deeper = {path for path in paths if path[: len(chosen)] == chosen and path != chosen}
        if not deeper:
            return chosen[-1]
        best = max((path[: len(chosen) + 1] for path in deeper), key=lambda one: likely[one[-1]])
        above_own = any(len(path) == len(chosen) + 1 for path in deeper)
        if chosen and above_own and likely[best[-1]] < likely[chosen[-1]] / 2:
            return chosen[-1]
        chosen = best


def is_right(name: str, path: Sequence[str]) -> bool:
    """Return whether a name is the class's own or the next wider one; "an animal" is too wide.

    Args:
        name: what is said.
        path: the names of the class that the photo shows, its own first.
    """
    return name in path[:2]


class Said(NamedTuple):
    """What is said from one threshold on."""

    threshold: float
    share: float  # of the photos that get a name
    right: float  # share of these names; see `is_right`
    true: float  # share of these names that are right or wider than that


def said(names: ObjectNames, probabilities: Reals, classes: Ids, threshold: float) -> Said:
    """Measure the likeliest name of each photo that is sure enough to be said.

    Args:
        names: of the classes.
        probabilities: `(photos, classes)`.
        classes: `(photos,)`, what the photos show.
        threshold: the least probability of a name.
    """
    found = [
        (objects[0].name, names.paths[index])
        for row, index in zip(probabilities, classes, strict=True)
        if (objects := names.sure(row, threshold))
    ]
    count = max(1, len(found))
    return Said(
        threshold,
        len(found) / max(1, len(classes)),
        sum(is_right(name, path) for name, path in found) / count,
        sum(name in path for name, path in found) / count,
    )
