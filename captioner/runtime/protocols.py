"""What decoding asks of a network, in whichever runtime it is.

A network keeps its own arrays between two calls, on its own device; words go in and their
log-probabilities come out as NumPy's.
"""

from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from captioner.config import ModelConfig

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Squares = npt.NDArray[np.uint8]  # squeezed photos, (batch, size, size, 3), RGB


class Rows(Protocol):
    """An array of any runtime, of which rows can be taken."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    def __getitem__(self, index: Any, /) -> Self:
        """Take the rows whose indices are given, in that order."""


Array = TypeVar("Array", bound=Rows)


class Memory(NamedTuple, Generic[Array]):
    """What the decoder keeps of a batch of photos while it speaks; each array has a row a photo."""

    # The projected grid; `(batch, regions, hidden)` in PyTorch. Its mean alone without attention.
    regions: Array
    keys: Array  # what attention compares with; empty without attention
    start: tuple[Array, ...]  # the state before the first word, each `(batch, hidden)`
    seen: Array  # `(batch, channels)`, the mean of the encoder's last grid

    def select(self, photos: Ids) -> "Memory[Array]":
        """Keep the photos whose indices are given, in that order."""
        start = tuple(part[photos] for part in self.start)
        return Memory(self.regions[photos], self.keys[photos], start, self.seen[photos])


class Network(Protocol[Array]):
    """What can be decoded from."""

    @property
    def config(self) -> ModelConfig:
        """What it was built from."""

    def step(
        self, tokens: Ids, state: tuple[Array, ...], memory: Memory[Array]
    ) -> tuple[Floats, tuple[Array, ...], Floats | None]:
        """Say the next word of every row: beams, or samples, the same number for each photo.

        Args:
            tokens: `(batch * rows,)`, the word said last.
            state: each array `(batch * rows, hidden)`.
            memory: of `batch` photos.

        Returns:
            log-probabilities `(batch * rows, vocabulary)`, the next state, and attention weights
            `(batch * rows, regions)`, None without attention.
        """

    def seen(self, memory: Memory[Array]) -> Floats:
        """Return what the encoder saw of each photo as a whole: `(batch, channels)`."""


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
        """See squeezed photos."""

    def starts(self, memory: Memory[Array]) -> Floats:
        """Return what the decoder starts from: `(batch, size)`, the parts of the state in turn."""

    def free(self) -> None:
        """Return memory that is held for later."""
