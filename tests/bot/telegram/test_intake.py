"""Each message on Telegram is answered, whatever happens to the bot in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.replies import replies
from bot.store import inbox
from bot.store.inbox_rows import Key
from bot.supervision import keep_running
from bot.telegram import adapter, sending
from bot.telegram.identity import PLATFORM
from captioner import Caption, Options
from tests.bot.telegram.chat import (
    CAR,
    CAT,
    DOG,
    Store,
    caption_photo,
    captioned,
    open_store,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    GROUP,
    PRIVATE,
    TIMEOUT,
    FakeTelegram,
    Json,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


@pytest.fixture(autouse=True)
def quick_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path, max_attempts=3) as store:
        yield store


async def never(photo: bytes, options: Options) -> Caption:
    await asyncio.Event().wait()
    raise AssertionError


async def killed(fake: FakeTelegram, store: Store, *messages: Json) -> None:
    """Run a bot that fetches messages, and end it before it answers them."""
    task = asyncio.create_task(telegram(fake, store, never).run(asyncio.Event()))
    for message in messages:
        await fake.send(**message)
    await fake.all_fetched()
    task.cancel()
    await asyncio.wait({task})


async def killed_while_captioning(fake: FakeTelegram, store: Store) -> None:
    """Run a bot until its captioner has a photo, and end it there."""
    captioning = asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        captioning.set()
        return await never(photo, options)

    task = asyncio.create_task(telegram(fake, store, caption).run(asyncio.Event()))
    await asyncio.wait_for(captioning.wait(), TIMEOUT)
    task.cancel()
    await asyncio.wait({task})


async def state_of(store: Store, message: Json) -> str | None:
    wanted = Key("telegram", str(message["chat"]["id"]), str(message["message_id"]))
    rows = await store.inbox.rows.having("open", "answered", "given up")
    return next((row.state for row in rows if row.key == wanted), None)


async def test_messages_fetched_before_a_crash_are_answered_after_it(
    fake: FakeTelegram, store: Store
) -> None:
    photos = [{"photo": [fake.photo(photo)]} for photo in (DOG, CAT, CAR)]
    await killed(fake, store, *photos)
    assert fake.of("sendMessage") == []

    async with running(telegram(fake, store)):
        await fake.nth("sendMessage", 3)

    assert sorted(sent["text"] for sent in fake.of("sendMessage")) == [
        "Photo 0.",
        "Photo 1.",
        "Photo 2.",
    ]
    assert await store.inbox.rows.counts() == {"answered": 3}


async def test_an_album_that_a_crash_interrupted_still_gets_one_reply(
    fake: FakeTelegram, store: Store
) -> None:
    album = [{"photo": [fake.photo(photo)], "media_group_id": "a"} for photo in (DOG, CAT)]
    await killed(fake, store, *album)

    async with running(telegram(fake, store)):
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 0.\n2. Photo 1."
    assert len(fake.of("sendMessage")) == 1
    assert await store.inbox.rows.counts() == {"answered": 2}


async def test_telegram_keeps_updates_that_could_not_be_recorded(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await store.rows.run(lambda db: db.execute("PRAGMA query_only = ON"))
    await fake.send(photo=[fake.photo(DOG)])
    stop = asyncio.Event()
    bot = telegram(fake, store)

    kept = asyncio.create_task(keep_running(PLATFORM, bot.run, stop, TIMEOUT, pause=0.1))
    async with asyncio.timeout(TIMEOUT):
        while "a platform is down" not in caplog.text:
            await asyncio.sleep(0.01)
    assert fake.confirmed == 0
    assert fake.of("sendMessage") == []

    await store.rows.run(lambda db: db.execute("PRAGMA query_only = OFF"))
    assert (await fake.nth("sendMessage"))["text"] == "Photo 0."
    stop.set()
    await asyncio.wait_for(kept, TIMEOUT)
    down = [vars(record) for record in caplog.records if record.message == "a platform is down"]
    assert all(one["reason"].startswith("DATA_DIR: ") for one in down)
    assert "Traceback" not in caplog.text


async def test_an_update_that_arrives_twice_is_answered_once(
    fake: FakeTelegram, store: Store
) -> None:
    message = fake.message(photo=[fake.photo(DOG)])

    async with running(telegram(fake, store)):
        await fake.update(message=message)
        await fake.nth("sendMessage")
        await fake.update(message=message)
        await fake.send(photo=[fake.photo(CAT)])
        await fake.nth("sendMessage", 2)

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0.", "Photo 1."]


async def test_an_answer_that_was_not_delivered_is_tried_again_later(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    fake.failures["getFile"] = [failure(500, "down")] * sending.TRIES

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    (warning,) = (record for record in caplog.records if record.message == "attempt failed")
    assert (warning.__dict__["reason"], warning.levelname) == ("down", "WARNING")
    assert "Traceback" not in caplog.text


async def test_after_the_last_attempt_there_is_one_apology_and_the_operator_can_retry(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getFile"] = [failure(500, "down") for _ in range(sending.TRIES * 3)]

    async with running(telegram(fake, store)):
        asked = await fake.send(photo=[fake.photo(DOG)])
        apology = await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(CAT)])
        other = await fake.nth("sendMessage", 2)
        assert await state_of(store, asked) == "given up"
        (row,) = await store.inbox.rows.having("given up")
        assert await store.inbox.rows.retry(row.key)
        late = await fake.nth("sendMessage", 3)

    assert [apology["text"], other["text"], late["text"]] == [
        replies.GIVEN_UP,
        "Photo 1.",
        "Photo 0.",
    ]
    assert await store.inbox.rows.counts() == {"answered": 2}


async def test_a_photo_that_kills_the_process_each_time_is_given_up(
    fake: FakeTelegram, store: Store
) -> None:
    await fake.send(photo=[fake.photo(DOG)])
    for _ in range(store.inbox.max_attempts):
        await killed_while_captioning(fake, store)

    async with running(telegram(fake, store)):
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.GIVEN_UP
    assert await store.inbox.rows.counts() == {"given up": 1}


async def test_an_album_that_is_given_up_gets_one_apology(fake: FakeTelegram, store: Store) -> None:
    fake.failures["getFile"] = [failure(500, "down") for _ in range(sending.TRIES * 6)]

    async with running(telegram(fake, store)):
        for photo in (DOG, CAT):
            await fake.send(photo=[fake.photo(photo)], media_group_id="a")
        await fake.nth("sendMessage")

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.GIVEN_UP]
    assert await store.inbox.rows.counts() == {"given up": 2}


async def test_a_chat_that_is_closed_to_the_bot_is_not_tried_again(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["sendMessage"] = [failure(403, "Forbidden: bot was blocked by the user")]

    async with running(telegram(fake, store)):
        asked = await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(CAT)])
        await fake.nth("sendMessage", 2)

    assert len(fake.of("sendMessage")) == 2
    assert await state_of(store, asked) == "given up"


async def test_a_button_that_a_crash_interrupted_works_after_it(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
    task = asyncio.create_task(telegram(fake, store, never).run(asyncio.Event()))
    await fake.press("another:1", fake.latest())
    await fake.all_fetched()
    task.cancel()
    await asyncio.wait({task})

    fake.failures["answerCallbackQuery"] = [failure(400, "Bad Request: query is too old")]
    async with running(telegram(fake, store)):
        edited = await fake.nth("editMessageText")

    assert edited["text"] == "Turn 1."
    assert await store.inbox.rows.counts() == {"answered": 2}


async def test_what_people_say_to_each_other_is_not_recorded(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        chatter = await fake.send(GROUP, text="Shall we meet at noon?")
        asked = await fake.send(
            GROUP, photo=[fake.photo(DOG)], **captioned("@captions_bot what?", "@captions_bot")
        )
        await fake.nth("sendMessage")

    assert await state_of(store, chatter) is None
    assert await state_of(store, asked) == "answered"
    rows = await store.inbox.rows.having("answered")
    assert [row.reference for row in rows] == [None]


async def test_updates_beyond_the_limit_stay_with_telegram(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "UPDATES_AT_ONCE", 2)
    release = asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        await release.wait()
        return await caption_photo(photo, options)

    async with running(telegram(fake, store, slow)):
        for _ in range(5):
            await fake.send(photo=[fake.photo(DOG)])
        await fake.until(lambda: len(fake.fetched) == 2)
        open_now = (await store.inbox.rows.counts())["open"]
        release.set()
        await fake.nth("sendMessage", 5)

    assert open_now == 2


async def test_flood_control_in_one_chat_does_not_stop_another(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", GROUP["id"], True)
    fake.failures["sendMessage"] = [failure(429, "Too Many Requests", retry_after=1)]

    async with running(telegram(fake, store)):
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(CAT)])
        await fake.nth("sendMessage", 3)

    sent = [(sent["chat_id"], sent["text"]) for sent in fake.of("sendMessage")]
    assert sent == [
        (GROUP["id"], "Photo 0."),
        (PRIVATE["id"], "Photo 1."),
        (GROUP["id"], "Photo 0."),
    ]


async def test_a_long_pause_is_left_to_the_inbox(fake: FakeTelegram, store: Store) -> None:
    fake.failures["sendMessage"] = [failure(429, "Too Many Requests", retry_after=3600)]

    async with running(telegram(fake, store)):
        asked = await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")

    assert await state_of(store, asked) == "open"
    assert await store.inbox.due("telegram") == []
