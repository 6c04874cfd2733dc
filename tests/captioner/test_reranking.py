import dataclasses
import math

import pytest

from captioner.options import Options
from captioner.reranking import Hypothesis, choose

BEAM = Options(alternatives=3)


def ended(*words: int, score: float, match: float | None = None) -> Hypothesis:
    """Return a sentence with this score."""
    length = len(words) + 1
    each = score * length**Options.length_penalty / length
    return Hypothesis(words, (each,) * length, match)


def cut(*words: int, score: float, match: float) -> Hypothesis:
    whole = ended(*words, score=score, match=match)
    return dataclasses.replace(whole, logprobs=whole.logprobs[:-1])


LIKELIEST = ended(9, 10, 11, 12, score=-1.0, match=0.3)
MATCHED = ended(4, 5, 6, 7, score=-1.5, match=0.5)
UNLIKELY = ended(4, 5, 6, 8, score=-3.0, match=0.6)


def test_a_likely_candidate_that_matches_comes_first() -> None:
    assert choose([LIKELIEST, MATCHED, UNLIKELY], BEAM) == [MATCHED, LIKELIEST, UNLIKELY]


@pytest.mark.parametrize(
    ("weight", "first"), [(0.0, LIKELIEST), (1.0, LIKELIEST), (4.0, MATCHED), (20.0, UNLIKELY)]
)
def test_the_weight_of_the_match_is_an_option(weight: float, first: Hypothesis) -> None:
    options = Options(matching=weight)

    assert choose([LIKELIEST, MATCHED, UNLIKELY], options) == [first]


def test_without_a_match_the_order_of_the_search_stays() -> None:
    found = [dataclasses.replace(one, match=None) for one in (LIKELIEST, MATCHED, UNLIKELY)]

    assert choose(found, BEAM) == found


@pytest.mark.parametrize("score", [-1.0, -math.inf])
def test_cut_candidates_stay_behind_those_that_ended(score: float) -> None:
    cuts = [cut(4, 5, 6, last, score=score, match=0.9) for last in (6, 7)]

    assert choose([LIKELIEST, *cuts], BEAM) == [LIKELIEST, *cuts]
    assert choose(cuts, BEAM) == cuts


def test_impossible_candidates_stay_last() -> None:
    impossible = [ended(4, 5, 6, last, score=-math.inf, match=0.9) for last in (6, 7)]

    assert choose([UNLIKELY, *impossible], BEAM) == [UNLIKELY, *impossible]
    assert choose(impossible, BEAM) == impossible


def test_alternatives_differ_from_the_caption() -> None:
    found = choose([LIKELIEST, MATCHED, UNLIKELY], Options(alternatives=3, difference=0.3))

    assert found == [MATCHED, LIKELIEST]


def test_the_first_sample_stays_first_and_the_others_follow_by_score() -> None:
    sample = Options(sample=True, alternatives=3)

    assert choose([UNLIKELY, LIKELIEST, MATCHED, UNLIKELY], sample) == [
        UNLIKELY,
        MATCHED,
        LIKELIEST,
    ]
