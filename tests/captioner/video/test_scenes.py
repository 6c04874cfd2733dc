"""Scenes are cut where what the encoder sees changes."""

import itertools

import numpy as np
import pytest
from PIL import Image, ImageFilter

from captioner.photo.preprocessing import Pixels
from captioner.runtime.protocols import Floats
from captioner.video.scenes import Shot, find, sharpness

SIDE = 64
SHARP = np.asarray(Image.effect_noise((SIDE, SIDE), 90).convert("RGB"))
BLANK = np.zeros((SIDE, SIDE, 3), np.uint8)


def blurred(square: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(square).filter(ImageFilter.GaussianBlur(4)))


def features(*kinds: float) -> Floats:
    """Return features at these angles, in quarters of a turn: 1 - cosine is 1 between 0 and 1."""
    angles = np.array(kinds) * np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def found(*kinds: float, step: float = 0.5, squares: list[Pixels] | None = None) -> list[Shot]:
    times = [step * index for index in range(len(kinds))]
    squares = squares or len(kinds) * [SHARP]
    return find(squares, features(*kinds), times, times, step * len(kinds))


def spans(shots: list[Shot]) -> list[tuple[float, float]]:
    return [(shot.start, shot.end) for shot in shots]


def test_a_scene_begins_where_the_features_change() -> None:
    assert spans(found(0, 0, 0, 1, 1, 1)) == [(0, 1.5), (1.5, 3)]


def test_small_and_slow_changes_cut_nothing() -> None:
    assert len(found(0, 0.2, 0, 0.2, 0.1)) == 1
    assert len(found(*np.linspace(0, 0.5, 20))) == 1


def test_the_middle_of_a_fade_belongs_to_a_neighbour() -> None:
    assert spans(found(0, 0, 0, 0.52, 1, 1, 1)) == [(0, 1.5), (1.5, 3.5)]


def test_a_scene_that_is_too_short_belongs_to_the_nearer_neighbour() -> None:
    assert spans(found(0, 0, 0.7, 2, 2)) == [(0, 1.5), (1.5, 2.5)]
    assert len(found(0, 0, 1, 2, 2, step=1)) == 3  # these last a second each


def test_each_frame_may_be_a_scene_where_frames_are_far_apart() -> None:
    assert spans(found(0, 1, 2, step=3)) == [(0, 3), (3, 6), (6, 9)]


def test_a_scene_that_comes_again_names_the_first_one() -> None:
    shots = found(0, 0, 1, 1, 0, 0, 1, 1)
    assert [shot.repeats for shot in shots] == [None, None, 0, 1]


def test_blank_frames_belong_to_no_scene() -> None:
    squares = [BLANK, SHARP, SHARP, BLANK, BLANK, SHARP, SHARP]
    shots = found(3, 0, 0, 3, 3, 1, 1, squares=squares)
    assert spans(shots) == [(0.5, 1.5), (2.5, 3.5)]


def test_a_flash_does_not_cut_a_scene() -> None:
    squares = [SHARP, SHARP, BLANK, SHARP, SHARP]
    assert spans(found(0, 0, 3, 0, 0, squares=squares)) == [(0, 2.5)]


def test_only_blank_frames_are_one_scene() -> None:
    assert spans(found(0, 0, squares=[BLANK, BLANK])) == [(0, 1)]


def test_the_frame_nearest_to_the_mean_of_its_scene_shows_it() -> None:
    (shot,) = found(0, 0.1, 0.2, 0.3, 0.4)
    assert shot.frame == 2


def test_a_blurred_frame_shows_no_scene() -> None:
    squares = [SHARP, SHARP, blurred(SHARP), SHARP, SHARP]
    (shot,) = found(0, 0.1, 0.2, 0.25, 0.4, squares=squares)
    assert shot.frame == 3


def test_blur_lowers_sharpness() -> None:
    assert sharpness(blurred(SHARP)) < 0.1 * sharpness(SHARP)
    assert sharpness(BLANK) == 0


def test_features_of_no_length_are_no_error() -> None:
    nothing = np.zeros((3, 8), np.float32)
    assert find(3 * [SHARP], nothing, [0, 1, 2], [0, 1, 2], 3)


def test_a_single_frame_is_a_scene() -> None:
    assert found(0) == [Shot(0, 0.5, 0, None)]
    assert find([SHARP], features(0), [0.2], [0.2], 0) == [Shot(0.2, 0.2, 0, None)]


def test_a_scene_lasts_from_where_it_was_cut_to_the_next_cut() -> None:
    shots = find(4 * [SHARP], features(0, 0, 1, 1), [5.2, 5.7, 6.2, 6.7], [5, 5.6, 5.8, 6.4], 7)
    assert spans(shots) == [(5, 5.8), (5.8, 7)]


def test_frames_decide_whether_a_scene_is_too_short_and_not_where_it_was_cut() -> None:
    times, starts = [0, 0.5, 1, 1.5, 2], [0, 0.4, 0.6, 1.5, 2]
    assert len(find(5 * [SHARP], features(0, 0, 1, 2, 2), times, starts, 2.5)) == 2


@pytest.mark.parametrize("count", [2, 48])
def test_scenes_follow_one_another_in_time(count: int) -> None:
    chance = np.random.default_rng(count)
    shots = found(*chance.uniform(0, 2, count))
    assert [shot.start for shot in shots] == sorted(shot.start for shot in shots)
    assert all(one.end <= later.start for one, later in itertools.pairwise(shots))


def test_a_frame_in_which_one_scene_fades_into_another_is_no_scene() -> None:
    first, other, third = (
        np.asarray(Image.effect_noise((8, 8), 90).resize((SIDE, SIDE)).convert("RGB"))
        for _ in range(3)
    )
    mixed = np.asarray(Image.blend(Image.fromarray(first), Image.fromarray(other), 0.4))
    seen = (0.0, 0.0, 0.6, 1.25, 1.25)  # the features of the third frame are unlike both
    faded = found(*seen, step=3, squares=[first, first, mixed, other, other])
    assert spans(faded) == [(0, 9), (9, 15)]
    cut = found(*seen, step=3, squares=[first, first, third, other, other])
    assert spans(cut) == [(0, 6), (6, 9), (9, 15)]
