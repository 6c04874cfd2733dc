"""What every search shares: the photos that are not finished, and the network's state.

The searches use NumPy, whatever computes the network, so that they work with every runtime. They
see the likeliest words of each row only, as many as can matter.
"""

from typing import Generic

import numpy as np
import numpy.typing as npt

from captioner.decoding.word_rules import allow, forbidden
from captioner.languages.repetition import SmallWords
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Array, Candidates, Floats, Ids, Memory, Network
from captioner.vocabulary import END

ALL = 2**31 - 1  # words; a vocabulary has fewer


class Search(Generic[Array]):
    """The photos still searched, each with the same number of rows: beams, or samples."""

    def __init__(
        self,
        network: Network[Array],
        memory: Memory[Array],
        options: Options,
        small_words: SmallWords | None,
    ) -> None:
        """Start with one row for each photo of `memory`; see `generate`."""
        self.photos = np.arange(memory.start[0].shape[0])  # their indices in the batch
        self._options, self._small_words = options, small_words
        self._state = network.begin(memory)
        self._parents = self.photos[:, None]

    def step(self, history: Ids, wanted: int | None) -> tuple[Candidates, Floats]:
        """Predict the next word of each row.

        Args:
            history: `(photos, rows, 1 + words)`, START and the words so far.
            wanted: how many allowed words each row needs; None means all of them.

        Returns:
            the likeliest words of each row, and their log-probabilities, -inf where a word is not
            allowed.
        """
        never = forbidden(history, self._options, self._small_words)
        count = ALL if wanted is None else wanted + never.shape[-1]
        candidates = self._state.step(history[..., -1], self._parents, count)
        return allow(candidates, never)

    def follow(self, parents: Ids, going: npt.NDArray[np.bool_]) -> None:
        """Continue some rows of each photo, and drop the finished photos.

        Args:
            parents: `(photos, rows)`, which row of its photo each new row continues.
            going: `(photos,)`, the photos that are not finished.
        """
        first = self._parents.shape[1] * np.arange(len(parents))
        self._parents = parents + first[:, None]
        if not going.all():
            self._parents, self.photos = self._parents[going], self.photos[going]


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
