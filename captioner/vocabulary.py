"""Words to ids and back, and sentences from words."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")

# A word keeps its inner hyphens (t-shirt). A clitic ('s, 't) is a word of its own, so that "man's"
# is "man" and a clitic. Punctuation is dropped.
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|'[^\W_]+")
_APOSTROPHES = str.maketrans({"\N{RIGHT SINGLE QUOTATION MARK}": "'", "`": "'"})


def tokenize(text: str) -> list[str]:
    """Split a caption into lower-case words; punctuation is dropped."""
    return _WORD.findall(text.lower().translate(_APOSTROPHES))


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
        """Turn ids into a sentence: clitics joined, a capital letter, a full stop."""
        text = re.sub(r" (?=')", "", " ".join(self.spell(ids)))
        return f"{text[:1].upper()}{text[1:]}." if text else ""
