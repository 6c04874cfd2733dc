"""The connection to Telegram: token, polling, and a clean stop."""

import asyncio

import pytest
from prometheus_client import REGISTRY

from bot.supervision import PlatformError
from bot.telegram import adapter
from bot.telegram.adapter import Telegram
from captioner import Caption, Options
from tests.bot.telegram.chat import (
    DOG,
    Store,
    caption_photo,
    running,
    send_album,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    DROP,
    TIMEOUT,
    FakeTelegram,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

MOMENT = 0.05  # seconds


def up() -> float | None:
    return REGISTRY.get_sample_value("captioner_platform_up", {"platform": "telegram"})


async def failing(bot: Telegram) -> str:
    """Run the bot until it fails, and return the message for the operator."""
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(bot.run(asyncio.Event()), TIMEOUT)
    return str(caught.value)


async def test_a_second_instance_is_reported_after_the_replies_in_flight_are_sent(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getUpdates"] = [None, failure(409, "Conflict: terminated by other getUpdates")]
    await fake.send(photo=[fake.photo(DOG)])

    told = await failing(telegram(fake, store))

    assert "another process polls with the same token" in told
    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]
    assert up() == 0


async def test_the_error_for_a_wrong_token_names_its_setting(
    fake: FakeTelegram, store: Store
) -> None:
    told = await failing(telegram(fake, store, telegram_bot_token="1:wrong"))

    assert "TELEGRAM_BOT_TOKEN" in told
    assert "1:wrong" not in told


async def test_a_token_that_is_revoked_ends_the_run(fake: FakeTelegram, store: Store) -> None:
    fake.failures["getUpdates"] = [None, failure(401, "Unauthorized")]
    await fake.send(text="Hello.")

    assert "TELEGRAM_BOT_TOKEN" in await failing(telegram(fake, store))


async def test_a_bot_that_failed_can_be_run_again(fake: FakeTelegram, store: Store) -> None:
    fake.failures["getMe"] = [failure(500, "starting")]
    bot = telegram(fake, store)

    assert f"{fake.url} does not serve the bot (starting)" in await failing(bot)
    async with running(bot):
        await fake.send(text="Hello.")
        await fake.nth("sendMessage")
        assert up() == 1
    assert up() == 0


async def test_the_error_for_an_unreachable_server_names_it(
    fake: FakeTelegram, store: Store
) -> None:
    bot = telegram(fake, store, telegram_api_url="http://127.0.0.1:9")

    assert "http://127.0.0.1:9 does not serve the bot" in await failing(bot)


async def test_polling_continues_after_the_network_was_down(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    flood = failure(429, "Too Many Requests", retry_after=1)
    fake.failures["getUpdates"] = [None, DROP, failure(502, "Bad Gateway"), flood]
    await fake.send(text="Hello.")

    async with running(telegram(fake, store)):
        await fake.nth("getUpdates", 5)
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage", 2)

    assert caplog.messages.count("connection lost; trying again") == 3
    assert "Traceback" not in caplog.text


async def test_a_stop_waits_for_the_replies_in_flight_and_confirms_their_updates(
    fake: FakeTelegram, store: Store
) -> None:
    started, done, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        started.set()
        await done.wait()
        return await caption_photo(photo, options)

    task = asyncio.create_task(telegram(fake, store, slow).run(stop))
    await fake.send(photo=[fake.photo(DOG)])
    await send_album(fake, [1, 2])
    await asyncio.wait_for(started.wait(), TIMEOUT)
    await fake.all_fetched()
    polls = len(fake.of("getUpdates"))
    stop.set()
    late = await fake.update(message=fake.message(text="Too late."))
    await asyncio.sleep(MOMENT)
    assert not task.done()
    done.set()
    await asyncio.wait_for(task, TIMEOUT)

    texts = {sent["text"] for sent in fake.of("sendMessage")}
    assert texts == {"Photo 0.", "1. Photo 1.\n2. Photo 2."}
    assert fake.confirmed == late["update_id"]
    assert len(fake.of("getUpdates")) == polls + 1


async def test_updates_stay_with_telegram_if_they_cannot_be_confirmed(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(text="Hello.")
        await fake.nth("sendMessage")
        await fake.all_fetched()
        fake.failures["getUpdates"] = [failure(500, "down")]

    (event,) = (one for one in caplog.records if "they may come again" in one.message)
    assert event.__dict__["reason"] == "down"


async def test_a_cancelled_run_ends_at_once(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "UPDATES_AT_ONCE", 2)
    started = asyncio.Event()

    async def endless(photo: bytes, options: Options) -> Caption:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    stop = asyncio.Event()
    task = asyncio.create_task(telegram(fake, store, endless).run(stop))
    for _ in range(4):  # two of them stay with Telegram
        await fake.send(photo=[fake.photo(DOG)])
    await asyncio.wait_for(started.wait(), TIMEOUT)
    stop.set()
    await asyncio.sleep(MOMENT)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TIMEOUT)
    assert not fake.of("sendMessage")
    assert len(asyncio.all_tasks()) < 10


async def test_check_returns_the_name_of_the_bot(fake: FakeTelegram, store: Store) -> None:
    assert await telegram(fake, store).check() == (
        "Telegram: @captions_bot; in groups it gets every message"
    )
    fake.bot["can_read_all_group_messages"] = False
    assert "only messages to it" in await telegram(fake, store).check()

    with pytest.raises(PlatformError, match="TELEGRAM_BOT_TOKEN"):
        await telegram(fake, store, telegram_bot_token="1:wrong").check()


async def test_polling_removes_a_webhook_that_was_set_before(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.nth("getUpdates")

    methods = [call.method for call in fake.calls]
    assert methods.index("deleteWebhook") < methods.index("getUpdates")
    assert "drop_pending_updates" not in fake.of("deleteWebhook")[0]
