"""Sampling: words are chosen as often as they are likely, and the same seed chooses the same."""

import math
from collections import Counter

import pytest
import torch

from captioner.decoding.generate import generate
from captioner.options import Options
from captioner.vocabulary import END
from tests.captioner.decoding.networks import (
    Words,
    decode,
    encode,
    every_model,
    every_strategy,
    grids,
    model_of,
    sentences,
)
from tests.captioner.decoding.plain_search import speaker
from tests.conftest import long


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
