import math

import pytest

from captioner.hypotheses import Hypothesis, choose
from captioner.options import Options

BEAM = Options(alternatives=3)
LIKELIEST = Options(alternatives=3, consensus=False)


def ended(*words: int, score: float) -> Hypothesis:
    """Return a sentence of such a score."""
    length = len(words) + 1
    each = score * length**Options.length_penalty / length
    return Hypothesis(words, (each,) * length)


def cut(*words: int, score: float) -> Hypothesis:
    whole = ended(*words, score=score)
    return Hypothesis(whole.tokens, whole.logprobs[:-1])


ODD = ended(9, 10, 11, 12, score=-1.0)
FIRST, SECOND = ended(4, 5, 6, 7, score=-1.05), ended(4, 5, 6, 8, score=-1.1)


def test_the_sentence_that_others_speak_for_comes_first_and_these_in_their_order() -> None:
    assert choose([ODD, FIRST, SECOND], BEAM) == [FIRST, ODD, SECOND]


def test_the_likeliest_comes_first_where_no_consensus_is_wanted() -> None:
    assert choose([ODD, FIRST, SECOND], LIKELIEST) == [ODD, FIRST, SECOND]


@pytest.mark.parametrize("score", [-1.0, -math.inf])
def test_what_was_cut_neither_stands_nor_votes(score: float) -> None:
    cuts = [cut(4, 5, 6, last, score=score) for last in (6, 7)]

    assert choose([ODD, *cuts], BEAM) == [ODD, *cuts]
    assert choose(cuts, BEAM) == cuts


def test_what_could_not_be_said_neither_stands_nor_votes() -> None:
    impossible = [ended(4, 5, 6, last, score=-math.inf) for last in (6, 7)]

    assert choose([ODD, *impossible], BEAM) == [ODD, *impossible]
    assert choose(impossible, BEAM) == impossible


def test_alternatives_differ_from_the_consensus() -> None:
    found = choose([ODD, FIRST, SECOND], Options(alternatives=3, difference=0.3))

    assert found == [FIRST, ODD]


def test_draws_have_no_consensus() -> None:
    sample = Options(sample=True, alternatives=3)

    assert choose([ODD, SECOND, FIRST, ODD], sample) == [ODD, FIRST, SECOND]
