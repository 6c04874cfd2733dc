"""Languages that captions are written in, and what the rule against repeated words needs of each.

A caption repeats a word for nothing where a word comes again with nothing but small words in
between: "a dog and a dog", "a boat in front of a boat", "in a kitchen kitchen". Another word that
carries meaning gives the repetition a purpose: "a man washes another man".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

from captioner.vocabulary import SPECIAL, Vocabulary


@dataclass(frozen=True)
class Language:
    """Words of a language, in lower case, as `vocabulary.tokenize` returns them."""

    small: frozenset[str]  # articles, prepositions and the like: what may stand between repetitions
    # The small words that, alone between a word and itself, say something: "side by side".
    linking: frozenset[str]


# fmt: off
ENGLISH = Language(
    small=frozenset((
        # Articles, and words that point or count as articles do; "another" tells two things apart.
        "a", "an", "the", "this", "that", "these", "those", "some", "both", "all", "several",
        "many", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        # Conjunctions that join words; those that join clauses ("while") begin a new statement.
        "and", "or",
        # Prepositions and particles. "Front" is one for the sake of "in front of".
        "about", "above", "across", "against", "along", "among", "around", "at", "behind",
        "below", "beneath", "beside", "between", "by", "down", "during", "for", "from", "front",
        "in", "inside", "into", "near", "next", "of", "off", "on", "onto", "out", "outside",
        "over", "past", "through", "to", "toward", "towards", "under", "underneath", "up", "upon",
        "with", "within", "without",
        # Forms of "to be" and "to have".
        "is", "are", "was", "were", "be", "being", "been", "am", "'s", "has", "have", "having",
        # Pronouns.
        "he", "him", "his", "she", "her", "hers", "it", "its", "they", "them", "their", "who",
        "which", "there",
    )),
    linking=frozenset(("by", "to")),
)
# fmt: on

# By the code that a checkpoint carries (ISO 639-1). Captions in a language that is not here may
# repeat words, and nothing is counted: in some, doubled words are correct.
LANGUAGES = {"en": ENGLISH}


def repeats_word(words: Sequence[str], language: Language) -> bool:
    """Return whether a caption repeats a word for nothing."""
    content = [place for place, word in enumerate(words) if word not in language.small]
    return any(
        words[before] == words[place] and not _linked(words[before + 1 : place], language)
        for before, place in pairwise(content)
    )


def _linked(between: Sequence[str], language: Language) -> bool:
    return len(between) == 1 and between[0] in language.linking


@dataclass(frozen=True, eq=False)
class SmallWords:
    """The words of a `Language` as ids of a vocabulary; each array is `(vocabulary,)`."""

    small: npt.NDArray[np.bool_]  # the special words are small too
    linking: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, vocabulary: Vocabulary, language: str) -> Self | None:
        """Find the small words of a vocabulary; None if the language is not in `LANGUAGES`."""
        known = LANGUAGES.get(language)
        if known is None:
            return None
        return cls(
            np.array([word in known.small or word in SPECIAL for word in vocabulary.words]),
            np.array([word in known.linking for word in vocabulary.words]),
        )
