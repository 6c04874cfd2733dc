"""How to decode: what a caller may ask of the search for sentences."""

import math
from dataclasses import dataclass

# What people may ask for; a program may ask for more. The search keeps a sentence for each of its
# alternatives; tens of thousands would take minutes and gigabytes.
LARGEST_BEAM = 20
MOST_ALTERNATIVES = 100


class OptionError(ValueError):
    """An option that makes no sense."""

    def __init__(self, field: str, reason: str) -> None:
        """Keep the option's name, and what is wrong with its value and what is allowed."""
        super().__init__(field, reason)
        self.field, self.reason = field, reason

    def __str__(self) -> str:
        """Return both."""
        return f"{self.field} {self.reason}"


@dataclass(frozen=True)
class Options:
    """How to decode."""

    beam: int = 5  # beam width; 1 is greedy decoding
    length_penalty: float = 0.7  # a sentence's score is its log-probability / length ** this
    # The weight, added to that score, of how well the sentence matches; see `Matching.cosines`.
    matching: float = 6.0
    min_length: int = 3  # words
    max_length: int = 24  # words; longer sentences are cut
    no_repeat_ngram: int = 3  # no sequence of this many words twice in a sentence; 0 allows all
    repeat_words: bool = False  # allow a word twice for nothing ("a dog and a dog"); see `language`
    sample: bool = False  # sample words instead of searching for the likeliest sentence
    temperature: float = 1.0  # of sampling: below 1 safer, above 1 bolder
    top_p: float = 0.9  # of sampling: from the likeliest words that have this probability together
    seed: int = 0  # of sampling
    alternatives: int = 0  # more sentences, all different, the better first
    difference: float = 0.0  # of alternatives: least share of their words that no better one has
    attention: bool = False  # also return the attention map of each word
    language: str | None = None  # its code in ISO 639; None: the checkpoint's own

    def __post_init__(self) -> None:
        """Refuse options that make no sense with an `OptionError`."""
        at_least = {"beam": 1, "min_length": 0, "max_length": 1, "no_repeat_ngram": 0}
        for field, least in {**at_least, "alternatives": 0}.items():
            self._check(field, getattr(self, field) >= least, f"at least {least}")
        if self.min_length > self.max_length:
            raise OptionError("min_length", f"is {self.min_length}, more than max_length")
        self._check(
            "length_penalty", -10 <= self.length_penalty <= 10, "at least -10 and at most 10"
        )
        self._check("matching", 0 <= self.matching <= 100, "at least 0 and at most 100")
        self._check("difference", 0 <= self.difference <= 1, "at least 0 and at most 1")
        self._check("temperature", 0 < self.temperature < math.inf, "above 0 and finite")
        self._check("top_p", 0 < self.top_p <= 1, "above 0 and at most 1")
        self._check("seed", -(2**63) <= self.seed < 2**64, "a number of 64 bits")

    def _check(self, field: str, right: bool, allowed: str) -> None:
        if not right:
            raise OptionError(field, f"is {getattr(self, field)}; it must be {allowed}")


# Another sentence about a photo. Bolder samples seldom make sense, and a sentence that differs by
# fewer words is not worth reading.
ANOTHER = Options(sample=True, temperature=0.6, alternatives=4, difference=0.34)
