"""Photos on Telegram that are quoted from another chat."""

import time
from typing import Any

import pytest

from bot.replies import replies
from bot.wording import as_preview
from tests.bot.telegram.chat import (
    DOG,
    Store,
    captioned,
    command,
    labels,
    running,
    sticker,
    telegram,
)
from tests.bot.telegram.fake_telegram import BEN, GROUP, FakeTelegram, Json


def elsewhere(**file: Any) -> Json:
    """Make what a message quotes from another chat."""
    origin = {"type": "user", "date": int(time.time()), "sender_user": BEN}
    return {"external_reply": {"origin": origin, **file}}


@pytest.mark.parametrize("kind", ["photo", "document", "sticker", "video"])
async def test_the_command_captions_what_is_quoted_from_another_chat(
    fake: FakeTelegram, store: Store, kind: str
) -> None:
    video_file: Json = {"width": 9, "height": 9, "duration": 1, "thumbnail": fake.photo(DOG)}
    made: dict[str, Any] = {
        "photo": [fake.photo(DOG)],
        "document": fake.file(DOG, mime_type="image/png"),
        "sticker": sticker(fake),
        "video": fake.file(b"video", **video_file),
    }
    async with running(telegram(fake, store)):
        asked = await fake.send(GROUP, **command("/caption"), **elsewhere(**{kind: made[kind]}))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == (as_preview("Photo 0.") if kind == "video" else "Photo 0.")
    # The photo is in a chat that the bot may not know: it replies to the command.
    assert sent["reply_parameters"]["message_id"] == asked["message_id"]


async def test_the_buttons_find_a_photo_that_is_quoted_from_another_chat(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(**command("/caption"), **elsewhere(photo=[fake.photo(DOG)]))
        assert labels(await fake.nth("sendMessage"))
        await fake.until(lambda: "reply_markup" in fake.latest())
        shown = fake.latest()
        await fake.press("another:1", shown)
        await fake.nth("answerCallbackQuery")

    assert shown["text"] == "Turn 1."


async def test_a_mention_captions_a_photo_that_is_quoted_from_another_chat(
    fake: FakeTelegram, store: Store
) -> None:
    fields = captioned("@captions_bot look", "@captions_bot")
    mention = {"text": fields["caption"], "entities": fields["caption_entities"]}
    async with running(telegram(fake, store)):
        await fake.send(GROUP, text="and this?", **elsewhere(photo=[fake.photo(DOG)]))
        await fake.send(GROUP, **mention, **elsewhere(photo=[fake.photo(DOG)]))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert len(fake.of("sendMessage")) == 1


async def test_a_photo_that_is_quoted_in_private_from_another_chat_is_captioned(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(text="what is this?", **elsewhere(photo=[fake.photo(DOG)]))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."


async def test_a_quote_without_a_picture_gets_the_usual_hints(
    fake: FakeTelegram, store: Store
) -> None:
    dice = {"dice": {"emoji": "🎲", "value": 1}}
    async with running(telegram(fake, store)):
        await fake.send(**command("/caption"), **elsewhere())
        first = await fake.nth("sendMessage")
        await fake.send(text="what is this?", **elsewhere(**dice))
        second = await fake.nth("sendMessage", 2)

    assert [first["text"], second["text"]] == [replies.NEEDS_PHOTO, replies.HINT]
