"""What every search shares: the photos that are not finished, and the network's state.

The searches use NumPy, whatever computes the network, so that they work with every runtime.
"""

from typing import Generic

import numpy as np
import numpy.typing as npt

from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Array, Floats, Ids, Memory, Network
from captioner.vocabulary import END


class Search(Generic[Array]):
    """The photos still searched, each with the same number of rows: beams, or samples."""

    def __init__(self, network: Network[Array], memory: Memory[Array], rows: int) -> None:
        """Start `rows` rows for each photo of `memory`."""
        self._network, self._memory, self._rows = network, memory, rows
        self.photos = np.arange(memory.start[0].shape[0])  # their indices in the batch
        every = self.photos.repeat(rows)
        self._state = tuple(part[every] for part in memory.start)

    def step(self, tokens: Ids) -> tuple[Floats, Floats | None]:
        """Predict the next word of each row.

        Args:
            tokens: `(photos * rows,)`, the last word of each row.

        Returns:
            log-probabilities `(photos * rows, vocabulary)` and attention weights
            `(photos * rows, regions)`, None without attention.
        """
        logprobs, self._state, weights = self._network.step(tokens, self._state, self._memory)
        return logprobs, weights

    def reorder(self, parents: Ids) -> None:
        """Continue each row from another row of its photo: `(photos, rows)`."""
        rows = (parents + self._rows * np.arange(parents.shape[0])[:, None]).ravel()
        self._state = tuple(part[rows] for part in self._state)

    def keep(self, going: npt.NDArray[np.bool_]) -> None:
        """Drop the finished photos, so that they cost no more steps; `going` is `(photos,)`."""
        if going.all():
            return
        rows = going.repeat(self._rows).nonzero()[0]
        self._memory = self._memory.select(going.nonzero()[0])
        self._state = tuple(part[rows] for part in self._state)
        self.photos = self.photos[going]


def hypotheses(tokens: Ids, logprobs: Floats) -> list[list[Hypothesis]]:
    """Cut sentences at their ends.

    Args:
        tokens: `(photos, rows, 1 + length)`, START, words, and END from the end on.
        logprobs: `(photos, rows, length)`, of the words and of the first END.

    Returns:
        for each photo one hypothesis per row.
    """
    cut = []
    for photo_tokens, photo_logprobs in zip(tokens.tolist(), logprobs.tolist(), strict=True):
        row = []
        for ids, values in zip(photo_tokens, photo_logprobs, strict=True):
            words = ids[1:]
            length = words.index(END) if END in words else len(words)
            row.append(Hypothesis(tuple(words[:length]), tuple(values[: length + 1])))
        cut.append(row)
    return cut
