"""Alternatives to a caption: how many, in which order, and how different."""

import pytest

from captioner.options import Options
from captioner.reranking import Hypothesis
from tests.captioner.decoding.networks import decode, every_model, model_of, sentences


@every_model
def test_the_requested_number_of_different_alternatives_is_returned_best_first(
    name: str,
) -> None:
    options = Options(beam=2, alternatives=6)
    for row in decode(model_of(name), 3, options):
        assert len({hypothesis.tokens for hypothesis in row}) == 7
        ended = [hypothesis for hypothesis in row if len(hypothesis.tokens) < options.max_length]
        scores = [score(hypothesis, options) for hypothesis in ended]
        assert scores == sorted(scores, reverse=True)


def test_alternatives_do_not_change_the_sample_and_the_better_come_first() -> None:
    model = model_of("lstm-additive")
    for seed in range(8):
        options = Options(sample=True, seed=seed, temperature=0.6, max_length=6)
        alone = sentences(decode(model, 3, options))
        more = Options(**{**vars(options), "alternatives": 4})
        for row, (only,) in zip(decode(model, 3, more), alone, strict=True):
            assert row[0].tokens == only
            scores = [score(hypothesis, options) for hypothesis in row[1:]]
            assert scores == sorted(scores, reverse=True)


def test_the_best_of_similar_alternatives_is_kept() -> None:
    options = Options(sample=True, seed=1, temperature=1.3, top_p=1.0, alternatives=4)
    differing = Options(**{**vars(options), "difference": 0.4})
    alike = decode(model_of("lstm-additive"), 6, options)
    apart = decode(model_of("lstm-additive"), 6, differing)
    assert [row[0].tokens for row in alike] == [row[0].tokens for row in apart]
    assert sentences(alike) != sentences(apart)
    assert sum(map(len, apart)) > len(apart)


@every_model
@pytest.mark.parametrize("sample", [False, True])
def test_alternatives_differ_in_as_many_words_as_asked_for(name: str, sample: bool) -> None:
    options = Options(
        beam=2, alternatives=6, sample=sample, seed=3, temperature=1.5, top_p=1.0, difference=0.3
    )
    plain = Options(**{**vars(options), "difference": 0.0})
    model = model_of(name)
    for row, alike in zip(decode(model, 3, options), decode(model, 3, plain), strict=True):
        assert row[0].tokens == alike[0].tokens or not sample
        for index, hypothesis in enumerate(row):
            words = set(hypothesis.tokens)
            for better in row[:index]:
                assert len(words - set(better.tokens)) >= 0.3 * len(words)
    # If nothing has to differ, nothing is left out.
    assert any(len(row) > 1 for row in decode(model, 3, plain))


def score(hypothesis: Hypothesis, options: Options) -> float:
    return hypothesis.logprob / len(hypothesis.logprobs) ** options.length_penalty
