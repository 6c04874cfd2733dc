"""Replies on Telegram: where they go, flood control, retries, and typing."""

import asyncio

import pytest

from bot.telegram import sending
from captioner import Caption, Options
from tests.bot.telegram.chat import (
    DOG,
    Store,
    caption_photo,
    command,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    DROP,
    GROUP,
    FakeTelegram,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

MOMENT = 0.05  # seconds


async def test_typing_is_shown_until_the_answer_is_sent(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TYPING_SECONDS", 0.01)
    fake.failures["sendChatAction"] = [failure(429, "Too Many Requests", retry_after=60)]
    done = asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        await done.wait()
        return await caption_photo(photo, options)

    async with running(telegram(fake, store, slow)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendChatAction", 3)
        assert not fake.of("sendMessage")
        done.set()
        await fake.nth("sendMessage")
        shown = len(fake.of("sendChatAction"))
        await asyncio.sleep(MOMENT)
        assert len(fake.of("sendChatAction")) == shown


async def test_an_answer_stays_in_its_topic(fake: FakeTelegram, store: Store) -> None:
    photo = fake.message(GROUP, photo=[fake.photo(DOG)], message_thread_id=5)
    asked = {**command("/caption"), "reply_to_message": photo, "message_thread_id": 5}

    async with running(telegram(fake, store)):
        await fake.send(GROUP, **asked, is_topic_message=True)
        assert (await fake.nth("sendMessage"))["message_thread_id"] == 5
        # Nothing can be sent to a thread of replies outside topics.
        await fake.send(GROUP, **asked)
        assert "message_thread_id" not in await fake.nth("sendMessage", 2)

    threads = [shown.get("message_thread_id") for shown in fake.of("sendChatAction")]
    assert threads == [5, None]


async def test_an_answer_follows_a_group_that_migrated_meanwhile(
    fake: FakeTelegram, store: Store
) -> None:
    old = {**GROUP, "id": -5, "type": "group"}
    await store.set_auto("telegram", -5, True)
    fake.failures["sendMessage"] = [failure(400, "migrated", migrate_to_chat_id=-100)]

    async with running(telegram(fake, store)):
        await fake.send(old, photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)

    assert (sent["chat_id"], sent["text"]) == (-100, "Photo 0.")
    assert "reply_parameters" not in sent
    assert await store.auto("telegram", -100)


async def test_flood_control_delays_the_answer(fake: FakeTelegram, store: Store) -> None:
    fake.failures["sendMessage"] = [failure(429, "Too Many Requests", retry_after=0.2)]
    clock = asyncio.get_running_loop().time

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        refused = clock()
        sent = await fake.nth("sendMessage", 2)

    assert sent["text"] == "Photo 0."
    assert clock() - refused >= 0.2


async def test_an_answer_is_sent_although_the_server_fails_for_a_moment(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getFile"] = [failure(502, "Bad Gateway"), DROP]
    fake.failures["file"] = [failure(500)]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert len(fake.of("sendMessage")) == 1
