"""The largest of many values, found faster than by a partition of all of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from captioner.runtime.protocols import Floats, Ids

BLOCK = 32  # values; all of 16 to 64 are about as fast


def top_k(values: Floats, count: int) -> tuple[Floats, Ids]:
    """Return the `count` largest values of each row, the largest first, and their indices."""
    index = _promising(values, count)
    found = pick(values, index)
    split = found.shape[1] - count
    if split > 0:
        largest = found.argpartition(split, axis=1)[:, split:]
        index, found = pick(index, largest), pick(found, largest)
    order = (-found).argsort(1, kind="stable")[:, :count]
    return pick(found, order), pick(index, order)


def pick(rows: npt.NDArray[Any], index: Ids) -> npt.NDArray[Any]:
    """Take from `(batch, rows, ...)` the rows `(batch, k)` of each photo."""
    return rows[np.arange(rows.shape[0])[:, None], index]


def _promising(values: Floats, count: int) -> Ids:
    """Return some indices of each row, which include those of the `count` largest values.

    If `count` other blocks have a larger maximum, a block holds none of these values. Finding the
    blocks that may is several times faster than partitioning a whole vocabulary.
    """
    rows, size = values.shape
    blocks = size // BLOCK
    if blocks <= count:
        return np.broadcast_to(np.arange(size), values.shape)
    whole = blocks * BLOCK
    # Block b holds every value whose index leaves the remainder b.
    maxima = values[:, :whole].reshape(rows, BLOCK, blocks).max(1)
    chosen = maxima.argpartition(blocks - count, axis=1)[:, blocks - count :]
    inside = (chosen[:, None] + blocks * np.arange(BLOCK)[:, None]).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(whole, size), (rows, size - whole))
    return np.concatenate((inside, rest), 1)
