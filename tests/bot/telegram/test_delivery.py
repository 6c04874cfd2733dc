"""Messages on Telegram that may have arrived: none is sent again blindly."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from telegram.error import BadRequest, NetworkError, TelegramError, TimedOut

from bot.replies import replies
from bot.store import inbox
from bot.telegram import adapter, sending
from bot.telegram.errors import unsent
from captioner import Caption, Options
from tests.bot.telegram.chat import (
    CAT,
    DOG,
    Store,
    caption_photo,
    command,
    open_store,
    running,
    settled,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    DROP,
    GROUP,
    FakeTelegram,
    Taken,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

LATE = Taken(failure(504, "late"), seconds=0.6)  # after the bot stopped waiting
WAYS = {"late": LATE, "cut": Taken(), "gateway": Taken(failure(502)), "server": Taken(failure(500))}
MOMENT = 0.2  # seconds, in which a message would be repeated


@pytest.fixture(autouse=True)
def quick_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(adapter, "REPLY_SECONDS", 0.3)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path, max_attempts=5) as store:
        yield store


def because(error: TelegramError, cause: Exception | None) -> TelegramError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "surely"),
    [
        (because(NetworkError("no route"), httpx.ConnectError("")), True),
        (because(TimedOut(), httpx.ConnectTimeout("")), True),
        (because(TimedOut(), httpx.PoolTimeout("")), True),
        (because(NetworkError("proxy"), httpx.ProxyError("")), True),
        (because(TimedOut(), httpx.ReadTimeout("")), False),
        (because(TimedOut(), httpx.WriteTimeout("")), False),
        (because(NetworkError("cut"), httpx.ReadError("")), False),
        (because(NetworkError("cut"), httpx.WriteError("")), False),
        (because(NetworkError("cut"), httpx.RemoteProtocolError("")), False),
        (NetworkError("Bad Gateway"), False),
        (TelegramError("Invalid server response"), False),
        (BadRequest("refused"), False),  # it did not arrive, and never will
    ],
)
def test_a_call_surely_did_not_arrive_if_there_was_no_connection_for_it(
    error: TelegramError, surely: bool
) -> None:
    assert unsent(error) is surely


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_that_arrived_without_the_bots_knowledge_is_not_repeated_soon(
    fake: FakeTelegram, store: Store, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake.failures["sendMessage"] = [WAYS[way]] * 20

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        async with asyncio.timeout(10):
            while "answer may have arrived" not in caplog.text:
                await asyncio.sleep(0.01)
        await asyncio.sleep(MOMENT)

    assert len(fake.of("sendMessage")) == 1
    assert await store.inbox.rows.counts() == {"open": 1}
    (row,) = await store.inbox.rows.having("open")
    assert row.attempts == 1


async def test_an_answer_that_may_have_arrived_is_sent_once_more_and_never_again(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.05)
    fake.failures["sendMessage"] = [Taken()] * 20

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await settled(store, **{"given up": 1})
        await asyncio.sleep(MOMENT)

    # No apology either: it would stand under the answer.
    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."] * 2
    (row,) = await store.inbox.rows.having("given up")
    assert row.reason is not None
    assert row.reason.startswith("the answer may have arrived")


async def test_an_answer_that_was_lost_on_the_way_arrives_with_the_second_attempt(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.05)
    fake.failures["sendMessage"] = [DROP]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await settled(store, answered=1)

    assert fake.latest()["text"] == "Photo 0."


async def test_a_restart_does_not_forget_that_an_answer_may_have_arrived(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.05)
    fake.failures["sendMessage"] = [Taken()] * 20

    for _ in range(3):
        async with running(telegram(fake, store)):
            if not fake.of("sendMessage"):
                await fake.send(photo=[fake.photo(DOG)])
            await fake.nth("sendMessage")
            await asyncio.sleep(MOMENT)

    assert len(fake.of("sendMessage")) == 2
    assert await store.inbox.rows.counts() == {"given up": 1}


async def test_an_answer_that_surely_did_not_arrive_is_sent_when_telegram_is_back(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    captioning, proceed = asyncio.Event(), asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        captioning.set()
        await proceed.wait()
        return await caption_photo(photo, options)

    async with running(telegram(fake, store, slow)):
        await fake.send(photo=[fake.photo(DOG)])
        await captioning.wait()
        async with fake.unreachable():
            proceed.set()
            async with asyncio.timeout(10):
                while "attempt failed" not in caplog.text:
                    await asyncio.sleep(0.01)
            (row,) = await store.inbox.rows.having("open")
        await settled(store, answered=1)

    assert row.reason is not None
    assert "ConnectError" in row.reason
    assert len(fake.of("sendMessage")) == 1


async def test_while_photos_cannot_be_fetched_nothing_is_said_and_later_all_is_answered(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getFile"] = [*[failure(502)] * sending.TRIES * 2]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await settled(store, answered=1)

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]


async def test_the_apology_is_sent_once_even_if_it_may_have_arrived(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getFile"] = [failure(502)] * 20
    fake.failures["sendMessage"] = [Taken()] * 20

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await settled(store, **{"given up": 1})
        await asyncio.sleep(MOMENT)

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.GIVEN_UP]


async def test_an_album_that_may_be_answered_is_answered_once_more_as_one(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.05)
    fake.failures["sendMessage"] = [Taken()] * 20

    async with running(telegram(fake, store)):
        for photo in (DOG, CAT):
            await fake.send(photo=[fake.photo(photo)], media_group_id="a")
        await settled(store, **{"given up": 2})

    assert [sent["text"] for sent in fake.of("sendMessage")] == ["1. Photo 0.\n2. Photo 1."] * 2


async def test_what_a_button_sends_is_sent_once_even_if_it_may_have_arrived(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.until(lambda: "reply_markup" in fake.latest())
        shown = fake.latest()
        fake.failures["sendPhoto"] = [Taken()] * 20
        fake.failures["sendMessage"] = [Taken(failure(502))] * 20
        await fake.press("look", shown)
        await fake.press("alt", shown)
        await fake.nth("answerCallbackQuery", 2)
        await asyncio.sleep(MOMENT)

    assert len(fake.of("sendPhoto")) == 1
    assert len(fake.of("sendMessage")) == 2
    # Nobody is told that it failed.
    assert all("text" not in told for told in fake.of("answerCallbackQuery"))


async def test_an_edit_that_may_have_arrived_is_made_again_which_changes_nothing(
    fake: FakeTelegram, store: Store
) -> None:
    same = failure(400, "Bad Request: message is not modified")
    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.until(lambda: "reply_markup" in fake.latest())
        shown = fake.latest()
        fake.failures["editMessageText"] = [LATE, Taken(), same]
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert shown["text"] == "Turn 1."
    assert "text" not in told
    assert len(fake.of("editMessageText")) == 3


async def test_a_button_whose_alert_is_lost_does_its_work_only_once(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.until(lambda: "reply_markup" in fake.latest())
        fake.failures["answerCallbackQuery"] = [failure(502)] * sending.TRIES
        await fake.press("alt", fake.latest())
        await settled(store, answered=2)

    assert len(fake.of("sendMessage")) == 2


async def test_a_goodbye_is_said_once_even_if_leaving_fails(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fake.failures["leaveChat"] = [failure(502)] * sending.TRIES

    async with running(telegram(fake, store, operators="telegram:7")):
        await fake.send(GROUP, ANN, **command("/leave"))
        await settled(store, answered=1)

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.LEAVING]
    assert "chat not left" in caplog.text
