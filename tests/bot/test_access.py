"""Who may use the bot, and how often."""

import pytest

from bot.access import Access, Quota, Visitor
from bot.rates import Left, alone
from bot.replies import replies

ANN, BEN = Visitor("telegram", 7, 7), Visitor("telegram", 8, 8)
GROUP = Visitor("telegram", 9, -100)
SERVER = Visitor("discord", 9, 5, server=3)


async def test_everyone_is_allowed_by_default() -> None:
    assert await Access().refuse(ANN) is None


@pytest.mark.parametrize("allowed", ["discord:9", "discord:5", "discord:3"])
async def test_people_chats_and_servers_can_be_allowed(allowed: str) -> None:
    access = Access(allowed={allowed})

    assert access.admits(SERVER)
    assert not access.admits(Visitor("telegram", 9, 5))


@pytest.mark.parametrize("blocked", ["discord:9", "discord:5", "discord:3"])
async def test_a_blocked_visitor_gets_no_reply(blocked: str) -> None:
    access = Access(blocked={blocked}, allowed={"discord:9"})

    refusal = await access.refuse(SERVER)
    assert refusal is not None
    assert (refusal.kind, refusal.text) == ("blocked", None)
    assert not access.admits(SERVER)


async def test_a_visitor_who_is_not_allowed_is_told_once() -> None:
    access = Access(allowed={"telegram:8"})

    first, second = await access.refuse(ANN), await access.refuse(ANN)

    assert first is not None
    assert second is not None
    assert (first.kind, first.text) == ("not allowed", replies.NOT_ALLOWED)
    assert second.text is None
    assert await access.refuse(BEN) is None


async def test_a_person_above_the_rate_is_told_once_when_to_try_again() -> None:
    access = Access("2/minute", "100/minute")

    assert [await access.refuse(ANN, 1) for _ in range(2)] == [None, None]
    first, second = await access.refuse(ANN, 1), await access.refuse(ANN, 1)

    assert first is not None
    assert second is not None
    assert (first.kind, second.text) == ("too many", None)
    assert 0 < (first.retry_after or 0) <= 120
    assert first.text == replies.too_many(first.retry_after or 0)
    assert await access.refuse(BEN, 1) is None
    assert await access.refuse(ANN) is None  # words cost nothing


async def test_a_chat_has_a_rate_of_its_own() -> None:
    access = Access("100/minute", "2/minute")
    people = [Visitor("telegram", person, -100) for person in range(3)]

    refusals = [await access.refuse(person, 1) for person in people]

    assert refusals[:2] == [None, None]
    assert refusals[2] is not None


async def test_a_refused_photo_does_not_count_for_the_chat() -> None:
    access = Access("1/minute", "2/minute")
    ann, ben = Visitor("telegram", 7, -100), Visitor("telegram", 8, -100)

    assert await access.refuse(ann, 1) is None
    assert await access.refuse(ann, 1) is not None
    assert await access.refuse(ben, 1) is None


async def test_an_album_counts_each_picture_and_a_huge_album_still_passes() -> None:
    access = Access("5/minute", "50/minute")

    assert await access.refuse(ANN, 10) is None
    assert await access.refuse(ANN, 1) is not None
    assert await access.refuse(BEN, 3) is None
    assert await access.refuse(BEN, 3) is not None


async def test_operators_are_recognized_and_have_no_rate() -> None:
    access = Access("1/minute", "1/minute", operators={"telegram:7"}, allowed={"telegram:8"})

    assert access.is_operator(ANN)
    assert not access.is_operator(BEN)
    assert not access.is_operator(Visitor("discord", 7, 7))
    assert [await access.refuse(ANN, 1) for _ in range(3)] == [None, None, None]


async def test_what_was_counted_before_is_not_counted_again() -> None:
    access = Access("3/minute", "100/minute")

    assert await access.refuse(ANN, 1) is None
    assert await access.refuse(ANN, 3, counted=1) is None
    assert await access.refuse(ANN, 1) is not None
    assert await access.refuse(BEN, 1, counted=1) is None


async def test_the_wait_is_that_of_all_photos_which_will_come_again() -> None:
    clock = Clock()
    access = Access("10/minute", "100/minute", spend=alone(clock))

    assert await access.refuse(ANN, 5) is None
    clock.now += 10
    assert await access.refuse(ANN, 1) is None
    refusal = await access.refuse(ANN, 10, counted=1)

    assert refusal is not None
    assert refusal.retry_after == 60  # nine of them would be within the rate after 50
    clock.now += 60
    assert await access.refuse(ANN, 1) is None
    assert await access.refuse(ANN, 10, counted=1) is None


async def test_the_most_that_the_rates_ever_allow_at_once() -> None:
    access = Access("20/minute;30/hour", "25/minute", operators={"telegram:7"})

    assert access.most(BEN) == 20
    assert access.most(ANN) is None


async def test_quotas_say_what_is_left_of_the_tightest_rate_of_each_window() -> None:
    clock = Clock()
    access = Access("20/minute;30/hour", "10/minute", operators={"telegram:7"}, spend=alone(clock))
    await access.refuse(BEN, 4)

    assert access.quotas(BEN) == [Quota(10, 60, Left(6, 60)), Quota(30, 3600, Left(26, 3600))]
    assert access.quotas(ANN) == []
    assert Access(blocked={"telegram:8"}).quotas(BEN) == []


async def test_what_only_a_database_knows_is_not_guessed() -> None:
    async def spend(limits: object, photos: int) -> float:
        return 0.0

    assert Access("20/minute", "20/minute", spend=spend).quotas(ANN) == [Quota(20, 60, None)]


class Clock:
    """A clock that the test advances."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now
