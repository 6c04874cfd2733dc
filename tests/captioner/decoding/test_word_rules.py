"""The rule against repeated words, compared with the definition, one word at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.decoding.word_rules import FORCED_END, allow, forbidden
from captioner.languages.repetition import SmallWords, repeats_word
from captioner.languages.small_words import ENGLISH
from captioner.options import Options
from captioner.runtime.protocols import Candidates
from captioner.vocabulary import END, SPECIAL, START, Vocabulary

VOCABULARY = Vocabulary([*SPECIAL, "dog", "bed", "side", "a", "and", "by", "to"])
WORDS = range(len(SPECIAL), len(VOCABULARY))
FREE = Options(no_repeat_ngram=0, min_length=0)


def small_words() -> SmallWords:
    found = SmallWords.of(VOCABULARY, "en")
    assert found is not None
    return found


def ruled_out(history: list[list[int]], options: Options = FREE) -> list[set[int]]:
    """Return which words may not come next in each row, those that never may left out."""
    rows = np.array([[[START, *row] for row in history]])
    found = forbidden(rows, options, small_words())
    return [set(row.tolist()) & set(WORDS) for row in found[0]]


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
    for row, found in zip(history, ruled_out(history), strict=True):
        # Only the last repetition counts, so the sentence before it is cut down to its end.
        tail = row[max((i for i in range(len(row)) if row[i] in WORDS[:3]), default=0) :]
        assert found == {
            word for word in WORDS if repeats_word(VOCABULARY.spell([*tail, word]), ENGLISH)
        }


def test_words_may_repeat_on_request() -> None:
    history = [VOCABULARY.encode("a dog and a")]
    assert ruled_out(history) == [set(VOCABULARY.encode("dog"))]
    assert ruled_out(history, Options(repeat_words=True)) == [set()]


def test_a_sentence_ends_where_only_a_repetition_is_left() -> None:
    vocabulary = Vocabulary([*SPECIAL, "dog"])
    known = SmallWords.of(vocabulary, "en")
    never = forbidden(np.array([[[START, 4]]]), Options(), known)
    ids = np.array([[[4, 0, 1, 2, 3]]])
    logprobs = np.array([[[0, -np.inf, -np.inf, -np.inf, -np.inf]]], np.float32)
    candidates, allowed = allow(Candidates(ids, logprobs), never)
    place = allowed[0, 0].argmax()
    assert candidates.ids[0, 0, place] == END
    assert candidates.logprobs[0, 0, place] == -np.inf
    assert allowed[0, 0, place] == FORCED_END


def test_a_word_that_is_forbidden_gives_way_to_the_next() -> None:
    ids = np.array([[[5, 4, END], [4, 5, END]]])
    logprobs = np.log(np.array([[[0.5, 0.3, 0.1], [0.6, 0.2, 0.1]]], np.float32))
    candidates, allowed = allow(Candidates(ids, logprobs), np.array([[[5], [END]]]))
    assert np.array_equal(candidates.ids, ids)
    assert np.array_equal(allowed == -np.inf, [[[True, False, False], [False, False, True]]])
