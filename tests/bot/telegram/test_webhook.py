"""The webhook of Telegram: its secret, a stop, and several processes that serve it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from bot.supervision import PlatformError
from bot.telegram import webhook
from bot.telegram.adapter import Telegram
from bot.telegram.webhook import SECRET_HEADER, secret_of
from tests.bot.telegram.chat import (
    DOG,
    PHOTOS,
    Store,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import TIMEOUT, TOKEN, FakeTelegram, Json, failure

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

URL = "https://bot.example"


@asynccontextmanager
async def posting(
    bot: Telegram, arrived: asyncio.Event | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the bot's webhook; yield a session that posts to it."""

    @web.middleware
    async def tell(request: web.Request, handler: Handler) -> web.StreamResponse:
        if arrived:
            arrived.set()
        return await handler(request)

    app = web.Application(middlewares=[tell])
    app.router.add_post("/telegram", bot.webhook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            yield session
    finally:
        await runner.cleanup()


async def post(session: aiohttp.ClientSession, secret: str, **fields: Any) -> int:
    headers = {SECRET_HEADER: secret}
    async with session.post("/telegram", headers=headers, **fields) as response:
        return response.status


def hello(fake: FakeTelegram) -> Json:
    return {"update_id": 1, "message": fake.message(text="Hello.")}


async def test_a_webhook_accepts_updates_only_with_its_secret(
    fake: FakeTelegram, store: Store
) -> None:
    bot = telegram(fake, store, telegram_webhook_url="https://bot.example/")
    update = {"update_id": 1, "message": fake.message(photo=[fake.photo(DOG)])}

    async with posting(bot) as session:
        assert await post(session, "", json=update) == 503
        async with running(bot):
            hook = await fake.nth("setWebhook")
            secret = hook["secret_token"]
            assert await post(session, "wrong", json=update) == 403
            assert await post(session, "", json=update) == 403
            assert await post(session, "schlüssel", json=update) == 403
            assert await post(session, secret, data=b"{") == 400
            assert await post(session, secret, json=[update]) == 400
            assert not fake.of("sendMessage")
            assert await post(session, secret, json=update) == 200
            await fake.nth("sendMessage")
        assert await post(session, secret, json=update) == 503

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]
    assert hook["url"] == f"{URL}/telegram"
    assert hook["allowed_updates"] == ["message", "channel_post", "callback_query"]
    assert not fake.of("getUpdates")


async def test_an_update_that_cannot_be_recorded_is_refused_so_that_telegram_sends_it_again(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    bot = telegram(fake, store, telegram_webhook_url="https://bot.example/")
    update = {"update_id": 1, "message": fake.message(photo=[fake.photo(DOG)])}

    async with posting(bot) as session, running(bot):
        secret = (await fake.nth("setWebhook"))["secret_token"]
        await store.rows.run(lambda db: db.execute("PRAGMA query_only = ON"))
        assert await post(session, secret, json=update) == 503
        await store.rows.run(lambda db: db.execute("PRAGMA query_only = OFF"))
        assert await post(session, secret, json=update) == 200
        await fake.nth("sendMessage")

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]
    (refused,) = (vars(one) for one in caplog.records if one.message == "update not accepted")
    assert refused["reason"].startswith("DATA_DIR: ")
    assert "Traceback" not in caplog.text


async def test_an_update_that_arrives_during_a_stop_is_refused(
    fake: FakeTelegram, store: Store
) -> None:
    bot = telegram(fake, store, telegram_webhook_url=URL)
    arrived, stopped = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"update_id":'
        await stopped.wait()
        yield b" 1}"

    async with posting(bot, arrived) as session:
        async with running(bot):
            secret = (await fake.nth("setWebhook"))["secret_token"]
            status = asyncio.create_task(post(session, secret, data=slowly()))
            await asyncio.wait_for(arrived.wait(), TIMEOUT)
        stopped.set()
        assert await asyncio.wait_for(status, TIMEOUT) == 503


async def test_every_process_with_a_token_has_its_secret_which_does_not_tell_the_token(
    fake: FakeTelegram, store: Store
) -> None:
    for number in (1, 2):
        async with running(telegram(fake, store, telegram_webhook_url=URL)):
            await fake.nth("setWebhook", number)

    first, second = [hook["secret_token"] for hook in fake.of("setWebhook")]
    assert first == second == secret_of(TOKEN)
    assert len(first) == 64
    assert not [part for part in TOKEN.split(":") if part in first]
    assert secret_of(f"{TOKEN}2") != first


async def test_processes_that_start_together_take_turns_to_set_the_webhook(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "PAUSE", 0.01)
    fake.failures["setWebhook"] = [
        failure(429, "Too Many Requests: retry after 1", retry_after=1),
        failure(409, "Conflict: terminated by other setWebhook"),
    ]
    bot = telegram(fake, store, telegram_webhook_url=URL)

    async with posting(bot) as session, running(bot):
        await fake.nth("setWebhook")
        assert (
            await post(session, secret_of(TOKEN), json=hello(fake)) == 200
        )  # also before it is set
        await fake.nth("setWebhook", 3)
        await fake.nth("sendMessage")


async def test_two_processes_serve_one_webhook_and_each_photo_is_answered_once(
    fake: FakeTelegram, store: Store
) -> None:
    fronts = [telegram(fake, store, telegram_webhook_url=URL) for _ in range(2)]
    updates = [
        {"update_id": number, "message": fake.message(photo=[fake.photo(photo)])}
        for number, photo in enumerate(PHOTOS)
    ]

    async with AsyncExitStack() as opened:
        sessions = [await opened.enter_async_context(posting(front)) for front in fronts]
        for front in fronts:
            await opened.enter_async_context(running(front))
        await fake.nth("setWebhook", 2)
        secret = fake.of("setWebhook")[0]["secret_token"]
        for number, update in enumerate(updates):
            assert await post(sessions[number % 2], secret, json=update) == 200
        # Telegram sends an update again if the answer to it was late: to whichever is next.
        again = [post(session, secret, json=one) for one in updates for session in sessions]
        assert set(await asyncio.gather(*again)) == {200}
        await fake.nth("sendMessage", len(updates))

    assert sorted(sent["text"] for sent in fake.of("sendMessage")) == [
        f"Photo {number}." for number in range(len(updates))
    ]


async def test_a_process_that_stops_leaves_the_webhook_to_the_others(
    fake: FakeTelegram, store: Store
) -> None:
    first, second = (telegram(fake, store, telegram_webhook_url=URL) for _ in range(2))

    async with posting(first) as gone, posting(second) as session, running(second):
        async with running(first):
            await fake.nth("setWebhook", 2)
        assert await post(gone, secret_of(TOKEN), json=hello(fake)) == 503
        assert await post(session, secret_of(TOKEN), json=hello(fake)) == 200
        await fake.nth("sendMessage")

    assert not fake.of("deleteWebhook")


async def test_the_error_for_a_refused_webhook_names_its_setting(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["setWebhook"] = [failure(400, "Bad Request: bad webhook: HTTPS url needed")]
    bot = telegram(fake, store, telegram_webhook_url="http://bot.example")

    with pytest.raises(PlatformError, match="Telegram refuses TELEGRAM_WEBHOOK_URL"):
        await asyncio.wait_for(bot.run(asyncio.Event()), TIMEOUT)
