"""The interface of a network, whichever runtime computes it.

A network keeps its own arrays between two calls, on its own device; word ids go in and their
log-probabilities come out as NumPy arrays.
"""

from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Squares = npt.NDArray[np.uint8]  # squeezed photos, (batch, size, size, 3), RGB


class Rows(Protocol):
    """An array of any runtime whose rows can be selected."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    def __getitem__(self, index: Any, /) -> Self:
        """Select rows by their indices, in that order."""


Array = TypeVar("Array", bound=Rows)


class Memory(NamedTuple, Generic[Array]):
    """A batch of encoded photos, as the decoder uses it; each array has one row per photo."""

    # The projected grid; `(batch, regions, hidden)` in PyTorch. Only its mean without attention.
    regions: Array
    keys: Array  # the attention's; empty without attention
    start: tuple[Array, ...]  # the state before the first word, each `(batch, hidden)`
    pooled: Array  # `(batch, channels)`, the mean of the encoder's last grid

    def select(self, photos: Ids) -> "Memory[Array]":
        """Return the photos with these indices, in that order."""
        start = tuple(part[photos] for part in self.start)
        return Memory(self.regions[photos], self.keys[photos], start, self.pooled[photos])


class Network(Protocol[Array]):
    """The decoder of a network, and what the encoder has computed."""

    def step(
        self, tokens: Ids, state: tuple[Array, ...], memory: Memory[Array]
    ) -> tuple[Floats, tuple[Array, ...], Floats | None]:
        """Predict the next word of every row: beams or samples, the same number for each photo.

        Args:
            tokens: `(batch * rows,)`, the last word of each row.
            state: each array `(batch * rows, hidden)`.
            memory: of `batch` photos.

        Returns:
            log-probabilities `(batch * rows, vocabulary)`, the next state, and attention weights
            `(batch * rows, regions)`, None without attention.
        """

    def pooled_features(self, memory: Memory[Array]) -> Floats:
        """Return the encoder's features of each photo, averaged over it: `(batch, channels)`."""


class Runnable(Network[Array], Protocol[Array]):
    """A network on its device, with its encoder."""

    @property
    def name(self) -> str:
        """Of the runtime, as settings name it."""

    @property
    def device(self) -> str:
        """Where it computes, as PyTorch names it."""

    @property
    def out_of_memory(self) -> type[Exception]:
        """What it raises where a batch is too large for its device."""

    def encode(self, photos: Squares) -> Memory[Array]:
        """Encode squeezed photos."""

    def start_states(self, memory: Memory[Array]) -> Floats:
        """Return the decoder's start states: `(batch, size)`, the parts of each in turn."""

    def free(self) -> None:
        """Return unused memory to the device."""
