"""Replies on Telegram: where they go, flood control, retries, and typing."""

import asyncio

import pytest

from bot.telegram import sending
from captioner import Caption, Options
from tests.bot.telegram.chat import (
    DOG,
    Kept,
    command,
    running,
    say,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    DROP,
    GROUP,
    FakeTelegram,
    failure,
)

# The library warns of its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

HARDLY = 0.05  # seconds


async def test_typing_is_shown_again_until_the_answer_is_there(
    fake: FakeTelegram, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TYPING_SECONDS", 0.01)
    fake.failures["sendChatAction"] = [failure(429, "Too Many Requests", retry_after=60)]
    done = asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        await done.wait()
        return await say(photo, options)

    async with running(telegram(fake, kept, slow)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendChatAction", 3)
        assert not fake.of("sendMessage")
        done.set()
        await fake.nth("sendMessage")
        shown = len(fake.of("sendChatAction"))
        await asyncio.sleep(HARDLY)
        assert len(fake.of("sendChatAction")) == shown


async def test_an_answer_stays_in_its_topic(fake: FakeTelegram, kept: Kept) -> None:
    photo = fake.message(GROUP, photo=[fake.photo(DOG)], message_thread_id=5)
    asked = {**command("/caption"), "reply_to_message": photo, "message_thread_id": 5}

    async with running(telegram(fake, kept)):
        await fake.send(GROUP, **asked, is_topic_message=True)
        assert (await fake.nth("sendMessage"))["message_thread_id"] == 5
        # A thread of replies outside of topics is no place to send to.
        await fake.send(GROUP, **asked)
        assert "message_thread_id" not in await fake.nth("sendMessage", 2)

    threads = [shown.get("message_thread_id") for shown in fake.of("sendChatAction")]
    assert threads == [5, None]


async def test_an_answer_follows_a_group_that_migrated_meanwhile(
    fake: FakeTelegram, kept: Kept
) -> None:
    old = {**GROUP, "id": -5, "type": "group"}
    await kept.set_auto("telegram", -5, True)
    fake.failures["sendMessage"] = [failure(400, "migrated", migrate_to_chat_id=-100)]

    async with running(telegram(fake, kept)):
        await fake.send(old, photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)

    assert (sent["chat_id"], sent["text"]) == (-100, "Photo 0.")
    assert "reply_parameters" not in sent
    assert await kept.auto("telegram", -100)


async def test_flood_control_delays_the_answer(fake: FakeTelegram, kept: Kept) -> None:
    fake.failures["sendMessage"] = [failure(429, "Too Many Requests", retry_after=0.2)]
    clock = asyncio.get_running_loop().time

    async with running(telegram(fake, kept)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        refused = clock()
        sent = await fake.nth("sendMessage", 2)

    assert sent["text"] == "Photo 0."
    assert clock() - refused >= 0.2


async def test_an_answer_survives_a_server_that_fails_for_a_moment(
    fake: FakeTelegram, kept: Kept
) -> None:
    fake.failures["getFile"] = [failure(502, "Bad Gateway")]
    fake.failures["file"] = [failure(500)]
    fake.failures["sendMessage"] = [failure(500), DROP]

    async with running(telegram(fake, kept)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 3)

    assert sent["text"] == "Photo 0."
    assert len(fake.of("sendMessage")) == 3
