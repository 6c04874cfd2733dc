"""How likely a caption is right.

A caption is called right if its own CIDEr-D against the captions that people wrote for its photo
(R. Vedantam, C. L. Zitnick and D. Parikh, CVPR 2015) is above a threshold. Nobody has captioned a
stranger's photo, but the probabilities of the words and their match with the photo are known in
every runtime. A logistic regression on them predicts whether the caption is right (J. Platt,
*Probabilistic Outputs for Support Vector Machines*, 1999); `python -m train calibrate` fits it.
"""

import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from captioner.reranking import Hypothesis

# A caption that is twice as likely to be wrong as right is unsure. That is about a fifth of the
# captions of Flickr8k's validation photos, which score less than half the CIDEr of the others;
# `python -m train calibrate` prints both figures.
UNSURE = 1 / 3
# A caption that is more likely to be wrong than right gets a second opinion.
DOUBTFUL = 1 / 2


class Features(NamedTuple):
    """The inputs of the logistic regression."""

    mean: float  # mean log-probability of the words, including the end
    length: float  # number of words, including the end: a longer sentence is wrong more often
    match: float = 0.0  # how well it matches the photo; 0 if the checkpoint has no `Matching`

    @classmethod
    def of(cls, sentence: Hypothesis) -> "Features":
        """Compute the features of a sentence."""
        length = len(sentence.logprobs)
        return cls(sentence.logprob / length, length, sentence.match or 0.0)


@dataclass(frozen=True)
class Calibration:
    """The logistic regression: the weights of the features."""

    right: float  # CIDEr-D, in percent points, above which a caption is called right
    intercept: float  # of the logit
    mean: float  # the weight of `Features.mean`
    length: float  # the weight of `Features.length`
    match: float = 0.0  # the weight of `Features.match`

    def __post_init__(self) -> None:
        """Refuse values that are not finite numbers, and name their field."""
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
    """Return the confidence in a caption: 0..1.

    Args:
        features: of the caption.
        calibration: of the model. Without one, the confidence is the geometric mean of the words'
            probabilities, which ranks captions but is not the probability that one is right.
    """
    return calibration.probability(features) if calibration else math.exp(features.mean)
