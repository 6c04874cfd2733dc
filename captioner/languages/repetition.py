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

from captioner.languages.small_words import LANGUAGES, Language
from captioner.vocabulary import SPECIAL, Vocabulary


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
            np.array([w.lower() in known.small or w in SPECIAL for w in vocabulary.words]),
            np.array([w.lower() in known.linking for w in vocabulary.words]),
        )
