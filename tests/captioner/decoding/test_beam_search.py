"""Greedy decoding and beam search find what plain ones find, which look at every word."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from captioner.options import Options
from captioner.vocabulary import END
from tests.captioner.decoding.networks import (
    Words,
    decode,
    every_model,
    grids,
    model_of,
    sentences,
    small_words_of,
)
from tests.captioner.decoding.plain_search import plain_beam_search, plain_greedy, speaker


@every_model
@pytest.mark.parametrize("changes", [{}, {"min_length": 6}, {"no_repeat_ngram": 1}], ids=str)
def test_a_beam_of_one_is_greedy(name: str, changes: dict[str, Any]) -> None:
    options = Options(beam=1, max_length=12, **changes)
    model = model_of(name)
    found = sentences(decode(model, 4, options))
    assert found == [[plain_greedy(model, photo, options)] for photo in grids(4)]
    assert len({row[0] for row in found}) > 1


@every_model
@pytest.mark.parametrize(
    "options",
    [
        Options(beam=2, max_length=8, alternatives=1),
        Options(beam=3, max_length=8, alternatives=2, length_penalty=0.0),
        Options(beam=4, max_length=7, alternatives=3, min_length=0, no_repeat_ngram=2),
        Options(beam=3, max_length=4, alternatives=2, min_length=4),
        Options(beam=3, max_length=7, alternatives=2, no_repeat_ngram=1, length_penalty=2.0),
    ],
    ids=lambda options: f"beam-{options.beam}-min-{options.min_length}",
)
@pytest.mark.parametrize("end", [0.0, 4.0])
def test_beam_search_finds_the_same_as_a_plain_one(name: str, options: Options, end: float) -> None:
    model = model_of(name, 12, end)
    found = sentences(decode(model, 3, options))
    assert found == [plain_beam_search(model, photo, options) for photo in grids(3)]


@every_model
@pytest.mark.parametrize("beam", [1, 4])
def test_where_words_may_not_repeat_every_search_finds_the_same_as_a_plain_one(
    name: str, beam: int
) -> None:
    model, size = model_of(name, 12), 12
    options = Options(beam=beam, alternatives=beam - 1, max_length=8, no_repeat_ngram=0)
    found = sentences(decode(model, 3, options, small_words_of(size)))
    if beam == 1:
        plain = [[plain_greedy(model, photo, options, may_repeat=False)] for photo in grids(3)]
    else:
        plain = [plain_beam_search(model, photo, options, may_repeat=False) for photo in grids(3)]
    assert found == plain


@every_model
@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.5])
def test_a_wide_beam_finds_every_sentence_in_its_order(name: str, length_penalty: float) -> None:
    model, words, longest = model_of(name, 7), (4, 5, 6), 3
    found = decode(
        model,
        2,
        Options(
            beam=64,
            alternatives=63,
            min_length=0,
            max_length=longest,
            no_repeat_ngram=0,
            length_penalty=length_penalty,
        ),
    )
    for row, photo in zip(found, grids(2), strict=True):
        next_word = speaker(model, photo)

        def score(sentence: Words, next_word: Callable[[Words], list[float]] = next_word) -> float:
            total = math.fsum(
                next_word(sentence[:position])[word] for position, word in enumerate(sentence)
            )
            return total / len(sentence) ** length_penalty

        ended = [
            (*sentence, END)
            for length in range(longest)
            for sentence in itertools.product(words, repeat=length)
        ]
        cut = list(itertools.product(words, repeat=longest))
        order = sorted(ended, key=score, reverse=True) + sorted(cut, key=score, reverse=True)
        assert [hypothesis.tokens for hypothesis in row] == [
            tuple(word for word in sentence if word != END) for sentence in order
        ]
