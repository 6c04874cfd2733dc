"""Everyone on Telegram reads their own language."""

import asyncio

import pytest

from bot.replies import replies
from bot.store import inbox
from bot.store.inbox_rows import Key
from captioner import Busy, Caption, Options
from tests.bot.speaking import said
from tests.bot.telegram.chat import (
    CAT,
    DOG,
    Store,
    caption_photo,
    command,
    labels,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    BEN_PRIVATE,
    PRIVATE,
    FakeTelegram,
    failure,
)
from tests.bot.telegram.speakers import ANNA, BENOIT, in_words, wording

pytestmark = [
    pytest.mark.usefixtures("translated"),
    # The library warns about its own use of RetryAfter.
    pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning"),
]


async def test_a_person_whose_telegram_is_german_reads_german(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, in_words)):
        await fake.send(sender=ANNA, photo=[fake.photo(DOG)])
        captioned = await fake.nth("sendMessage")
        await fake.send(sender=ANNA, **command("/help"))
        helped = await fake.nth("sendMessage", 2)
        await fake.send(sender=ANNA, text="Hallo")
        hinted = await fake.nth("sendMessage", 3)
        await fake.send(sender=ANNA, document=fake.file(b"", mime_type="text/plain"))
        refused = await fake.nth("sendMessage", 4)

    assert (captioned["text"], labels(captioned)) == ("de.", wording("de"))
    assert helped["text"] == said("de", lambda: replies.help_text(replies.TELEGRAM_GROUP_HELP))
    assert hinted["text"] == said("de", lambda: replies.HINT)
    assert refused["text"] == said("de", lambda: replies.NEEDS_ATTACHMENT)
    assert hinted["text"] != replies.HINT


@pytest.mark.parametrize("tag", [None, "xx", "es"])
async def test_a_person_whose_language_the_bot_does_not_speak_reads_english(
    fake: FakeTelegram, store: Store, tag: str | None
) -> None:
    sender = ANN if tag is None else {**ANN, "language_code": tag}
    async with running(telegram(fake, store)):
        await fake.send(sender=sender, text="Hello")
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.HINT


async def test_alerts_are_in_the_language_of_who_pressed(fake: FakeTelegram, store: Store) -> None:
    async def busy(photo: bytes, options: Options) -> Caption:
        if options.sample:
            raise Busy("full", 3)
        return await caption_photo(photo, options)

    async with running(telegram(fake, store, busy)):
        await fake.send(sender=ANNA, photo=[fake.photo(DOG)])
        await fake.until(lambda: "reply_markup" in fake.latest())
        shown = fake.latest()
        await fake.press("another:1", shown, BENOIT)
        alert = await fake.nth("answerCallbackQuery")
        await fake.press("look", shown, BENOIT)
        sheet = await fake.nth("sendPhoto")

    assert alert["text"] == said("fr", lambda: replies.busy(Busy("full", 3)))
    assert sheet["caption"] == said("fr", lambda: replies.LOOKED)


async def test_two_people_at_once_read_each_their_own(fake: FakeTelegram, store: Store) -> None:
    both = asyncio.Barrier(2)

    async def together(photo: bytes, options: Options) -> Caption:
        await both.wait()
        return await in_words(photo, options)

    async with running(telegram(fake, store, together)):
        await fake.send(sender=ANNA, photo=[fake.photo(DOG)])
        await fake.send(BEN_PRIVATE, BENOIT, photo=[fake.photo(CAT)])
        await fake.nth("sendMessage", 2)

    sent = {one["chat_id"]: (one["text"], labels(one)) for one in fake.of("sendMessage")}
    assert sent == {
        PRIVATE["id"]: ("de.", wording("de")),
        BEN_PRIVATE["id"]: ("fr.", wording("fr")),
    }


async def test_refusals_are_in_the_persons_language(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store, allowed="telegram:9")):
        await fake.send(sender=ANNA, photo=[fake.photo(DOG)])
        private = await fake.nth("sendMessage")
        shown = fake.message(BEN_PRIVATE, fake.bot, text="A dog.")
        await fake.press("look", shown, BENOIT)
        alert = await fake.nth("answerCallbackQuery")

    assert private["text"] == said("de", lambda: replies.NOT_ALLOWED)
    assert alert["text"] == said("fr", lambda: replies.NOT_ALLOWED)


async def test_a_message_from_before_a_crash_is_answered_in_its_senders_language(
    fake: FakeTelegram, store: Store
) -> None:
    message = fake.message(sender=ANNA, text="Hallo")
    key = Key("telegram", str(PRIVATE["id"]), str(message["message_id"]))
    assert await store.inbox.accept(key, {"update_id": 1, "message": message})
    store.inbox.release(key)

    async with running(telegram(fake, store)):
        sent = await fake.nth("sendMessage")

    assert sent["text"] == said("de", lambda: replies.HINT)


async def test_an_apology_is_in_the_senders_language(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.02)
    store.inbox.max_attempts = 2
    fake.failures["getFile"] = [failure(500)] * 8
    async with running(telegram(fake, store)):
        await fake.send(sender=ANNA, photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == said("de", lambda: replies.GIVEN_UP)
