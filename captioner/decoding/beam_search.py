"""Beam search over a whole batch of photos."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from captioner.decoding.search import Search, hypotheses
from captioner.decoding.top_k import pick, top_k
from captioner.decoding.word_rules import forbid
from captioner.language import SmallWords
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Array, Floats, Ids, Memory, Network
from captioner.vocabulary import END, START

# The score of the likeliest sentence that was cut at the longest length; the nth gets n times this.
# It is below the score of every sentence that the network ended, which is minus some thousands at
# worst, and above that of a sentence forced to end (`FORCED_END`) under common length penalties.
CUT = -1e25


@dataclass(frozen=True)
class Beams:
    """The beginnings of sentences, `k` for each photo, the likeliest first."""

    tokens: Ids  # (photos, k, 1 + length), START and the words
    logprobs: Floats  # (photos, k, length), of each word
    scores: Floats  # (photos, k), their sums; -inf where a photo has fewer beams
    parents: Ids  # (photos, k), which beams of the last step they continue

    @classmethod
    def start(cls, photos: int, k: int) -> Self:
        """Return the beams before the first word; they are all the same, so only one counts."""
        scores = np.full((photos, k), -np.inf, np.float32)
        scores[:, 0] = 0
        return cls(
            tokens=np.full((photos, k, 1), START),
            logprobs=np.zeros((photos, k, 0), np.float32),
            scores=scores,
            parents=np.zeros((photos, k), np.int64),
        )

    @property
    def history(self) -> Ids:
        """START and the words so far, row by row: `(photos * k, 1 + length)`."""
        return self.tokens.reshape(-1, self.tokens.shape[-1])

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Whether the last word is the end: `(photos, k)`."""
        return self.tokens[:, :, -1] == END

    def extend(self, logprobs: Floats, allowed: Floats) -> "Beams":
        """Return the 2k likeliest beams of each photo that are one word longer.

        At most k of them end, one for each earlier beam, so that k unfinished ones are left.

        Args:
            logprobs: `(photos * k, vocabulary)`, of the next word.
            allowed: the same after `forbid`.
        """
        (_, k), vocabulary = self.scores.shape, allowed.shape[1]
        totals = (self.scores.reshape(-1, 1) + allowed).reshape(-1, k * vocabulary)
        scores, index = top_k(totals, 2 * k)
        parents, words = np.divmod(index, vocabulary)
        added = pick(logprobs.reshape(-1, k * vocabulary), index)
        return Beams(
            tokens=np.concatenate((pick(self.tokens, parents), words[..., None]), -1),
            logprobs=np.concatenate((pick(self.logprobs, parents), added[..., None]), -1),
            scores=scores,
            parents=parents,
        )

    def unfinished(self, k: int) -> "Beams":
        """Return the `k` likeliest beams that did not end."""
        scores, index = top_k(np.where(self.ended, np.float32(-np.inf), self.scores), k)
        tokens, logprobs = pick(self.tokens, index), pick(self.logprobs, index)
        return Beams(tokens, logprobs, scores, pick(self.parents, index))

    def of(self, photos: npt.NDArray[np.bool_]) -> "Beams":
        """Return the beams of some photos: `(photos,)`."""
        return Beams(
            self.tokens[photos], self.logprobs[photos], self.scores[photos], self.parents[photos]
        )


class Finished:
    """The best finished sentences of each photo, scored by log-probability and length."""

    def __init__(self, photos: int, kept: int, max_length: int) -> None:
        """Keep up to `kept` sentences of each photo; there are none yet."""
        self.scores = np.full((photos, kept), -np.inf, np.float32)  # the best first
        self._tokens = np.full((photos, kept, max_length + 1), END)
        self._logprobs = np.zeros((photos, kept, max_length), np.float32)

    def add(self, photos: Ids, scores: Floats, tokens: Ids, logprobs: Floats) -> None:
        """Merge sentences into those of their photos.

        Args:
            photos: `(searched,)`, their indices.
            scores: `(searched, k)`; -inf where there is no finished sentence.
            tokens: `(searched, k, 1 + length)`.
            logprobs: `(searched, k, length)`.
        """
        (searched, k, length), (_, kept, max_length) = logprobs.shape, self._logprobs.shape
        padded = np.full((searched, k, max_length + 1), END)
        padded[..., : length + 1] = tokens
        padded_logprobs = np.zeros((searched, k, max_length), np.float32)
        padded_logprobs[..., :length] = logprobs
        all_scores = np.concatenate((self.scores[photos], scores), 1)
        all_tokens = np.concatenate((self._tokens[photos], padded), 1)
        all_logprobs = np.concatenate((self._logprobs[photos], padded_logprobs), 1)
        self.scores[photos], best = top_k(all_scores, kept)
        self._tokens[photos] = pick(all_tokens, best)
        self._logprobs[photos] = pick(all_logprobs, best)

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Return the sentences of each photo, the best first."""
        found = hypotheses(self._tokens, self._logprobs)
        return [
            [sentence for sentence, score in zip(row, scores, strict=True) if score > -math.inf]
            for row, scores in zip(found, self.scores.tolist(), strict=True)
        ]


def beam_search(
    network: Network[Array],
    memory: Memory[Array],
    options: Options,
    k: int,
    small_words: SmallWords | None = None,
) -> list[list[Hypothesis]]:
    """Continue the `k` likeliest beginnings of each photo, and set aside those that end.

    The search of a photo is over when `k` sentences are better than any that may still come. Twice
    as many are kept, so that there are more to choose from.

    Returns:
        for each photo up to 2k sentences, the best first by log-probability and length.
    """
    search = Search(network, memory, k)
    beams = Beams.start(len(search.photos), k)
    finished = Finished(len(search.photos), 2 * k, options.max_length)
    for length in range(1, options.max_length + 1):
        logprobs, _ = search.step(beams.history[:, -1])
        longer = beams.extend(logprobs, forbid(logprobs, beams.history, options, small_words))
        scale = np.float32(length**options.length_penalty)
        if longer.ended[:, :k].any():
            scores = np.where(longer.ended, longer.scores / scale, -np.inf)[:, :k]
            finished.add(search.photos, scores, longer.tokens[:, :k], longer.logprobs[:, :k])
        beams = longer.unfinished(k)
        going = beams.scores[:, 0] / scale > finished.scores[search.photos, k - 1]
        if not going.any():
            break
        if length == options.max_length:
            rank = np.arange(1, k + 1, dtype=np.float32)
            scores = np.where(beams.scores > -np.inf, CUT * rank, beams.scores)
            finished.add(search.photos, scores, beams.tokens, beams.logprobs)
            break
        search.reorder(beams.parents)
        search.keep(going)
        beams = beams.of(going)
    return finished.hypotheses()
