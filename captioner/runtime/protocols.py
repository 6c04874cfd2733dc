"""The interface of a network, whichever runtime computes it.

A network keeps its own arrays between two calls, on its own device; word ids go in, and the
likeliest words come out, as NumPy arrays.
"""

from pathlib import Path
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

    def __add__(self, other: Any, /) -> Self:
        """Add a row to each."""


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

    def started(self, added: tuple[Array, ...]) -> "Memory[Array]":
        """Return the photos with something added to each part of the start state: `(hidden,)`."""
        start = tuple(part + more for part, more in zip(self.start, added, strict=True))
        return self._replace(start=start)


class Candidates(NamedTuple):
    """The likeliest next words of every row, the likeliest first."""

    ids: Ids  # (photos, rows, count)
    logprobs: Floats  # (photos, rows, count), their natural logarithms


class DecoderState(Protocol):
    """What a network keeps of a search, on its device, from one step to the next."""

    def step(self, tokens: Ids, parents: Ids, count: int) -> Candidates:
        """Predict the next word of every row: beams or samples, as many for each photo.

        Args:
            tokens: `(photos, rows)`, the last word of each row.
            parents: `(photos, rows)`, the row of the step before that each continues. They are
                numbered through all photos; before the first step each photo is one row. Photos
                that nothing continues are dropped.
            count: how many words to return for each row; all if the vocabulary has fewer.
        """


class Network(Protocol[Array]):
    """The decoder of a network, and what the encoder has computed."""

    def begin(self, memory: Memory[Array]) -> DecoderState:
        """Return the state before the first word."""

    def attention(self, tokens: Ids, memory: Memory[Array]) -> Floats | None:
        """Return where sentences look as each word is predicted.

        Args:
            tokens: `(photos, rows, length)`, START and the words but for the last.
            memory: of the photos.

        Returns:
            weights `(photos, rows, length, regions)`, None without attention.
        """

    def pooled_features(self, memory: Memory[Array]) -> Floats:
        """Return the encoder's features of each photo, averaged over it: `(batch, channels)`."""

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply `(rows, size)` by `(size, columns)`, where it takes least from the network.

        The matrix must be the same array, with the same values, at each call.
        """


class Runnable(Network[Array], Protocol[Array]):
    """A network on its device, with its encoder."""

    @property
    def name(self) -> str:
        """Of the runtime, as settings name it."""

    @property
    def device(self) -> str:
        """Where it computes, as PyTorch names it."""

    @property
    def parallel(self) -> int:
        """How many batches it computes fastest side by side, each called from its own thread."""

    @property
    def max_batch(self) -> int:
        """How many photos a batch may have before more of them are no faster."""

    @property
    def out_of_memory(self) -> type[Exception]:
        """What it raises where a batch is too large for its device."""

    def encode(self, photos: Squares) -> Memory[Array]:
        """Encode squeezed photos."""

    def start_states(self, memory: Memory[Array]) -> Floats:
        """Return the decoder's start states: `(batch, size)`, the parts of each in turn."""

    def in_language(self, file: Path, code: str) -> Network[Array]:
        """Return the decoder of another language.

        Args:
            file: of the checkpoint's languages; see `languages.file`. The same at each call.
            code: of one of them.

        Raises:
            CheckpointError: the file, or what was exported from it, cannot be used.
        """

    def free(self) -> None:
        """Return unused memory to the device."""
