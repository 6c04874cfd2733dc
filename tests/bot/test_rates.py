"""Rates hold in every window of time, whatever the machine's clock says."""

import time

import pytest

from bot.access import Access, Visitor
from bot.rates import Left, Limit, Rate, alone

ANN = Visitor("telegram", 7, 7)


class Clock:
    """A clock that the test advances."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def passed(access: Access, photos: int) -> int:
    """Send photos one by one; return how many were accepted."""
    return [await access.refuse(ANN, 1) for _ in range(photos)].count(None)


@pytest.mark.parametrize("text", ["5/minute;20/hour", "20 per hour, 5 per minute"])
async def test_of_several_rates_each_holds(text: str, clock: Clock) -> None:
    access = Access(text, "1000/minute", spend=alone(clock))
    accepted = []

    for _ in range(60):
        accepted.append(await passed(access, 10))
        clock.now += 60

    assert accepted == [5, 5, 5, 5, *[0] * 56]
    assert await passed(access, 10) == 5


async def test_no_window_has_more_than_the_rate(clock: Clock) -> None:
    access = Access("20/minute", "1000/minute", spend=alone(clock))
    accepted = []

    for _ in range(300):
        accepted.append(await passed(access, 2))
        clock.now += 1

    assert max(sum(accepted[start : start + 60]) for start in range(240)) == 20
    assert sum(accepted) == 100  # 20 in each of five minutes


def test_after_the_wait_there_is_room(clock: Clock) -> None:
    rate = Rate(3, 60, clock)
    for _ in range(3):
        rate.count("ann", 1)
        clock.now += 10

    assert rate.wait("ann", 1) == 30
    assert rate.wait("ann", 2) == 40
    assert rate.wait("ann", 50) == 50  # all of it
    clock.now += 30
    assert rate.wait("ann", 1) == 0
    assert rate.wait("ann", 2) == 10


@pytest.mark.parametrize("step", [-86_400, -60, 60, 86_400, 10**9])
async def test_setting_the_machines_clock_frees_nobody_and_locks_nobody_out(
    step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, real = Access("2/hour", "2/hour"), time.time
    assert await passed(access, 2) == 2

    monkeypatch.setattr(time, "time", lambda: real() + step)
    refusal = await access.refuse(ANN, 1)

    assert refusal is not None
    assert 3590 < (refusal.retry_after or 0) <= 3600


def test_who_does_not_come_back_is_forgotten(clock: Clock) -> None:
    rate = Rate(5, 60, clock)
    for person in range(1000):
        rate.count(f"person {person}", 1)
        clock.now += 1

    assert rate.wait("another", 1) == 0
    assert len(rate) == 59


async def test_what_is_left_grows_as_the_window_passes(clock: Clock) -> None:
    counts, limit = alone(clock), Limit("ann", 3, 60)

    assert counts.left(limit) == Left(3, 0)
    for _ in range(2):
        assert await counts([limit], 1) == 0
        clock.now += 10
    assert counts.left(limit) == Left(1, 40)
    assert await counts([limit], 2) == 40
    assert counts.left(limit) == Left(1, 40)  # what is refused takes nothing
    clock.now += 40
    assert counts.left(limit) == Left(2, 10)
    clock.now += 10
    assert counts.left(limit) == Left(3, 0)
    assert await counts([limit], 50) == 0
    assert counts.left(limit) == Left(0, 60)
