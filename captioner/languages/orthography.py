"""How captions are written: their words, capitals, commas and elisions.

English captions are learned in lower case and without commas. Other languages need both: German
tells "Junge" (boy) from "junge" (young), and has a comma before each relative clause.
"""

import re
from dataclasses import dataclass
from functools import cache

from captioner.languages import scripts
from captioner.languages.scripts import JOINER, LETTERS_AS_MARKS, NON_JOINER, SPACELESS, STACKERS

# A word keeps its inner hyphens (t-shirt). A clitic ('s, 't) is a word of its own, so that "man's"
# is "man" and a clitic. Punctuation is dropped.
_ASCII_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|'[^\W_]+")
# Apostrophes and hyphens that mean the same.
_SAME = str.maketrans(
    {"\N{RIGHT SINGLE QUOTATION MARK}": "'", "`": "'", "\N{ACUTE ACCENT}": "'"}
    | {"\N{HYPHEN}": "-", "\N{NON-BREAKING HYPHEN}": "-"}
)
# In lower case, Python keeps the dot of this capital as a mark of its own.
_DOTTED = str.maketrans({"\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}": "i"})
_INNER = "-\u00b7\u05f3\u05f4"  # hyphen, Catalan's middle dot, Hebrew's geresh and gershayim
# Arabic's short vowels and doublings, which texts for adults leave out.
_VOCALIZATION = re.compile("[\u064b-\u0652\u0670]")


def tokenize(text: str) -> list[str]:
    """Split a caption into lower-case words; see `split`."""
    return split(lowered(scripts.normalized(text)))


def lowered(text: str) -> str:
    """Return a text in lower case, without a mark of its own for the dot of Turkish's capital."""
    return text.translate(_DOTTED).lower()


def split(text: str) -> list[str]:
    """Split a caption into words as they are written; punctuation is dropped.

    A word holds its combining marks, in Unicode's form NFC. Of scripts without spaces between words
    (Chinese, Japanese, Thai, Lao, Burmese, Khmer) a character with its marks counts as a word.
    """
    text = scripts.normalized(text).translate(_SAME)
    return (_ASCII_WORD if text.isascii() else _word()).findall(text)


@dataclass(frozen=True)
class Orthography:
    """What a vocabulary keeps of how captions are written."""

    cased: bool = False  # capitals, but for the one that begins a sentence
    comma: str = ""  # the language's, which counts as a word; "" drops commas
    elided: bool = False  # French: l'homme is "l'" and "homme"
    vocalized: bool = True  # the vowels of Arabic, where a caption has them

    def words(self, text: str) -> list[str]:
        """Split a caption into the words of a vocabulary."""
        text = scripts.normalized(text).translate(_SAME)
        if not self.vocalized:
            text = _VOCALIZATION.sub("", text)
        if not self.cased:
            text = lowered(text)
        if not (self.comma or self.elided):
            return split(text)
        words = _pattern(self.elided).findall(text)
        return [self.comma if word in scripts.COMMAS else word for word in words]


PLAIN = Orthography()  # of checkpoints for one language
_EUROPEAN = Orthography(cased=True, comma=",")
_ORTHOGRAPHIES = {
    "ar": Orthography(comma="\N{ARABIC COMMA}", vocalized=False),
    "fa": Orthography(comma="\N{ARABIC COMMA}", vocalized=False),
    "fr": Orthography(cased=True, comma=",", elided=True),
    "hi": Orthography(comma=","),
    "ja": Orthography(cased=True, comma="\N{IDEOGRAPHIC COMMA}"),
    "zh": Orthography(cased=True, comma="\N{FULLWIDTH COMMA}"),
}


def written(language: str) -> Orthography:
    """Return how a language is written, by its code in ISO 639."""
    return _ORTHOGRAPHIES.get(language, _EUROPEAN)


@cache
def _pattern(elided: bool) -> re.Pattern[str]:
    letter = _letter()
    elision = rf"(?:{letter})+'(?={letter})|" if elided else ""
    return re.compile(rf"{elision}{_word().pattern}|[{scripts.COMMAS}]")


@cache
def _word() -> re.Pattern[str]:
    marks, letter = scripts.marks(), _letter()
    character = rf"(?=[{SPACELESS}])[^\W_]"
    stacked = rf"(?<=[{STACKERS}]){character}"
    return re.compile(
        rf"{character}(?:[{marks}{LETTERS_AS_MARKS}]|{stacked})*"
        rf"|(?:{letter})+(?:[{_INNER}](?:{letter})+)*|'(?:{letter})+"
    )


def _letter() -> str:
    return rf"[^\W_{SPACELESS}][{scripts.marks()}{JOINER}{NON_JOINER}]*"
