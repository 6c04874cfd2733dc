"""What is generated, by every strategy: sentences, their probabilities, matches and attention."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.decoding.generate import generate
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Floats
from captioner.vocabulary import END, PAD, START, UNKNOWN
from tests.captioner.decoding.networks import (
    MODELS,
    decode,
    encode,
    every_model,
    every_strategy,
    grids,
    model_of,
    sentences,
    small_words_of,
)
from tests.captioner.decoding.plain_search import allowed_after, repeated
from tests.conftest import tiny_matching


@every_model
@every_strategy
def test_no_sentence_repeats_a_word_for_nothing_unless_it_may(name: str, options: Options) -> None:
    model, small_words = model_of(name, 12, end=-1.0), small_words_of(12)
    looser = Options(**{**vars(options), "no_repeat_ngram": 0})
    free = Options(**{**vars(looser), "repeat_words": True})
    found = [words for row in sentences(decode(model, 6, looser, small_words)) for words in row]
    assert not any(map(repeated, found))
    freely = sentences(decode(model, 6, free, small_words))
    assert any(repeated(words) for row in freely for words in row)
    assert freely == sentences(decode(model, 6, looser))


@every_model
def test_the_caption_is_the_candidate_that_matches_the_photo(name: str) -> None:
    model, matching = model_of(name, 12, end=1.0), tiny_matching(words=12)
    memory = encode(model, grids(12))
    options = Options(beam=6, alternatives=5)
    likeliest_first = generate(model, memory, options)
    matched = generate(model, memory, options, matching)
    embeddings = matching.embed(grids(12).mean(1).numpy())

    def score(sentence: Hypothesis, embedding: Floats) -> float:
        (match,) = matching.cosines(embedding, [sentence.tokens])
        likely = sentence.logprob / len(sentence.logprobs) ** options.length_penalty
        return likely + options.matching * match

    pairs = zip(matched, likeliest_first, strict=True)
    assert any(row[0].tokens != likeliest[0].tokens for row, likeliest in pairs)
    for row, likeliest, embedding in zip(matched, likeliest_first, embeddings, strict=True):
        expected = matching.cosines(embedding, [one.tokens for one in row])
        assert [one.match for one in row] == pytest.approx(expected, abs=1e-5)
        assert {one.match for one in likeliest} == {None}
        ended = [score(one, embedding) for one in row if len(one.logprobs) > len(one.tokens)]
        assert ended == pytest.approx(sorted(ended, reverse=True), abs=1e-4)
        for one in likeliest:
            assert len(one.logprobs) == len(one.tokens) or score(one, embedding) < ended[0] + 1e-4


@every_strategy
def test_a_match_does_not_depend_on_the_neighbours(
    options: Options,
) -> None:
    model, matching = model_of("lstm-additive"), tiny_matching(words=29)
    memory = encode(model, grids(4))
    together = generate(model, memory, options, matching)
    for photo in range(4):
        (alone,) = generate(model, memory.select(np.array([photo])), options, matching)
        assert sentences([alone]) == sentences([together[photo]])
        for one, same in zip(alone, together[photo], strict=True):
            assert one.match == pytest.approx(same.match, abs=1e-5)


def options_of_every_kind() -> st.SearchStrategy[Options]:
    return st.builds(
        Options,
        beam=st.integers(1, 4),
        length_penalty=st.floats(-1, 2),
        min_length=st.integers(0, 5),
        max_length=st.integers(5, 9),
        no_repeat_ngram=st.integers(0, 4),
        sample=st.booleans(),
        temperature=st.floats(0.05, 5),
        top_p=st.floats(0.05, 1),
        seed=st.integers(0, 2**64 - 1),
        alternatives=st.integers(0, 3),
        attention=st.booleans(),
    )


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    options=options_of_every_kind(),
    name=st.sampled_from(list(MODELS)),
    size=st.sampled_from([6, 8, 29]),
    end=st.sampled_from([-math.inf, 0.0, 6.0]),
)
def test_sentences_obey_any_options(options: Options, name: str, size: int, end: float) -> None:
    for row in decode(model_of(name, size, end), 2, options):
        assert 1 <= len(row) <= 1 + options.alternatives
        assert len({hypothesis.tokens for hypothesis in row}) == len(row)
        for hypothesis in row:
            words = hypothesis.tokens
            assert len(words) <= options.max_length
            assert len(hypothesis.logprobs) == min(len(words) + 1, options.max_length)
            assert not {PAD, START, UNKNOWN, END} & set(words)
            assert len(words) >= options.min_length or allowed_after(words, size, options) == {END}
            n = options.no_repeat_ngram
            runs = (
                [words[position : position + n] for position in range(len(words) - n + 1)]
                if n
                else []
            )
            assert len(set(runs)) == len(runs)


@every_strategy
def test_a_sentence_ends_no_earlier_than_it_may(options: Options) -> None:
    for least in (0, 1, 4):
        strategy = Options(**{**vars(options), "min_length": least, "alternatives": 0})
        for row in decode(model_of("lstm-additive", end=100.0), 2, strategy):
            assert len(row[0].tokens) == least


@every_strategy
@every_model
def test_where_no_sentence_ends_it_is_cut(options: Options, name: str) -> None:
    model = model_of(name, end=-math.inf)
    for row in decode(model, 3, options):
        assert len(row) == 1 + options.alternatives
        for hypothesis in row:
            assert len(hypothesis.tokens) == len(hypothesis.logprobs) == options.max_length
            assert hypothesis.logprob > -math.inf


@every_strategy
@pytest.mark.parametrize("end", [0.0, -math.inf])
def test_a_sentence_ends_where_every_word_is_forbidden(options: Options, end: float) -> None:
    # Two words, each used once, cannot make the five sentences that are asked for.
    strict = Options(**{**vars(options), "no_repeat_ngram": 1, "min_length": 5})
    for row in decode(model_of("lstm-additive", 6, end), 3, strict):
        for hypothesis in row:
            assert sorted(hypothesis.tokens) == [4, 5]


@every_strategy
@every_model
def test_a_caption_does_not_depend_on_its_neighbours(options: Options, name: str) -> None:
    model = model_of(name, end={"lstm-additive": 0.0, "gru-dot": 1.0, "lstm-plain": 1.0}[name])
    with_maps = Options(**{**vars(options), "attention": True})
    memory, small_words = encode(model, grids(6)), small_words_of(29)
    together = generate(model, memory, with_maps, small_words=small_words)
    assert len({len(row[0].tokens) for row in together}) > 1  # some leave the batch early
    for order in ([0], [5], [3, 3, 1], [5, 4, 3, 2, 1, 0]):
        photos = memory.select(np.array(order))
        found = generate(model, photos, with_maps, small_words=small_words)
        for photo, row in zip(order, found, strict=True):
            assert sentences([row]) == sentences([together[photo]])
            for hypothesis, same in zip(row, together[photo], strict=True):
                assert hypothesis.logprobs == pytest.approx(same.logprobs, abs=1e-4)
                if hypothesis.attention is not None:
                    assert same.attention is not None
                    np.testing.assert_allclose(hypothesis.attention, same.attention, atol=1e-5)


@every_strategy
@every_model
def test_probabilities_are_the_models_own(options: Options, name: str) -> None:
    model = model_of(name, end=1.0)
    for photo, row in zip(grids(3), decode(model, 3, options), strict=True):
        for hypothesis in row:
            sentence = torch.tensor([[START, *hypothesis.tokens, END]])
            with torch.inference_mode():
                logits, _ = model(photo[None], sentence)
            expected = logits.log_softmax(-1).gather(1, sentence[0, 1:, None])[:, 0].tolist()
            cut = len(hypothesis.tokens) == options.max_length
            assert hypothesis.logprobs == pytest.approx(expected[: -1 if cut else None], abs=1e-4)
            assert hypothesis.logprob == pytest.approx(sum(hypothesis.logprobs))
            assert hypothesis.logprob < 0


@every_strategy
@pytest.mark.parametrize("name", ["lstm-additive", "gru-dot"])
def test_attention_is_returned_on_request_word_by_word(options: Options, name: str) -> None:
    model = model_of(name, end=1.0)
    asked = Options(**{**vars(options), "attention": True})
    for photo, row in zip(grids(3), decode(model, 3, asked), strict=True):
        for hypothesis in row:
            assert hypothesis.attention is not None
            assert hypothesis.attention.shape == (len(hypothesis.tokens), 4)
            np.testing.assert_allclose(hypothesis.attention.sum(-1), 1, rtol=1e-5)
            with torch.inference_mode():
                _, maps = model(photo[None], torch.tensor([[START, *hypothesis.tokens]]))
            np.testing.assert_allclose(hypothesis.attention, maps[0], atol=1e-5)


@every_strategy
def test_attention_does_not_change_the_caption(options: Options) -> None:
    model = model_of("lstm-additive")
    asked = Options(**{**vars(options), "attention": True})
    unasked = decode(model, 3, options)
    assert sentences(decode(model, 3, asked)) == sentences(unasked)
    assert all(hypothesis.attention is None for row in unasked for hypothesis in row)


@every_strategy
def test_a_model_without_attention_returns_none(options: Options) -> None:
    asked = Options(**{**vars(options), "attention": True})
    for row in decode(model_of("lstm-plain"), 2, asked):
        assert all(hypothesis.attention is None for hypothesis in row)


def test_an_empty_sentence_has_an_empty_attention_map() -> None:
    options = Options(beam=1, min_length=0, attention=True)
    for row in decode(model_of("lstm-additive", end=100.0), 2, options):
        assert row[0].tokens == ()
        assert row[0].attention is not None
        assert row[0].attention.shape == (0, 4)
