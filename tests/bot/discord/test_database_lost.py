"""A shared database that is lost for a while: the connection stays, and no photo is lost."""

import asyncio
from dataclasses import replace

import pytest

from bot.discord import backfill
from bot.discord.adapter import Discord
from bot.replies import replies
from bot.store import inbox as inbox_module
from bot.store.inbox import Inbox
from bot.store.postgres.chat_settings import PostgresChatSettings
from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import PostgresRows
from tests.bot.discord.world import World
from tests.bot.postgres import PostgresServer


async def test_a_photo_that_comes_while_the_database_is_lost_is_answered_once_it_is_back(
    world: World, postgres: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "LOST_SECONDS", 0.1)
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.1)
    async with Database(database_url) as database:
        services = replace(
            world.services(),
            inbox=Inbox(PostgresRows(database)),
            chat_settings=PostgresChatSettings(database),
        )
        async with world.running(Discord(services)):
            await world.captioned(0)  # the channel is watched from now on
            await asyncio.to_thread(postgres.stop)
            await world.photo(1)
            async with asyncio.timeout(20):
                while not database.lost:
                    await asyncio.sleep(0.02)
            await asyncio.to_thread(postgres.start)

            async with asyncio.timeout(30):
                while world.bot_messages()[-1]["content"] != "Two children play.":
                    await asyncio.sleep(0.05)
        assert len(world.fake.identified) == 1
    assert [one["content"] for one in world.bot_messages()] == [
        "A dog runs.",
        replies.FAILED,
        "Two children play.",
    ]
