"""The largest of many values of each photo."""

from typing import Any

import numpy as np
import numpy.typing as npt

from captioner.runtime.protocols import Floats, Ids


def top_k(values: Floats, count: int) -> tuple[Floats, Ids]:
    """Return the `count` largest values of each row, the largest first, and their indices.

    Of equal values the first comes first. There are -inf and the index 0 where a row is too short.
    """
    order = (-values).argsort(1, kind="stable")[:, :count]
    found = pick(values, order)
    if missing := count - order.shape[1]:
        order = np.pad(order, ((0, 0), (0, missing)))
        found = np.pad(found, ((0, 0), (0, missing)), constant_values=-np.inf)
    return found, order


def pick(rows: npt.NDArray[Any], index: Ids) -> npt.NDArray[Any]:
    """Take from `(photos, rows, ...)` the rows `(photos, count)` of each photo."""
    return rows[np.arange(rows.shape[0])[:, None], index]
