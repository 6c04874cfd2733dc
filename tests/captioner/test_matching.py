"""The embeddings of a photo and of its sentences are close."""

import math
from dataclasses import replace

import numpy as np
import pytest

from captioner import Captioner, Options
from captioner.matching import Matching
from tests.conftest import Trained, on_cpu, photo_bytes, tiny_matching

DOG, RUNS, CAT = 4, 5, 6
WORDS = np.eye(7, 3, -4, np.float32)  # each of the three has an axis of its own
LEVEL = Matching(np.eye(3, dtype=np.float32), np.zeros(3, np.float32), WORDS)


def test_the_embedding_of_a_photo_does_not_depend_on_its_contrast() -> None:
    pooled = np.array([[4.0, 1.0, 1.0], [0.8, 0.2, 0.2], [1.0, 4.0, 1.0]], np.float32)
    embeddings = LEVEL.embed(pooled)
    assert embeddings[0] == pytest.approx(np.array([2, -1, -1]) / math.sqrt(6), abs=1e-4)
    assert embeddings[1] == pytest.approx(embeddings[0], abs=1e-3)
    assert embeddings[2] == pytest.approx(np.roll(embeddings[0], 1), abs=1e-4)


def test_the_bias_moves_every_photo() -> None:
    moved = replace(LEVEL, bias=np.array([0, 0, 1e4], np.float32))
    pooled = np.array([[4.0, 1.0, 1.0], [1.0, 4.0, 1.0]], np.float32)
    assert moved.embed(pooled) == pytest.approx(np.array([[0, 0, 1], [0, 0, 1]]), abs=1e-3)


def test_the_embedding_of_a_sentence_is_the_mean_of_its_words() -> None:
    photo = np.array([0.6, 0.8, 0.0], np.float32)
    cosines = LEVEL.cosines(photo, [(DOG,), (RUNS,), (CAT,), (DOG, RUNS), (RUNS, RUNS, DOG)])
    assert cosines == pytest.approx([0.6, 0.8, 0.0, 1.4 / math.sqrt(2), 2.2 / math.sqrt(5)])


def test_an_empty_sentence_matches_no_photo() -> None:
    photo = np.array([0.6, 0.8, 0.0], np.float32)
    assert LEVEL.cosines(photo, [(), (DOG,), ()]) == pytest.approx([0.0, 0.6, 0.0])
    assert LEVEL.cosines(photo, [()]) == [0.0]


def test_constant_features_do_not_divide_by_zero() -> None:
    plain = Matching(np.zeros((3, 3), np.float32), np.zeros(3, np.float32), np.zeros_like(WORDS))
    embeddings = plain.embed(np.full((2, 3), 5.0, np.float32))
    assert embeddings.tolist() == [[0.0] * 3] * 2
    assert plain.cosines(embeddings[0], [(DOG, CAT)]) == [0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.zeros((3, 2), np.float32)}, "have the shapes"),
        ({"bias": np.zeros(4, np.float32)}, "have the shapes"),
        ({"words": np.zeros(3, np.float32)}, "have the shapes"),
        ({"bias": np.array([0, np.nan, 0], np.float32)}, "bias must be of finite numbers"),
        ({"words": np.full((7, 3), np.inf, np.float32)}, "words must be of finite numbers"),
    ],
)
def test_arrays_that_do_not_fit_together_are_named(
    change: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LEVEL, **change)


async def test_a_captioner_chooses_by_the_match(tiny: Trained) -> None:
    options = Options(beam=6, matching=100)
    photos = [photo_bytes(seed) for seed in range(6)]
    captions = []
    for model in (tiny, tiny.having(matching=tiny_matching())):
        async with Captioner(*on_cpu(model)) as captioner:
            captions.append([await captioner.caption(photo, options) for photo in photos])
    assert any(one.text != other.text for one, other in zip(*captions, strict=True))
