import math
from collections import Counter

import numpy as np
import pytest

from captioner.consensus import likeness, most_agreed

Words = tuple[int, ...]

DOG_RUNS, DOG_RUNS_FAST, DOG_PLAYS, MAN_SITS = (4, 5, 6), (4, 5, 6, 7), (4, 5, 8), (9, 10, 11)


def plain_likeness(first: Words, second: Words) -> float:
    """The same rule once more, for one pair of sentences."""
    total = 0.0
    for length in (1, 2, 3, 4):
        one, other = (
            Counter(words[place : place + length] for place in range(len(words) + 1 - length))
            for words in (first, second)
        )
        norm = math.sqrt(sum(n**2 for n in one.values()) * sum(n**2 for n in other.values()))
        total += sum(one[run] * other[run] for run in one) / (norm or 1)
    return total / 4 * math.exp(-((len(first) - len(second)) ** 2) / 72)


def test_likeness_is_the_mean_cosine_of_runs_of_words() -> None:
    sentences = [DOG_RUNS_FAST, DOG_PLAYS, (4, 5, 4, 5, 6, 7), MAN_SITS, ()]

    found = likeness(sentences)

    for i, first in enumerate(sentences):
        for j, second in enumerate(sentences):
            expected = 1.0 if i == j else plain_likeness(first, second)
            assert found[i, j] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(found, found.T)
    assert 0 < found[0, 2] < 1


def test_what_the_others_speak_for_is_chosen() -> None:
    sentences = [MAN_SITS, DOG_PLAYS, DOG_RUNS, DOG_RUNS_FAST]

    assert most_agreed(sentences, [-1.0, -1.1, -1.1, -1.1]) == 2


def test_likelier_sentences_count_more() -> None:
    sentences = [MAN_SITS, DOG_PLAYS, DOG_RUNS, DOG_RUNS_FAST]

    assert most_agreed(sentences, [-1.0, -3.0, -3.0, -3.0]) == 0


def test_among_equals_the_likeliest_is_chosen() -> None:
    assert most_agreed([DOG_RUNS, MAN_SITS], [-1.0, -1.1]) == 0
    assert most_agreed([DOG_RUNS, MAN_SITS], [-1.0, -1.0]) == 0


def test_impossible_sentences_have_no_vote() -> None:
    assert most_agreed([DOG_RUNS, MAN_SITS, MAN_SITS[:2]], [-1.0, -1e30, -1e30]) == 0


def test_one_sentence_is_chosen_even_if_it_says_nothing() -> None:
    assert most_agreed([()], [-5.0]) == 0
    assert most_agreed([(), (4,)], [-0.1, -90.0]) == 0
