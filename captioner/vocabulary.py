"""Words to ids and back, and sentences from words."""

from collections import Counter
from collections.abc import Iterable, Sequence

from captioner.languages import scripts
from captioner.languages.orthography import PLAIN, Orthography, lowered

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unk>")

# Of the uses of a word, the share below which a way to write it, such as all in capitals, is a
# mistake. In German captions, "junge" is a tenth of "Junge" and "junge" where it is one.
MISTAKE = 0.1


class Vocabulary:
    """The words that a model can generate, each with its id; the first four are `SPECIAL`."""

    def __init__(self, words: Sequence[str], orthography: Orthography = PLAIN) -> None:
        """Take all words in the order of their ids, `SPECIAL` first.

        Args:
            words: where one is written in several ways, the most frequent first.
            orthography: what the words keep of how captions are written.
        """
        if tuple(words[: len(SPECIAL)]) != SPECIAL:
            raise ValueError(f"a vocabulary starts with {', '.join(SPECIAL)}")
        if len(set(words)) != len(words):
            raise ValueError("a vocabulary holds each word once")
        self.words = tuple(words)
        self.orthography = orthography
        self._ids = {word: index for index, word in enumerate(self.words)}
        # By the word in lower case, the most frequent way to write it.
        self._likeliest: dict[str, int] = {}
        if orthography.cased:
            for index, word in enumerate(self.words):
                self._likeliest.setdefault(lowered(word), index)

    @classmethod
    def build(
        cls, captions: Iterable[str], min_count: int = 1, orthography: Orthography = PLAIN
    ) -> "Vocabulary":
        """Collect the words used at least `min_count` times, the most frequent first."""
        split = map(orthography.words, captions)
        counts = (
            _cased(split) if orthography.cased else Counter(w for words in split for w in words)
        )
        frequent = [word for word, count in counts.items() if count >= min_count]
        words = (*SPECIAL, *sorted(frequent, key=lambda word: (-counts[word], word)))
        return cls(words, orthography)

    def __len__(self) -> int:
        """Count the words, `SPECIAL` included."""
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Turn a caption into ids, without start and end; an unknown word becomes `UNKNOWN`."""
        words = self.orthography.words(text)
        if not self.orthography.cased:
            return [self._ids.get(word, UNKNOWN) for word in words]
        return [self._cased_id(word, first=place == 0) for place, word in enumerate(words)]

    def spell(self, ids: Iterable[int]) -> list[str]:
        """Turn ids into words as they are in the vocabulary, without the special ones."""
        return [self.words[index] for index in ids if index >= len(SPECIAL)]

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a sentence: words joined, a capital letter, a full stop.

        Spaces and full stops are those of the script; see `captioner.languages.scripts`.
        """
        text = scripts.joined(self.spell(ids))
        # In title case, which is that of a first letter where capitals are more than one kind.
        return f"{text[:1].title()}{text[1:]}{scripts.full_stop(text)}" if text else ""

    def _cased_id(self, word: str, *, first: bool) -> int:
        # The capital of a sentence's first word says nothing, and some people write none at all.
        found = None if first else self._ids.get(word)
        return self._likeliest.get(lowered(word), UNKNOWN) if found is None else found


def _cased(captions: Iterable[Sequence[str]]) -> Counter[str]:
    """Count words by how they are written within sentences; a rare way is a mistake."""
    within: dict[str, Counter[str]] = {}
    first: Counter[str] = Counter()
    for words in captions:
        first.update(map(lowered, words[:1]))
        for word in words[1:]:
            within.setdefault(lowered(word), Counter())[word] += 1
    counts: Counter[str] = Counter()
    for word in within.keys() | first.keys():
        ways = within.get(word) or Counter({word: 0})
        every = ways.total()
        kept = {way: count for way, count in ways.items() if count >= MISTAKE * every}
        likeliest = min(kept, key=lambda way: (-kept[way], way))
        counts.update(kept)
        # What begins a sentence, and every mistake, is the likeliest way.
        counts[likeliest] += first[word] + every - sum(kept.values())
    return counts
