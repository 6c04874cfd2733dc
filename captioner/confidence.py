"""How sure the model is of a caption.

A caption is called right if its own CIDEr-D against what people wrote of its photo (R. Vedantam,
C. L. Zitnick and D. Parikh, CVPR 2015) is above a threshold. Nobody has written of a stranger's
photo, but what the model thought of its words, and how well they go with the photo, is known in
every runtime and tells how likely the caption is right: by logistic regression, which `python -m
train calibrate` fits (J. Platt, *Probabilistic Outputs for Support Vector Machines*, 1999).
"""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from captioner.reranking import Hypothesis


class Features(NamedTuple):
    """What the probability of being right is told from."""

    mean: float  # mean log-probability of the words, the end among them
    length: float  # how many words, the end among them: who says more can be wrong in more
    match: float = 0.0  # how well it goes with the photo; 0 where the model cannot tell

    @classmethod
    def of(cls, said: Hypothesis) -> "Features":
        """Sum up what is known of a sentence."""
        length = len(said.logprobs)
        return cls(said.logprob / length, length, said.match or 0.0)


@dataclass(frozen=True)
class Calibration:
    """Turns what a model thought of its words into the probability that a caption is right."""

    right: float  # CIDEr-D, in percent points, above which a caption is called right
    intercept: float  # of the logit, to which the features add
    mean: float  # the weight of `Features.mean`
    length: float  # the weight of `Features.length`
    match: float = 0.0  # the weight of `Features.match`

    def __post_init__(self) -> None:
        """Refuse what is no finite number, naming the field."""
        for field, value in asdict(self).items():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"calibration: {field} is {value!r}; it must be a finite number")

    def probability(self, features: Features) -> float:
        """Return the probability that a caption is right: 0..1."""
        logit = (
            self.intercept
            + self.mean * features.mean
            + self.length * features.length
            + self.match * features.match
        )
        # The logistic function, in a form that does not overflow.
        return (1 + math.tanh(logit / 2)) / 2


def confidence(features: Features, calibration: Calibration | None) -> float:
    """Return how sure the model is of a caption: 0..1.

    Args:
        features: of the caption.
        calibration: of the model. Without one the geometric mean of the words' probabilities
            stands in: it ranks captions, and is no probability of being right.
    """
    return calibration.probability(features) if calibration else math.exp(features.mean)
