"""Beam search over a whole batch of photos."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from captioner.decoding.search import Search, hypotheses
from captioner.decoding.top_k import pick, top_k
from captioner.languages.repetition import SmallWords
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Array, Candidates, Floats, Ids, Memory, Network
from captioner.vocabulary import END, START

# The score of the likeliest sentence that was cut at the longest length; the nth gets n times this.
# It is below the score of every sentence that the network ended, which is minus some thousands at
# worst, and above that of a sentence forced to end (`FORCED_END`) under common length penalties.
CUT = -1e25


@dataclass(frozen=True)
class Extensions:
    """The likeliest words after the beams of each photo, the likeliest sentence first."""

    words: Ids  # (photos, count)
    logprobs: Floats  # (photos, count), of the words
    scores: Floats  # (photos, count), of the sentences; -inf where a photo has fewer
    parents: Ids  # (photos, count), the beams that the words continue

    @property
    def ended(self) -> npt.NDArray[np.bool_]:
        """Whether the sentence is over: `(photos, count)`."""
        return self.words == END

    def first(self, count: int) -> "Extensions":
        """Return the likeliest."""
        words, logprobs, scores, parents = self.words, self.logprobs, self.scores, self.parents
        return Extensions(
            words[:, :count], logprobs[:, :count], scores[:, :count], parents[:, :count]
        )

    def unfinished(self, count: int) -> "Extensions":
        """Return the likeliest that did not end."""
        ended = self.ended
        if not ended.any():
            return self.first(count)
        index = ended.argsort(1, kind="stable")[:, :count]
        scores = np.where(ended, np.float32(-np.inf), self.scores)
        return Extensions(
            *(pick(part, index) for part in (self.words, self.logprobs, scores, self.parents))
        )


@dataclass(frozen=True)
class Beams:
    """The beginnings of sentences, `k` for each photo, the likeliest first; at first only one."""

    tokens: Ids  # (photos, k, 1 + length), START and the words
    logprobs: Floats  # (photos, k, length), of each word
    scores: Floats  # (photos, k), their sums; -inf where a photo has fewer beams

    @classmethod
    def start(cls, photos: int) -> Self:
        """Return the one beam of each photo before the first word."""
        return cls(
            tokens=np.full((photos, 1, 1), START),
            logprobs=np.zeros((photos, 1, 0), np.float32),
            scores=np.zeros((photos, 1), np.float32),
        )

    def extensions(self, candidates: Candidates, allowed: Floats, count: int) -> Extensions:
        """Return the `count` likeliest sentences of each photo that are one word longer.

        Args:
            candidates: for the next word; `count` of each beam are allowed, or all that exist.
            allowed: their log-probabilities, -inf where a word is not allowed.
            count: how many sentences of each photo to return.
        """
        photos, _, words = allowed.shape
        totals = (self.scores[..., None] + allowed).reshape(photos, -1)
        scores, index = top_k(totals, count)
        ids, logprobs = (pick(part.reshape(photos, -1), index) for part in candidates)
        return Extensions(ids, logprobs, scores, index // words)

    def extended(self, by: Extensions) -> "Beams":
        """Return the beams that are one word longer."""
        tokens, logprobs = pick(self.tokens, by.parents), pick(self.logprobs, by.parents)
        return Beams(
            np.concatenate((tokens, by.words[..., None]), -1),
            np.concatenate((logprobs, by.logprobs[..., None]), -1),
            by.scores,
        )

    def of(self, photos: npt.NDArray[np.bool_]) -> "Beams":
        """Return the beams of some photos: `(photos,)`."""
        if photos.all():
            return self
        return Beams(self.tokens[photos], self.logprobs[photos], self.scores[photos])


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
    search = Search(network, memory, options, small_words)
    beams = Beams.start(len(search.photos))
    finished = Finished(len(search.photos), 2 * k, options.max_length)
    for length in range(1, options.max_length + 1):
        # At most k of 2k sentences end, one for each beam, so that k unfinished ones are left.
        found = beams.extensions(*search.step(beams.tokens, 2 * k), 2 * k)
        scale = np.float32(length**options.length_penalty)
        likeliest = found.first(k)
        if likeliest.ended.any():
            scores = np.where(likeliest.ended, likeliest.scores / scale, -np.inf)
            ended = beams.extended(likeliest)
            finished.add(search.photos, scores, ended.tokens, ended.logprobs)
        unfinished = found.unfinished(k)
        beams = beams.extended(unfinished)
        going = beams.scores[:, 0] / scale > finished.scores[search.photos, k - 1]
        if not going.any():
            break
        if length == options.max_length:
            rank = np.arange(1, k + 1, dtype=np.float32)
            scores = np.where(beams.scores > -np.inf, CUT * rank, beams.scores)
            finished.add(search.photos, scores, beams.tokens, beams.logprobs)
            break
        search.follow(unfinished.parents, going)
        beams = beams.of(going)
    return finished.hypotheses()
