import copy
import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.decoding.generate import generate
from captioner.language import SmallWords
from captioner.model import Memory, Model
from captioner.options import OptionError, Options
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Floats
from captioner.vocabulary import END, PAD, START, UNKNOWN
from tests.conftest import long, tiny_matching, tiny_model

Words = tuple[int, ...]

MODELS: dict[str, dict[str, Any]] = {
    "lstm-additive": {},
    "gru-dot": {"cell": "gru", "attention_score": "dot", "heads": 2},
    "lstm-plain": {"attention": False},
}
STRATEGIES = {
    "greedy": Options(beam=1),
    "beam": Options(beam=4, alternatives=2),
    "sample": Options(sample=True, top_p=1.0, temperature=1.3, seed=5, alternatives=2),
}
every_model = pytest.mark.parametrize("name", MODELS)
every_strategy = pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES.keys())


@functools.cache
def model_of(name: str, vocabulary_size: int = 29, end: float = 0.0) -> Model:
    """Return a model that ends its sentences the sooner, the higher `end` is."""
    model = copy.deepcopy(_built(name, vocabulary_size))
    with torch.no_grad():
        model.decoder.output.bias[END] += end
    return model


@functools.cache
def _built(name: str, vocabulary_size: int) -> Model:
    model = tiny_model(vocabulary_size=vocabulary_size, **MODELS[name])
    model.encoder.resnet = torch.nn.Identity()  # the largest part, and no photo is encoded here
    return model


def grids(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 512, generator=torch.Generator().manual_seed(11))


@torch.inference_mode()
def encode(model: Model, features: torch.Tensor) -> Memory:
    return model.encode_grid(features)


def decode(
    model: Model, count: int, options: Options, small_words: SmallWords | None = None
) -> list[list[Hypothesis]]:
    return generate(model, encode(model, grids(count)), options, small_words=small_words)


def small_words_of(size: int) -> SmallWords:
    """Return small words for a vocabulary in which the special ones and 6 and 7 are small."""
    ids = np.arange(size)
    return SmallWords((ids < 4) | (ids == 6) | (ids == 7), ids == 7)


def repeated(words: Words) -> list[int]:
    """Return the words that come again with nothing but small words in between."""
    found, last = [], -1
    for place, word in enumerate(words):
        if word in (6, 7):
            continue
        if last >= 0 and words[last] == word and words[last + 1 : place] != (7,):
            found.append(word)
        last = place
    return found


def sentences(candidates: list[list[Hypothesis]]) -> list[list[Words]]:
    return [[hypothesis.tokens for hypothesis in row] for row in candidates]


# The same rules again, written as plainly as possible: one photo, one sentence at a time.


def speaker(model: Model, photo: torch.Tensor) -> Callable[[Words], list[float]]:
    """Return a function from the words so far to the log-probability of each next word."""

    @functools.cache
    @torch.inference_mode()
    def next_word(words: Words) -> list[float]:
        memory = encode(model, photo[None])
        state = model.decoder.begin(memory, 1)
        for word in (START, *words):
            logprobs, state = model.step(torch.tensor([word]), state, memory)
        return logprobs[0].tolist()

    return next_word


def allowed_after(
    words: Words, size: int, options: Options, *, may_repeat: bool = True
) -> set[int]:
    allowed = set(range(size)) - {PAD, START, UNKNOWN}
    if len(words) < options.min_length:
        allowed.remove(END)
    n = options.no_repeat_ngram
    if n:
        runs = {words[position : position + n] for position in range(len(words) - n + 1)}
        allowed = {word for word in allowed if (*words, word)[-n:] not in runs}
    if not may_repeat:
        allowed = {word for word in allowed if len(repeated((*words, word))) == 0}
    return allowed or {END}


def plain_greedy(
    model: Model, photo: torch.Tensor, options: Options, *, may_repeat: bool = True
) -> Words:
    next_word = speaker(model, photo)
    words: Words = ()
    while len(words) < options.max_length:
        logprobs = next_word(words)
        allowed = allowed_after(words, len(logprobs), options, may_repeat=may_repeat)
        word = max(allowed, key=lambda word: logprobs[word])
        if word == END:
            break
        words = (*words, word)
    return words


def plain_beam_search(
    model: Model, photo: torch.Tensor, options: Options, *, may_repeat: bool = True
) -> list[Words]:
    next_word, k = speaker(model, photo), options.beam
    beams: list[tuple[float, Words]] = [(0.0, ())]
    finished: list[tuple[float, Words]] = []
    for length in range(1, options.max_length + 1):
        candidates = sorted(
            (
                (total + next_word(words)[word], (*words, word))
                for total, words in beams
                for word in allowed_after(
                    words, len(next_word(words)), options, may_repeat=may_repeat
                )
            ),
            reverse=True,
        )
        scale = length**options.length_penalty
        finished += [(total / scale, words) for total, words in candidates[:k] if words[-1] == END]
        finished = sorted(finished, reverse=True)[:k]
        beams = [(total, words) for total, words in candidates if words[-1] != END][:k]
        if not beams or (len(finished) == k and beams[0][0] / scale <= finished[-1][0]):
            beams = []
            break
    return [words[:-1] for _, words in finished] + [words for _, words in beams][
        : k - len(finished)
    ]


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


@every_strategy
@every_model
def test_the_same_seed_generates_the_same(options: Options, name: str) -> None:
    model = model_of(name)
    torch.manual_seed(1)
    first = decode(model, 3, options)
    torch.manual_seed(2)
    assert decode(model, 3, options) == first


def test_another_seed_generates_something_else() -> None:
    model = model_of("lstm-additive")
    sentence = {
        sentences(decode(model, 1, Options(sample=True, seed=seed)))[0][0] for seed in range(5)
    }
    assert len(sentence) > 2


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


@pytest.mark.parametrize(
    "changes",
    [{"temperature": t, "top_p": 1.0} for t in (1e-5, 1e-30, 5e-324)] + [{"top_p": 1e-9}],
    ids=str,
)
@every_model
def test_sampling_without_chance_is_greedy(name: str, changes: dict[str, float]) -> None:
    model = model_of(name)
    greedy = sentences(decode(model, 4, Options(beam=1)))
    for seed in (1, 2):
        cold = Options(sample=True, seed=seed, **changes)  # type: ignore[arg-type]
        assert sentences(decode(model, 4, cold)) == greedy


@pytest.mark.parametrize(
    ("temperature", "top_p"),
    [
        (1.0, 1.0),
        pytest.param(4.0, 1.0, marks=long),
        pytest.param(0.5, 1.0, marks=long),
        (3.0, 0.7),
    ],
)
def test_words_are_sampled_as_often_as_they_are_likely(temperature: float, top_p: float) -> None:
    model, draws = model_of("lstm-additive", 7), 300
    photo = grids(1)
    memory = encode(model, photo)
    counts: Counter[Words] = Counter()
    for seed in range(draws):
        options = Options(
            sample=True,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            min_length=0,
            max_length=2,
            no_repeat_ngram=0,
        )
        counts[generate(model, memory, options)[0][0].tokens] += 1

    next_word = speaker(model, photo[0])

    def chances(words: Words) -> dict[int, float]:
        logprobs = next_word(words)
        likely = {word: math.exp(logprobs[word] / temperature) for word in (END, 4, 5, 6)}
        total, kept = sum(likely.values()), dict[int, float]()
        for word in sorted(likely, key=lambda word: -likely[word]):
            if sum(kept.values()) < top_p * total:
                kept[word] = likely[word]
        return {word: value / sum(kept.values()) for word, value in kept.items()}

    expected: dict[Words, float] = {}
    for first, chance in chances(()).items():
        if first == END:
            expected[()] = chance
            continue
        for second, then in chances((first,)).items():
            expected[(first,) if second == END else (first, second)] = chance * then

    assert len(expected) > 1
    assert counts.keys() <= expected.keys()
    for words, chance in expected.items():
        spread = math.sqrt(draws * chance * (1 - chance))
        assert counts[words] == pytest.approx(draws * chance, abs=4 * spread + 1), words


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beam", 0),
        ("length_penalty", math.nan),
        ("length_penalty", math.inf),
        ("length_penalty", 1000.0),
        ("min_length", -1),
        ("min_length", 25),  # more than max_length
        ("max_length", 0),
        ("no_repeat_ngram", -1),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("seed", 2**64),
        ("alternatives", -1),
        ("matching", -0.1),
        ("matching", 100.1),
        ("matching", math.nan),
        ("difference", -0.1),
        ("difference", 1.1),
    ],
)
def test_options_that_make_no_sense_are_refused_by_their_field(field: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"^{field} is ") as caught:
        Options(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
