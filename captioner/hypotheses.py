"""What was found that may be said of a photo, and what of it is said."""

import math
from dataclasses import dataclass

from captioner.consensus import most_agreed
from captioner.network import Floats
from captioner.options import Options


@dataclass(frozen=True)
class Hypothesis:
    """One sentence as the model said it."""

    tokens: tuple[int, ...]  # word ids, without start and end
    logprobs: tuple[float, ...]  # natural logarithm of each word's probability, the end's last
    attention: Floats | None = None  # (words, regions), each row sums to 1

    @property
    def logprob(self) -> float:
        """Natural logarithm of the whole sentence's probability."""
        return math.fsum(self.logprobs)


def choose(found: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Return what is said of a photo.

    Args:
        found: as the search has them, the best first; of draws, as they came.
        options: what is wanted.

    Returns:
        the sentence and then up to `options.alternatives` others, the better first.
    """
    different = list({hypothesis.tokens: hypothesis for hypothesis in found}.values())
    if options.sample:
        # The first draw stays first, so that asking for alternatives does not change it.
        first, *others = different
        different = [first, *sorted(others, key=lambda one: _score(one, options), reverse=True)]
    elif options.consensus:
        different = _agreed_first(different, options)
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
    return hypothesis.logprob / len(hypothesis.logprobs) ** options.length_penalty


def _agreed_first(hypotheses: list[Hypothesis], options: Options) -> list[Hypothesis]:
    """Put the sentence first that the others speak for; these stay in their order.

    What was cut, or had to end where the model would never have, neither stands nor votes.
    """
    ended = [
        one for one in hypotheses if len(one.logprobs) > len(one.tokens) and one.logprob > -math.inf
    ]
    if not ended:
        return hypotheses
    scores = [_score(hypothesis, options) for hypothesis in ended]
    chosen = ended[most_agreed([hypothesis.tokens for hypothesis in ended], scores)]
    return [chosen, *(hypothesis for hypothesis in hypotheses if hypothesis is not chosen)]
