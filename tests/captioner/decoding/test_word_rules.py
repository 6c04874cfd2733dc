"""The rule against repeated words, compared with the definition, one word at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.decoding.word_rules import FORCED_END, forbid
from captioner.language import ENGLISH, SmallWords, repeats_word
from captioner.options import Options
from captioner.vocabulary import END, SPECIAL, START, Vocabulary

VOCABULARY = Vocabulary([*SPECIAL, "dog", "bed", "side", "a", "and", "by", "to"])
WORDS = range(len(SPECIAL), len(VOCABULARY))
FREE = Options(no_repeat_ngram=0, min_length=0)


def small_words() -> SmallWords:
    found = SmallWords.of(VOCABULARY, "en")
    assert found is not None
    return found


def forbidden(history: list[list[int]], options: Options = FREE) -> list[set[int]]:
    """Return which words may not come next in each row, those that never may left out."""
    rows = np.array([[START, *row] for row in history])
    logprobs = np.full((len(rows), len(VOCABULARY)), -1, np.float32)
    allowed = forbid(logprobs, rows, options, small_words())
    return [set(np.flatnonzero(row == -np.inf).tolist()) & set(WORDS) for row in allowed]


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.integers(0, 8).flatmap(
        lambda length: st.lists(
            st.lists(st.sampled_from(WORDS), min_size=length, max_size=length),
            min_size=1,
            max_size=4,
        )
    )
)
def test_exactly_the_word_that_would_be_repeated_is_forbidden(history: list[list[int]]) -> None:
    for row, found in zip(history, forbidden(history), strict=True):
        # Only the last repetition counts, so the sentence before it is cut down to its end.
        tail = row[max((i for i in range(len(row)) if row[i] in WORDS[:3]), default=0) :]
        assert found == {
            word for word in WORDS if repeats_word(VOCABULARY.spell([*tail, word]), ENGLISH)
        }


def test_words_may_repeat_on_request() -> None:
    history = [VOCABULARY.encode("a dog and a")]
    assert forbidden(history) == [set(VOCABULARY.encode("dog"))]
    assert forbidden(history, Options(repeat_words=True)) == [set()]


def test_a_sentence_ends_where_only_a_repetition_is_left() -> None:
    vocabulary = Vocabulary([*SPECIAL, "dog"])
    known = SmallWords.of(vocabulary, "en")
    logprobs = np.array([[-np.inf, -np.inf, -np.inf, -np.inf, 0]], np.float32)
    allowed = forbid(logprobs, np.array([[START, 4]]), Options(), known)
    assert allowed.argmax() == END
    assert allowed[0, END] == FORCED_END
