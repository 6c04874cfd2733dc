"""Photos and sentences lie near each other where they belong together."""

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


def test_a_photo_is_placed_by_what_is_seen_whatever_its_contrast() -> None:
    seen = np.array([[4.0, 1.0, 1.0], [0.8, 0.2, 0.2], [1.0, 4.0, 1.0]], np.float32)
    places = LEVEL.places(seen)
    assert places[0] == pytest.approx(np.array([2, -1, -1]) / math.sqrt(6), abs=1e-4)
    assert places[1] == pytest.approx(places[0], abs=1e-3)
    assert places[2] == pytest.approx(np.roll(places[0], 1), abs=1e-4)


def test_the_bias_moves_every_photo() -> None:
    moved = replace(LEVEL, bias=np.array([0, 0, 1e4], np.float32))
    seen = np.array([[4.0, 1.0, 1.0], [1.0, 4.0, 1.0]], np.float32)
    assert moved.places(seen) == pytest.approx(np.array([[0, 0, 1], [0, 0, 1]]), abs=1e-3)


def test_a_sentence_lies_in_the_middle_of_its_words() -> None:
    place = np.array([0.6, 0.8, 0.0], np.float32)
    told = LEVEL.cosines(place, [(DOG,), (RUNS,), (CAT,), (DOG, RUNS), (RUNS, RUNS, DOG)])
    assert told == pytest.approx([0.6, 0.8, 0.0, 1.4 / math.sqrt(2), 2.2 / math.sqrt(5)])


def test_who_says_nothing_goes_with_no_photo() -> None:
    place = np.array([0.6, 0.8, 0.0], np.float32)
    assert LEVEL.cosines(place, [(), (DOG,), ()]) == pytest.approx([0.0, 0.6, 0.0])
    assert LEVEL.cosines(place, [()]) == [0.0]


def test_nothing_is_divided_by_zero() -> None:
    plain = Matching(np.zeros((3, 3), np.float32), np.zeros(3, np.float32), np.zeros_like(WORDS))
    places = plain.places(np.full((2, 3), 5.0, np.float32))
    assert places.tolist() == [[0.0] * 3] * 2
    assert plain.cosines(places[0], [(DOG, CAT)]) == [0.0]


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
def test_what_does_not_fit_together_is_named(
    change: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(LEVEL, **change)


async def test_a_captioner_says_what_goes_with_the_photo(tiny: Trained) -> None:
    options = Options(beam=6, matching=100)
    photos = [photo_bytes(seed) for seed in range(6)]
    said = []
    for model in (tiny, tiny.having(matching=tiny_matching())):
        async with Captioner(*on_cpu(model)) as captioner:
            said.append([await captioner.caption(photo, options) for photo in photos])
    assert any(one.text != other.text for one, other in zip(*said, strict=True))
