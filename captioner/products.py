"""Products of a few rows with a matrix, beside a network."""

from collections.abc import Callable

import numpy as np

from captioner.runtime.protocols import Floats

# Multiplies rows (rows, size) by a matrix (size, columns) that never changes.
Multiply = Callable[[Floats, Floats], Floats]


def multiply(rows: Floats, matrix: Floats) -> Floats:
    """Multiply on one core.

    NumPy's operator would leave the threads of its BLAS spinning for 25 ms on the cores that the
    network computes on.
    """
    return np.asarray(np.einsum("ij,jk->ik", rows, matrix), np.float32)
