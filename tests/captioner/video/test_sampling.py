"""Which moments are looked at, and which packets are decoded for them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.video.sampling import MOST_FRAMES, MOST_SECONDS, Packet, moments, needed


def packets(*groups: int, rate: float = 10) -> list[Packet]:
    """Return groups of so many packets, each with a keyframe first."""
    flags = [index == 0 for count in groups for index in range(count)]
    return [Packet(index / rate, flag) for index, flag in enumerate(flags)]


@given(st.floats(0, 10**6))
def test_moments_are_even_and_within_the_seconds_that_are_looked_at(seconds: float) -> None:
    found = moments(seconds)
    looked = min(seconds, MOST_SECONDS)
    assert 1 <= len(found) <= MOST_FRAMES
    assert all(0 <= moment <= looked for moment in found)
    steps = [later - one for one, later in itertools.pairwise(found)]
    assert steps == pytest.approx(len(steps) * [looked / len(found)])


def test_two_frames_a_second_are_looked_at() -> None:
    assert moments(2) == [0.25, 0.75, 1.25, 1.75]
    assert moments(0.04) == [0.02]


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


def test_keyframes_are_decoded_at_any_rate() -> None:
    assert needed(packets(10, 10), [0.9, 1.9], 0) == 2 * [True, *9 * [False]]


def test_the_first_packet_counts_as_a_keyframe() -> None:
    assert needed([Packet(0, False), Packet(0.1, False)], [0.2], 10) == [True, True]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1),
    st.integers(0, 50),
)
def test_something_is_needed_of_any_video(known: list[tuple[float, bool]], most: int) -> None:
    found = needed([Packet(*one) for one in known], moments(10), most)
    assert any(found)
    assert sum(found) <= max(most, len(known))
