"""Words to ids and back, and sentences from words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache

from captioner import scripts
from captioner.scripts import JOINER, LETTERS_AS_MARKS, NON_JOINER, SPACELESS, STACKERS

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")

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


def tokenize(text: str) -> list[str]:
    """Split a caption into lower-case words; see `split`."""
    return split(scripts.normalized(text).translate(_DOTTED).lower())


def split(text: str) -> list[str]:
    """Split a caption into words as they are written; punctuation is dropped.

    A word holds its combining marks, in Unicode's form NFC. Of scripts without spaces between words
    (Chinese, Japanese, Thai, Lao, Burmese, Khmer) a character with its marks counts as a word.
    """
    text = scripts.normalized(text).translate(_SAME)
    return (_ASCII_WORD if text.isascii() else _word()).findall(text)


@cache
def _word() -> re.Pattern[str]:
    marks = scripts.marks()
    character = rf"(?=[{SPACELESS}])[^\W_]"
    stacked = rf"(?<=[{STACKERS}]){character}"
    letter = rf"[^\W_{SPACELESS}][{marks}{JOINER}{NON_JOINER}]*"
    return re.compile(
        rf"{character}(?:[{marks}{LETTERS_AS_MARKS}]|{stacked})*"
        rf"|(?:{letter})+(?:[{_INNER}](?:{letter})+)*|'(?:{letter})+"
    )


class Vocabulary:
    """The words that a model can generate, each with its id; the first four are `SPECIAL`."""

    def __init__(self, words: Sequence[str]) -> None:
        """Take all words in the order of their ids, `SPECIAL` first."""
        if tuple(words[: len(SPECIAL)]) != SPECIAL:
            raise ValueError(f"a vocabulary starts with {', '.join(SPECIAL)}")
        if len(set(words)) != len(words):
            raise ValueError("a vocabulary holds each word once")
        self.words = tuple(words)
        self._ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def build(cls, captions: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Collect the words used at least `min_count` times, the most frequent first."""
        counts = Counter(word for caption in captions for word in tokenize(caption))
        frequent = [word for word, count in counts.items() if count >= min_count]
        return cls((*SPECIAL, *sorted(frequent, key=lambda word: (-counts[word], word))))

    def __len__(self) -> int:
        """Count the words, `SPECIAL` included."""
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Turn a caption into ids, without start and end; an unknown word becomes `UNKNOWN`."""
        return [self._ids.get(word, UNKNOWN) for word in tokenize(text)]

    def spell(self, ids: Iterable[int]) -> list[str]:
        """Turn ids into words as they are in the vocabulary, without the special ones."""
        return [self.words[index] for index in ids if index >= len(SPECIAL)]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a sentence: words joined, a capital letter, a full stop.

        Spaces and full stops are those of the script; see `captioner.scripts`.
        """
        text = scripts.joined(self.spell(ids))
        # In title case, which is that of a first letter where capitals are more than one kind.
        return f"{text[:1].title()}{text[1:]}{scripts.full_stop(text)}" if text else ""
