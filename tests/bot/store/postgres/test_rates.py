"""Rates of several bots together."""

import asyncio

from bot.access import Access, Visitor
from bot.rates import Limit, alone
from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import PostgresRows
from bot.store.postgres.rates import shared
from tests.bot.postgres import PostgresServer

ANN = Limit("person telegram:7", 3, 60.0)


async def test_bots_count_together_and_say_when_there_is_room_again(database: Database) -> None:
    first, second = shared(database, alone()), shared(database, alone())

    assert await first([ANN], 1) == 0
    assert await second([ANN], 2) == 0
    assert 59 < await first([ANN], 1) <= 60
    assert 59 < await second([ANN], 100) <= 60  # all of it
    assert await first([Limit("person telegram:8", 3, 60.0)], 100) == 0
    assert await second([Limit("person telegram:8", 3, 60.0)], 1) > 0


async def test_of_many_at_once_as_many_pass_as_the_rate_allows(database: Database) -> None:
    spend = shared(database, alone())

    waits = await asyncio.gather(
        *(spend([ANN, Limit("chat telegram:7", 50, 60)], 1) for _ in range(20))
    )

    assert waits.count(0) == 3


async def test_each_of_several_rates_holds_and_what_is_refused_counts_for_none(
    database: Database,
) -> None:
    spend = shared(database, alone())
    minute, hour = Limit("a", 2, 1.5), Limit("a", 3, 3600.0)

    assert [await spend([minute, hour], 1) > 0 for _ in range(3)] == [False, False, True]
    await asyncio.sleep(1.5)
    assert await spend([minute, hour], 1) == 0
    assert await spend([minute, hour], 1) > 3000


async def test_the_wait_is_until_as_many_have_left_the_window(database: Database) -> None:
    spend = shared(database, alone())
    limit = Limit("a", 3, 60.0)
    for _ in range(3):
        assert await spend([limit], 1) == 0
        await asyncio.sleep(0.4)

    one, two = await spend([limit], 1), await spend([limit], 2)
    assert 0 < two - one < 20


async def test_what_no_rate_needs_is_swept(database: Database) -> None:
    spend = shared(database, alone())
    await spend([Limit("a", 3, 0.0), Limit("b", 3, 60.0)], 1)

    await PostgresRows(database).sweep(60)

    assert await database.run("SELECT name FROM captioner_spent") == [("b",)]


async def test_without_the_database_each_bot_counts_alone(
    database: Database, postgres: PostgresServer
) -> None:
    access = Access("2/minute", spend=shared(database, alone()))
    await asyncio.to_thread(postgres.stop)

    refusals = [await access.refuse(Visitor("telegram", 7, 7), 1) for _ in range(3)]

    assert [refusal and refusal.kind for refusal in refusals] == [None, None, "too many"]
