"""Whether a caption already speaks of the thing that a name is of, in each language.

In English that is the last word of the name, or of a wider one. In other languages the table of
names (`captioner.naming.local_names`) has the beginnings of such words, whatever their inflection.
"""

import re
from collections.abc import Sequence

from captioner.languages.orthography import tokenize
from captioner.languages.scripts import is_spaceless
from captioner.languages.small_words import ARABIC_ENDINGS
from captioner.result import NamedObject

# Captions have other words than names for some things.
SAME = {
    "airplane": "plane",
    "bike": "bicycle",
    "couch": "sofa",
    "kitten": "cat",
    "puppie": "dog",
    "puppy": "dog",
}
WHOLE = "="  # before a noun that is a whole word, because other words begin with it
# Arabic writes "and", prepositions and the article as parts of the next word. Short nouns begin
# other words, unless what follows is an ending.
_PREFIXES = re.compile("[\u0648\u0641]?[\u0628\u0643\u0644]?(?:\u0627\u0644|\u0644)?(?=..)")
SHORT = 4


def mentions(words: Sequence[str], named: NamedObject, language: str) -> list[int]:
    """Return the places of the words of a caption that speak of a thing, or of its kind."""
    if named.local:
        nouns = (*named.local.nouns, *named.local.wider)
        return [place for place, word in enumerate(words) if _begins(words, place, nouns, language)]
    known = _nouns(named)
    return [place for place, word in enumerate(words) if _common(word) in known]


def _begins(words: Sequence[str], place: int, nouns: Sequence[str], language: str) -> bool:
    """Return whether one of the nouns is the word at a place, in any inflection."""
    if is_spaceless(words[place][:1]):  # each character is a word
        return any("".join(words[place : place + len(noun)]) == noun for noun in nouns)
    word = words[place]
    if language == "ar":
        bare = _PREFIXES.match(word)
        assert bare is not None  # it matches nothing, too
        return any(_is_arabic(one, nouns) for one in {word, word[bare.end() :]})
    return word.startswith(tuple(nouns)) or f"{WHOLE}{word}" in nouns


def _is_arabic(word: str, nouns: Sequence[str]) -> bool:
    """Return whether a word without its prefixes is one of the nouns."""
    return f"{WHOLE}{word}" in nouns or any(
        word.startswith(noun) and (len(noun) > SHORT or word[len(noun) :] in ("", *ARABIC_ENDINGS))
        for noun in nouns
    )


def _nouns(named: NamedObject) -> frozenset[str]:
    """Return the words that a caption may have for a thing: a golden retriever is a dog."""
    parts = re.split(" or | and ", " or ".join((named.name, *named.kinds)))
    # "A bird of prey" is a bird; of other names the last word is the noun.
    return frozenset(_common(tokenize(re.split(" of | on ", part)[0])[-1]) for part in parts)


def says(words: Sequence[str], named: NamedObject, language: str) -> bool:
    """Return whether a caption already has every word of a name."""
    if named.local:
        nouns = named.local.nouns
        return any(_begins(words, place, nouns, language) for place in range(len(words)))
    name = {_common(word) for word in tokenize(named.name)} - {"a", "an"}
    return name <= set(map(_common, words))


def _common(word: str) -> str:
    singular = word.removesuffix("s")
    return SAME.get(singular, singular)
