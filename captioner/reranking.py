"""Which of the candidates that a search returns becomes the caption."""

import math
from dataclasses import dataclass, replace

from captioner.matching import Matching
from captioner.options import Options
from captioner.runtime.protocols import Floats


@dataclass(frozen=True)
class Hypothesis:
    """One sentence that the model generated."""

    tokens: tuple[int, ...]  # word ids, without start and end
    logprobs: tuple[float, ...]  # natural logarithm of each word's probability, the end's last
    match: float | None = None  # how well it matches the photo; see `Matching.cosines`
    attention: Floats | None = None  # (words, regions), each row sums to 1

    @property
    def logprob(self) -> float:
        """Natural logarithm of the whole sentence's probability."""
        return math.fsum(self.logprobs)


def matched(
    candidates: list[Hypothesis], embedding: Floats, matching: Matching
) -> list[Hypothesis]:
    """Record how well each candidate matches its photo; `embedding` is the photo's, `(size,)`."""
    cosines = matching.cosines(embedding, [candidate.tokens for candidate in candidates])
    return [replace(one, match=cosine) for one, cosine in zip(candidates, cosines, strict=True)]


def choose(candidates: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Choose a photo's caption and its alternatives.

    Args:
        candidates: of a search, the likeliest first; samples, in the order in which they came.
        options: how many alternatives there may be, and how much the match counts.

    Returns:
        the caption and then up to `options.alternatives` others, the better first.
    """
    different = list({candidate.tokens: candidate for candidate in candidates}.values())
    if options.sample:
        first, *others = different
        # The first sample stays first, so that asking for alternatives does not change it.
        different = [first, *sorted(others, key=lambda one: _score(one, options), reverse=True)]
    else:
        different = _best_first(different, options)
    if not options.alternatives:
        return different[:1]
    return _differing(different, options.difference)[: 1 + options.alternatives]


def _differing(candidates: list[Hypothesis], difference: float) -> list[Hypothesis]:
    """Leave out candidates that share too many words with a better one."""
    chosen: list[Hypothesis] = []
    for candidate in candidates:
        words = set(candidate.tokens)
        least = difference * len(words)
        if all(len(words.difference(other.tokens)) >= least for other in chosen):
            chosen.append(candidate)
    return chosen


def _score(candidate: Hypothesis, options: Options) -> float:
    likely = candidate.logprob / len(candidate.logprobs) ** options.length_penalty
    return likely + options.matching * (candidate.match or 0.0)


def _best_first(candidates: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Sort candidates by likelihood and match.

    Sentences that were cut, or forced to end although the network rules that out, stay last, in
    their order.
    """

    def score(one: Hypothesis) -> float:
        ended = len(one.logprobs) > len(one.tokens)
        return _score(one, options) if ended and one.logprob > -math.inf else -math.inf

    if not options.matching or any(one.match is None for one in candidates):
        return candidates
    return sorted(candidates, key=score, reverse=True)
