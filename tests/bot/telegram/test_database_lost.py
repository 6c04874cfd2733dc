"""A shared database that is lost for a while: each photo gets its answer once it is back."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.store import inbox as inbox_module
from bot.store.postgres.database import Database
from bot.telegram import adapter
from bot.telegram.webhook import secret_of
from tests.bot.postgres import PostgresServer
from tests.bot.telegram.chat import CAT, DOG, running, telegram
from tests.bot.telegram.fake_telegram import TIMEOUT, TOKEN, FakeTelegram
from tests.bot.telegram.test_fronts import SharedStore
from tests.bot.telegram.test_webhook import post, posting


@pytest.fixture
async def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(adapter, "LOST_PAUSE", 0.1)
    monkeypatch.setattr(inbox_module, "POLL_SECONDS", 0.1)
    async with Database(database_url) as database:
        yield database


async def lost(database: Database) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not database.lost:
            await asyncio.sleep(0.02)


async def test_polling_goes_on_where_it_was(
    fake: FakeTelegram, database: Database, postgres: PostgresServer
) -> None:
    async with running(telegram(fake, SharedStore(database))):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        await asyncio.to_thread(postgres.stop)
        await fake.send(photo=[fake.photo(CAT)])
        await lost(database)
        await asyncio.to_thread(postgres.start)
        await fake.nth("sendMessage", 2)
        await fake.all_fetched()

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0.", "Photo 1."]
    assert len(fake.of("deleteWebhook")) == 1  # the bot did not start again


async def test_a_webhook_is_refused_until_it_is_back(
    fake: FakeTelegram, database: Database, postgres: PostgresServer
) -> None:
    bot = telegram(fake, SharedStore(database), telegram_webhook_url="https://bot.example")
    update = {"update_id": 1, "message": fake.message(photo=[fake.photo(DOG)])}

    async with posting(bot) as session, running(bot):
        await fake.nth("setWebhook")
        await asyncio.to_thread(postgres.stop)
        assert await post(session, secret_of(TOKEN), json=update) == 503
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(TIMEOUT):
            while await post(session, secret_of(TOKEN), json=update) != 200:
                await asyncio.sleep(0.1)
        await fake.nth("sendMessage")

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]
    assert len(fake.of("setWebhook")) == 1
