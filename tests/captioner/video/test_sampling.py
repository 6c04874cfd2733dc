"""Which moments are looked at, and which packets are decoded for them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.video.sampling import END, Packet, guessed, has_few_keys, moments, needed


def packets(*groups: int, rate: float = 10) -> list[Packet]:
    """Return groups of as many packets as given, each with a keyframe first."""
    flags = [index == 0 for count in groups for index in range(count)]
    return [Packet(index / rate, flag) for index, flag in enumerate(flags)]


@given(st.floats(0, 100), st.floats(0, 600), st.integers(1, 240))
def test_moments_are_even_and_within_the_seconds_that_are_looked_at(
    start: float, length: float, most: int
) -> None:
    found = moments(start, start + length, most)
    assert 1 <= len(found) <= most
    assert all(start <= moment <= start + length for moment in found)
    steps = [later - one for one, later in itertools.pairwise(found)]
    assert steps == pytest.approx(len(steps) * [length / len(found)])


def test_two_frames_a_second_are_looked_at() -> None:
    assert moments(0, 2, 48) == [0.25, 0.75, 1.25, 1.75]
    assert moments(3, 4, 48) == [3.25, 3.75]
    assert moments(0, 0.04, 48) == [0.02]
    assert moments(0, 2, 1) == [1]


@pytest.mark.parametrize(
    ("groups", "few"),
    [
        ([10, 10, 10], False),
        ([33, 33, 33], True),
        ([83, 83, 50], True),  # at fixed times: scenes between them would be missed
        ([83, 83, 50, 83, 40], False),  # some came early, where scenes were cut
        ([130, 130, 50, 130], True),
        ([32], True),
        ([31], False),
    ],
)
def test_keyframes_are_few_if_scenes_between_them_would_be_missed(
    groups: list[int], few: bool
) -> None:
    assert has_few_keys(packets(*groups)) == few


def test_frames_after_the_last_moment_of_a_group_are_not_needed() -> None:
    assert needed(packets(5, 5), [0.2, 0.7], 100) == 2 * [*3 * [True], False, False]


def test_groups_without_a_moment_are_not_needed() -> None:
    found = needed(packets(*10 * [1]), [0.1, 0.55], 100)
    assert [index for index, use in enumerate(found) if use] == [1, 5]


def test_frames_that_are_shown_in_another_order_are_decoded_up_to_the_one_that_is_shown() -> None:
    order = [0.0, 0.4, 0.2, 0.1, 0.3]
    known = [Packet(seconds, index == 0) for index, seconds in enumerate(order)]
    assert needed(known, [0.1], 100) == [True, True, True, True, False]


def test_where_all_are_too_many_each_keyframe_is_followed_as_far_as_the_others() -> None:
    found = needed(packets(10, 10), [0.9, 1.9], 6)
    assert found == 2 * [*3 * [True], *7 * [False]]


def test_the_end_is_decoded_whole_if_it_is_a_small_part() -> None:
    known = packets(40, 40, 10)
    found = needed(known, [3.9, 7.9, 8.9], 50)
    assert found == 2 * [*20 * [True], *20 * [False]] + 10 * [True]
    assert sum(needed(known, [3.9, 7.9, 8.9], 30)) == 30


def test_keyframes_are_decoded_at_any_rate() -> None:
    assert needed(packets(10, 10), [0.9, 1.9], 0) == 2 * [True, *9 * [False]]


def test_the_first_packet_counts_as_a_keyframe() -> None:
    assert needed([Packet(0, False), Packet(0.1, False)], [0.2], 10) == [True, True]


def test_a_cut_that_was_not_decoded_is_guessed_at_a_keyframe_that_came_early() -> None:
    known = packets(10, 10, 4, 10, 10)
    use = needed(known, [0.45, 1.45, 2.05, 2.45, 3.45], 100)
    # After groups of a second, in the middle; after one of 0.4 seconds, at the keyframe.
    assert guessed(known, use) == pytest.approx({1: 0.75, 2: 1.75, 2.4: 2.4, 3.4: 2.95})


def test_a_keyframe_in_what_was_not_decoded_may_be_a_cut() -> None:
    known = packets(10, 10, 4, 10, 10)
    use = [index == 0 or index >= 34 for index in range(len(known))]
    assert guessed(known, use) == {3.4: 2.4}


def test_where_everything_is_decoded_nothing_is_guessed() -> None:
    assert guessed(packets(10, 10), 20 * [True]) == {}


@given(
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1),
    st.integers(0, 50),
)
def test_something_is_needed_of_any_video_and_not_much_more_than_the_most(
    known: list[tuple[float, bool]], most: int
) -> None:
    found = needed([Packet(*one) for one in known], moments(0, 10, 48), most)
    assert any(found)
    keys = sum(key or not index for index, (_, key) in enumerate(known))
    assert sum(found) <= max(most, keys + END * most)
