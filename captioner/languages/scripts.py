"""What the scripts of the world need of words: marks, invisible characters, spaces, full stops.

Ranges of code points stand for scripts, because Python's library does not tell a letter's script.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

# Scripts without spaces between words: those whose lines break between any two characters (ID in
# Unicode's annex 14: Chinese, Japanese) or by a dictionary (SA: Thai, Lao, Burmese, Khmer, Tai).
SPACELESS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf\U00011700-\U0001174f"  # Tai scripts
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"  # radicals, numerals
    "\u3041-\u30ff\u31f0-\u31ff\U0001b000-\U0001b16f"  # kana
    "\u3105-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
_SPACELESS = re.compile(f"[{SPACELESS}]")

# Vowels that Unicode counts as letters, though they are written on the letter before them.
LETTERS_AS_MARKS = "\u0e33\u0eb3"
# After these the next letter is written below its neighbour, and is one character with it.
STACKERS = "\u1039\u17d2\u1a60"

COMMAS = ",\N{FULLWIDTH COMMA}\N{IDEOGRAPHIC COMMA}\N{ARABIC COMMA}"

_TIBETAN = re.compile("[\u0f00-\u0fff]")
_TSHEG = "\u0f0b"  # between the syllables of Tibetan, where others have a space between words

# How sentences end, by the script of the last letter; elsewhere with a dot.
_FULL_STOPS = (
    ("\u0530-\u058f", "\u0589"),  # Armenian
    ("\u0900-\u0a7f\u0b00-\u0b7f", "\u0964"),  # Devanagari, Bengali, Gurmukhi, Odia
    ("\u0e00-\u0eff", ""),  # Thai and Lao, with nothing
    ("\u0f00-\u0fff", "\u0f0d"),  # Tibetan
    ("\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f", "\u104b"),  # Burmese
    ("\u1200-\u139f\u2d80-\u2ddf", "\u1362"),  # Ethiopic
    ("\u1780-\u17ff", "\u17d4"),  # Khmer
    ("\u2e80-\u30ff\u3105-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0003ffff", "\u3002"),
)

# Forms of letters that old encodings and PDFs have: ligatures, Arabic by position, full width.
_COMPATIBLE = re.compile("[\ufb00-\ufdff\ufe70-\ufefc\uff01-\uffee]+")
# Soft hyphens, marks of direction, Arabic's stretching line, selectors of emoji and the like: what
# may stand inside a word and is no part of it.
_INVISIBLE = "\u00ad\u034f\u061c\u0640\u200e\u200f\u202a-\u202e\u2060-\u2069\ufe0e\ufe0f\ufeff"
NON_JOINER, JOINER = "\u200c", "\u200d"

# Latin letters, with those that carry accents.
_LATIN = re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]")
_LAST_MARK = 0x1E94A  # of Unicode 15, except for the selectors of variants of Han characters


@cache
def marks() -> str:
    """Return the combining marks, as ranges for a class of regular expressions."""
    found: list[list[int]] = []
    for point in (*range(0x300, _LAST_MARK + 1), *range(0xE0100, 0xE01F0)):
        if unicodedata.category(chr(point)) not in ("Mn", "Mc"):
            continue
        if found and found[-1][1] == point - 1:
            found[-1][1] = point
        else:
            found.append([point, point])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


def normalized(text: str) -> str:
    """Return a text in Unicode's form NFC, in which equal words are equal strings.

    Compatible forms of letters become the letters, and invisible characters are removed; the joiner
    and the non-joiner stay where a script needs them (RFC 5892, appendices A.1 and A.2): after a
    virama of an Indian script, and the non-joiner between Arabic letters, as Persian has it.
    """
    if text.isascii():
        return text
    text = _COMPATIBLE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return unicodedata.normalize("NFC", _useless().sub("", text))


def is_spaceless(character: str) -> bool:
    """Return whether a character is of a script without spaces between words."""
    return not character.isascii() and _SPACELESS.match(character) is not None


def is_latin(letter: str) -> bool:
    """Return whether a letter is Latin; with or without an accent, but not as two characters."""
    return _LATIN.match(letter) is not None


def joined(words: Sequence[str]) -> str:
    """Join words as their scripts are written: with spaces, without, or with Tibetan's dots.

    A word that begins with an apostrophe is a clitic, and stands close to the word before it; so
    does a comma, and a word after one that ends with an apostrophe.
    """
    text = ""
    for word in words:
        text += _between(text[-1:], word[:1]) + word
    return text


def full_stop(text: str) -> str:
    """Return what ends a sentence in the script of its last letter that is not ASCII."""
    for letter in reversed(text):
        if not letter.isascii() and letter.isalpha():
            stops = (stop for letters, stop in _FULL_STOPS if re.match(f"[{letters}]", letter))
            return next(stops, ".")
    return "."


def _between(before: str, after: str) -> str:
    if not before or before == "'" or after in ("'", *COMMAS):
        return ""
    if is_spaceless(before) or is_spaceless(after):
        return ""
    return _TSHEG if _TIBETAN.match(before) and _TIBETAN.match(after) else " "


@cache
def _useless() -> re.Pattern[str]:
    """Match the invisible characters, and joiners where no script needs them."""
    viramas = "".join(chr(c) for c in range(0x900, 0x11E00) if unicodedata.combining(chr(c)) == 9)
    arabic = "\u0600-\u07bf\u08a0-\u08ff"  # with Syriac and Thaana, whose letters are joined too
    needed = rf"(?:(?<=[{viramas}])(?=.[^\W_])|(?<=[{arabic}])(?=.[{arabic}]))"
    return re.compile(rf"[{_INVISIBLE}]|(?<![{viramas}]){JOINER}|(?!{needed}){NON_JOINER}")
