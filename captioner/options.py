"""How to speak: what a caller may ask of the decoding."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How to speak."""

    beam: int = 10  # beam width; 1 is greedy decoding
    length_penalty: float = 0.7  # a sentence's score is its log-probability / length ** this
    # How much counts, beside that score, how well it goes with the photo, see `Matching.cosines`.
    matching: float = 4.0
    min_length: int = 3  # words
    max_length: int = 24  # words; longer sentences are cut
    no_repeat_ngram: int = 3  # no run of so many words twice in a sentence; 0 allows all
    sample: bool = False  # draw words by chance instead of searching for the likeliest sentence
    temperature: float = 1.0  # of sampling: below 1 safer, above 1 bolder
    top_p: float = 0.9  # of sampling: draw from the likeliest words that hold so much together
    seed: int = 0  # of sampling
    alternatives: int = 0  # further sentences, all different, the better first
    difference: float = 0.0  # of alternatives: least share of their words that no better one says
    attention: bool = False  # also tell where the model looked at each word

    def __post_init__(self) -> None:
        """Refuse what makes no sense, naming the field and what is allowed."""
        at_least = {"beam": 1, "min_length": 0, "max_length": 1, "no_repeat_ngram": 0}
        for field, least in {**at_least, "alternatives": 0}.items():
            if getattr(self, field) < least:
                raise ValueError(f"{field} is {getattr(self, field)}; it must be at least {least}")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length is {self.min_length}, more than max_length")
        if not -10 <= self.length_penalty <= 10:
            raise ValueError(
                f"length_penalty is {self.length_penalty}; it must be at least -10 and at most 10"
            )
        if not 0 <= self.matching <= 100:
            raise ValueError(f"matching is {self.matching}; it must be at least 0 and at most 100")
        if not 0 <= self.difference <= 1:
            raise ValueError(
                f"difference is {self.difference}; it must be at least 0 and at most 1"
            )
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; it must be above 0 and finite")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")
        if not -(2**63) <= self.seed < 2**64:
            raise ValueError(f"seed is {self.seed}; it must be a number of 64 bits")


# Another sentence about a photo: bolder draws seldom make sense, and what differs in a word less is
# no news.
ANOTHER = Options(sample=True, temperature=0.6, alternatives=4, difference=0.34)
