"""Lanes: several bots take turns."""

import asyncio

import pytest

from bot.store.errors import DatabaseError
from bot.store.postgres.database import Database
from bot.store.postgres.lanes import lanes
from tests.bot.postgres import PostgresServer


async def test_a_lane_has_one_bot_at_a_time_and_others_are_free(database: Database) -> None:
    first, second = lanes(database), lanes(database)
    inside = []

    async def wait() -> None:
        async with second(1):
            inside.append(1)

    async with first(1):
        waiting = asyncio.create_task(wait())
        async with second(2):
            await asyncio.sleep(0.1)
        assert inside == []
    await asyncio.wait_for(waiting, 5)
    assert inside == [1]


async def test_a_bot_that_no_longer_waits_takes_no_lane(database: Database) -> None:
    first, second = lanes(database), lanes(database)
    async with first(1):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), second(1):
                pass
    async with asyncio.timeout(5), second(1):
        pass


async def test_lanes_need_the_database(database: Database, postgres: PostgresServer) -> None:
    lane = lanes(database)
    await asyncio.to_thread(postgres.stop)
    with pytest.raises(DatabaseError, match=r"^DATABASE_URL: "):
        async with lane(1):
            pass
