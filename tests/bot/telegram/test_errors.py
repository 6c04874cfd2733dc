"""Errors on Telegram: what is logged, and that the bot goes on."""

import logging

import pytest

from bot.replies import replies
from bot.telegram import sending
from tests.bot.telegram.chat import (
    DOG,
    Store,
    command,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    TOKEN,
    FakeTelegram,
    Json,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


@pytest.mark.parametrize(
    "refusal",
    [
        failure(403, "Forbidden: bot was kicked from the group chat"),
        failure(400, "Bad Request: chat not found"),
    ],
)
async def test_a_bot_that_was_removed_logs_it_once(
    fake: FakeTelegram, store: Store, refusal: Json, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fake.failures["sendMessage"] = [refusal]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")

    told = [record for record in caplog.records if record.message == "message given up"]
    assert [record.levelname for record in told] == ["INFO"]
    assert len(fake.of("sendMessage")) == 1


async def test_a_bug_is_logged_and_apologized_for_and_the_bot_goes_on(
    fake: FakeTelegram,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(platform: str, chat: str | int) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "auto", broken)

    async with running(telegram(fake, store)):
        await fake.send(**command("/settings"))
        apology = await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)

    assert (apology["text"], sent["text"]) == (replies.GIVEN_UP, "Photo 0.")
    assert "answer failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_neither_the_token_nor_names_are_logged(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.failures["sendMessage"] = [failure(500, f"at /bot{TOKEN}")]
    fake.failures["getFile"] = [None, *[failure(500, f"at /bot{TOKEN}")] * sending.TRIES]
    fake.failures["getUpdates"] = [None, failure(500, f"at /bot{TOKEN}")]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("getFile", 1 + sending.TRIES)

    events = {record.message: record.__dict__ for record in caplog.records}
    assert events["connected"]["bot"] == "captions_bot"
    assert events["connection lost; trying again"]["reason"] == "at /bot[token]"
    assert events["attempt failed"]["reason"] == "at /bot[token]"
    assert events["answer may have arrived"]["reason"] == "at /bot[token]"
    assert TOKEN not in caplog.text
    assert "Ann" not in caplog.text
