"""What was found that may be said of a photo, and what of it is said."""

import math
from dataclasses import dataclass, replace

from captioner.matching import Matching
from captioner.options import Options
from captioner.runtime.protocols import Floats


@dataclass(frozen=True)
class Hypothesis:
    """One sentence as the model said it."""

    tokens: tuple[int, ...]  # word ids, without start and end
    logprobs: tuple[float, ...]  # natural logarithm of each word's probability, the end's last
    match: float | None = None  # how well it goes with the photo, see `Matching.cosines`
    attention: Floats | None = None  # (words, regions), each row sums to 1

    @property
    def logprob(self) -> float:
        """Natural logarithm of the whole sentence's probability."""
        return math.fsum(self.logprobs)


def matched(found: list[Hypothesis], place: Floats, matching: Matching) -> list[Hypothesis]:
    """Note how well each sentence goes with a photo that lies there, see `Matching.places`."""
    cosines = matching.cosines(place, [hypothesis.tokens for hypothesis in found])
    return [replace(one, match=cosine) for one, cosine in zip(found, cosines, strict=True)]


def choose(found: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Return what is said of a photo.

    Args:
        found: as the search has them, the likeliest first; of draws, as they came.
        options: what is wanted.

    Returns:
        the sentence and then up to `options.alternatives` others, the better first.
    """
    different = list({hypothesis.tokens: hypothesis for hypothesis in found}.values())
    if options.sample:
        first, *others = different
        # The first draw stays first, so that asking for alternatives does not change it.
        different = [first, *sorted(others, key=lambda one: _score(one, options), reverse=True)]
    else:
        different = _best_first(different, options)
    return _differing(different, options.difference)[: 1 + options.alternatives]


def _differing(hypotheses: list[Hypothesis], difference: float) -> list[Hypothesis]:
    """Leave out those of whose words too many stand in one before."""
    chosen: list[Hypothesis] = []
    for hypothesis in hypotheses:
        words = set(hypothesis.tokens)
        least = difference * len(words)
        if all(len(words.difference(other.tokens)) >= least for other in chosen):
            chosen.append(hypothesis)
    return chosen


def _score(hypothesis: Hypothesis, options: Options) -> float:
    likely = hypothesis.logprob / len(hypothesis.logprobs) ** options.length_penalty
    return likely + options.matching * (hypothesis.match or 0.0)


def _best_first(hypotheses: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Put those first that are likely and go with the photo.

    What was cut, or had to end where the model would never have, stays behind, in its order.
    """

    def worth(one: Hypothesis) -> float:
        ended = len(one.logprobs) > len(one.tokens)
        return _score(one, options) if ended and one.logprob > -math.inf else -math.inf

    if not options.matching or any(one.match is None for one in hypotheses):
        return hypotheses
    return sorted(hypotheses, key=worth, reverse=True)
