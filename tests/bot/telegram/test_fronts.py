"""Several bots behind one webhook, on one database: each message gets one answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from bot import languages
from bot.replies import replies
from bot.store.inbox import Inbox
from bot.store.postgres.chat_settings import PostgresChatSettings
from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import PostgresRows
from tests.bot.telegram.chat import running, telegram
from tests.bot.telegram.fake_telegram import TIMEOUT, FakeTelegram, Json
from tests.bot.telegram.test_webhook import post, posting
from tests.conftest import photo_bytes


class SharedStore(PostgresChatSettings):
    """The chat settings and the inbox of a bot."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.inbox = Inbox(PostgresRows(database))


class Front:
    """A bot that runs, and accepts updates."""

    def __init__(self, session: aiohttp.ClientSession, store: SharedStore, secret: str) -> None:
        self.session, self.store, self.secret = session, store, secret

    async def accept(self, number: int, message: Json) -> None:
        update = {"update_id": number, "message": message}
        assert await post(self.session, self.secret, json=update) == 200


@pytest.fixture
async def fronts(fake: FakeTelegram, database_url: str) -> AsyncIterator[list[Front]]:
    """Return two bots that run."""
    async with AsyncExitStack() as stack:
        found = []
        for number in (1, 2):
            store = SharedStore(await stack.enter_async_context(Database(database_url)))
            bot = telegram(fake, store, telegram_webhook_url="https://bot.example")
            session = await stack.enter_async_context(posting(bot))
            await stack.enter_async_context(running(bot))
            secret = (await fake.nth("setWebhook", number))["secret_token"]
            found.append(Front(session, store, secret))
        yield found


async def answered(front: Front, messages: int) -> None:
    async with asyncio.timeout(TIMEOUT):
        while await front.store.inbox.rows.counts() != {"answered": messages}:
            await asyncio.sleep(0.02)


async def test_a_message_that_reaches_two_bots_gets_one_answer(
    fake: FakeTelegram, fronts: list[Front]
) -> None:
    messages = [fake.message(photo=[fake.photo(photo_bytes(seed))]) for seed in range(5)]

    for number, message in enumerate(messages):
        await asyncio.gather(*(front.accept(number, message) for front in fronts))
    await answered(fronts[0], 5)

    assert len(fake.of("sendMessage")) == 5


@pytest.mark.parametrize("together", [True, False])
async def test_an_album_that_reaches_two_bots_gets_one_answer(
    fake: FakeTelegram, fronts: list[Front], together: bool
) -> None:
    parts: list[Any] = [
        fake.message(photo=[fake.photo(photo_bytes(seed))], media_group_id="a") for seed in range(5)
    ]

    accepting = [fronts[number % 2].accept(number, part) for number, part in enumerate(parts)]
    if together:
        await asyncio.gather(*accepting)
    else:
        for one in accepting:
            await one
    await answered(fronts[0], 5)

    (sent,) = fake.of("sendMessage")
    assert [f"Photo {seed}." in sent["text"] for seed in range(5)] == [True] * 5


async def test_a_language_that_one_bot_set_is_spoken_by_the_other(
    fake: FakeTelegram, fronts: list[Front]
) -> None:
    message = fake.message(text="?")
    await fronts[0].store.set_language("telegram", message["chat"]["id"], "de")

    await fronts[1].accept(1, message)

    sent = await fake.nth("sendMessage")
    with languages.speaking("de"):
        assert sent["text"] == replies.HINT
