"""Several bots on one database: a message has one bot at a time, and a bot that dies loses none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from bot.store import inbox as inbox_module
from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox
from bot.store.inbox_rows import Key
from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import PostgresRows
from tests.bot.store.test_inbox import FIRST, SECOND, Person, due, failing, state_of

LEASE = 1.0  # seconds


@pytest.fixture
async def bots(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Inbox]]:
    """Return the inboxes of two bots with short leases, which nothing extends."""
    monkeypatch.setattr(inbox_module, "FIRST_PAUSE", 0.0)
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(database_url)) for _ in range(2)]
        yield [Inbox(PostgresRows(database, LEASE)) for database in databases]


async def test_of_two_bots_that_get_a_message_one_has_it(bots: list[Inbox]) -> None:
    keys = [Key("telegram", "7", str(number)) for number in range(20)]

    won = [await asyncio.gather(*(bot.accept(key, {}) for bot in bots)) for key in keys]

    assert [sorted(one) for one in won] == [[False, True]] * 20


async def test_a_message_is_not_due_while_its_bot_lives_and_is_when_its_lease_has_run_out(
    bots: list[Inbox],
) -> None:
    first, second = bots
    await first.accept(FIRST, {"photo": 1})
    tending = asyncio.create_task(first.tend())
    await asyncio.sleep(2 * LEASE)
    assert await due(second) == []

    tending.cancel()  # as if the process had ended
    await asyncio.sleep(LEASE)

    assert [row.reference for row in await second.due("telegram")] == [{"photo": 1}]
    assert await due(first) == []


async def test_a_bot_that_stops_leaves_its_messages_to_others_at_once(bots: list[Inbox]) -> None:
    first, second = bots
    await first.accept(FIRST, {})

    await first.__aexit__(None, None, None)

    assert await due(second) == [FIRST]


async def test_each_message_that_is_due_goes_to_one_bot(bots: list[Inbox]) -> None:
    keys = {Key("telegram", "7", str(number)) for number in range(50)}
    async with Inbox(bots[0].rows) as ended:
        for key in keys:
            await ended.accept(key, {})

    first, second = await asyncio.gather(*(due(bot) for bot in bots))

    assert sorted(first + second) == sorted(keys)


async def test_a_bot_makes_no_attempt_at_a_message_that_another_has(bots: list[Inbox]) -> None:
    first, second = bots
    person, other = Person(), Person()
    await first.accept(FIRST, {})
    await asyncio.sleep(LEASE)
    assert await due(second) == [FIRST]

    await first.handle(FIRST, person.answer, person.apologize)
    await second.handle(FIRST, other.answer, other.apologize)

    assert (person.answers, other.answers) == (0, 1)
    assert (await state_of(first, FIRST)).attempts == 1


async def test_an_attempt_ends_before_another_bot_may_have_the_message(
    bots: list[Inbox], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = bots
    person = Person()
    await first.accept(FIRST, {})

    async def endless() -> None:
        await asyncio.Event().wait()

    await asyncio.wait_for(first.handle(FIRST, endless, person.apologize), LEASE)

    assert "lease could not be extended" in caplog.text
    await asyncio.sleep(LEASE / 3)
    assert await due(second) == [FIRST]
    assert person.apologies == 0


async def test_an_attempt_lasts_as_long_as_its_lease_is_extended(bots: list[Inbox]) -> None:
    first, second = bots
    person = Person()
    await first.accept(FIRST, {})
    tending = asyncio.create_task(first.tend())

    async def slow() -> None:
        await asyncio.sleep(2 * LEASE)
        await person.answer()

    await first.handle(FIRST, slow, person.apologize)
    tending.cancel()

    assert person.answers == 1
    assert (await state_of(second, FIRST)).state == "answered"


async def test_any_bot_makes_the_next_attempt_at_a_message_that_failed(bots: list[Inbox]) -> None:
    first, second = bots
    person = Person()
    await first.accept(FIRST, {})
    await first.handle(FIRST, failing(OSError("down")), person.apologize)

    assert await due(second) == [FIRST]
    assert await due(first) == []
    await second.handle(FIRST, person.answer, person.apologize)
    assert person.answers == 1


async def test_what_a_bot_answered_is_answered_even_if_another_has_the_message(
    bots: list[Inbox],
) -> None:
    first, second = bots
    other = Person()
    await first.accept(FIRST, {})
    await asyncio.sleep(LEASE)
    assert await due(second) == [FIRST]

    await first.settle(FIRST, "answered")
    await second.handle(FIRST, other.answer, other.apologize)

    assert other.answers == 0
    assert (await state_of(second, FIRST)).state == "answered"


async def test_an_answer_that_could_not_be_recorded_is_recorded_later(
    bots: list[Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = bots
    person = Person()
    await first.accept(FIRST, {})

    async def lost(*values: object) -> None:
        raise DatabaseError("DATABASE_URL: postgresql://", "it cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(first.rows, "settle", lost)
        await first.handle(FIRST, person.answer, person.apologize)
        with suppress(DatabaseError):
            await due(first)

    assert await due(first) == []
    assert (await state_of(first, FIRST)).state == "answered"


async def test_messages_of_a_group_go_to_the_bot_that_has_the_first(bots: list[Inbox]) -> None:
    first, second = bots
    assert await first.accept(FIRST, {}, "album")
    assert not await second.accept(SECOND, {}, "album")
    assert await second.accept(Key("telegram", "8", "1"), {}, "album")

    assert await due(second) == []
    assert await due(first) == [SECOND]


async def test_of_bots_that_get_messages_of_a_group_at_once_one_has_them_all(
    bots: list[Inbox],
) -> None:
    for number in range(10):
        keys = [Key("telegram", "7", f"{number} {part}") for part in range(4)]
        accepting = (bots[part % 2].accept(key, {}, f"{number}") for part, key in enumerate(keys))
        new = await asyncio.gather(*accepting)
        assert new in ([True, False, True, False], [False, True, False, True])


async def test_text_that_postgresql_does_not_take_is_kept_without_it(bots: list[Inbox]) -> None:
    reference = {"text": "\0 and \ud800"}
    await bots[0].accept(FIRST, reference)
    await bots[0].rows.postpone(FIRST, 0, "it said \0 and \ud800")

    (row,) = await bots[1].due("telegram")
    assert row.reference == reference
    assert row.reason == "it said  and ?"
