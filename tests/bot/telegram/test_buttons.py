"""The buttons under a caption on Telegram."""

import pytest

from bot.replies import replies
from captioner import Busy, Caption, Options
from tests.bot.telegram.chat import (
    DOG,
    Store,
    caption_photo,
    running,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    PRIVATE,
    FakeTelegram,
    Json,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


async def shown_caption(fake: FakeTelegram, photo: bytes = DOG) -> Json:
    """Have a photo captioned, and return the bot's message."""
    before = len(fake.of("sendMessage"))
    await fake.send(photo=[fake.photo(photo)])
    await fake.nth("sendMessage", before + 1)
    await fake.until(lambda: "reply_markup" in fake.latest())
    return fake.latest()


def turns(shown: Json) -> str:
    return str(shown["reply_markup"]["inline_keyboard"][0][0]["callback_data"])


async def test_another_rewords_the_caption_each_time(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        assert turns(shown) == "another:1"
        await fake.press("another:1", shown)
        await fake.nth("answerCallbackQuery")
        assert (shown["text"], turns(shown)) == ("Turn 1.", "another:2")
        await fake.press("another:2", shown)
        await fake.nth("answerCallbackQuery", 2)
        assert (shown["text"], turns(shown)) == ("Turn 2.", "another:3")

    assert len(fake.of("sendMessage")) == 1
    assert all("text" not in answer for answer in fake.of("answerCallbackQuery"))


async def test_buttons_work_after_a_restart(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)

    async with running(telegram(fake, store)):
        await fake.press("another:1", shown)
        await fake.nth("answerCallbackQuery")

    assert shown["text"] == "Turn 1."


async def test_the_caption_stays_when_there_is_no_other(fake: FakeTelegram, store: Store) -> None:
    async def stubborn(photo: bytes, options: Options) -> Caption:
        return Caption("A dog.", -0.1, 0.9, ())

    async with running(telegram(fake, store, stubborn)):
        shown = await shown_caption(fake)
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.NOTHING_ELSE
    assert (shown["text"], turns(shown)) == ("A dog.", "another:2")


async def test_a_button_pressed_twice_is_not_an_error(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        fake.failures["editMessageText"] = [failure(400, "Bad Request: message is not modified")]
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert "text" not in told
    assert "refused" not in caplog.text


async def test_alt_text_is_the_plain_sentence_as_a_block(fake: FakeTelegram, store: Store) -> None:
    async def unsure(photo: bytes, options: Options) -> Caption:
        return Caption("A dog 🐕.", -9, 0.1, ())

    async with running(telegram(fake, store, unsure)):
        shown = await shown_caption(fake)
        assert shown["text"] == "A dog 🐕. (Not sure.)"
        await fake.press("alt", shown)
        sent = await fake.nth("sendMessage", 2)
        await fake.nth("answerCallbackQuery")

    assert sent["text"] == "A dog 🐕."
    assert sent["entities"] == [{"type": "pre", "offset": 0, "length": 9}]
    assert sent["reply_parameters"]["message_id"] == shown["message_id"]
    assert "parse_mode" not in sent


async def test_the_attention_map_is_sent_as_a_picture(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        await fake.press("look", shown)
        sent = await fake.nth("sendPhoto")
        told = await fake.nth("answerCallbackQuery")

    assert sent["photo"].startswith(b"\xff\xd8")
    assert sent["caption"] == replies.LOOKED
    assert sent["reply_parameters"]["message_id"] == shown["message_id"]
    assert "text" not in told


@pytest.mark.parametrize("button", ["another:1", "look"])
async def test_a_button_explains_itself_when_the_photo_is_gone(
    fake: FakeTelegram, store: Store, button: str
) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        await fake.press(button, {k: v for k, v in shown.items() if k != "reply_to_message"})
        await fake.press(button, {"chat": PRIVATE, "message_id": 3, "date": 0})
        await fake.nth("answerCallbackQuery", 2)
        fake.failures["getFile"] = [failure(400, "Bad Request: file is temporarily unavailable")]
        await fake.press(button, shown)
        await fake.nth("answerCallbackQuery", 3)

    told = [(answer["text"], answer["show_alert"]) for answer in fake.of("answerCallbackQuery")]
    assert told == [(replies.GONE, True)] * 2 + [(replies.UNREACHABLE, True)]
    assert shown["text"] == "Photo 0."


@pytest.mark.parametrize("button", ["another", "another:x", "another:9999999", "other", "look:1"])
async def test_buttons_that_the_bot_never_made_are_refused(
    fake: FakeTelegram, store: Store, button: str
) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        await fake.press(button, shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.GONE


async def test_a_problem_with_a_button_is_shown_and_the_caption_stays(
    fake: FakeTelegram, store: Store
) -> None:
    async def busy(photo: bytes, options: Options) -> Caption:
        if options.sample or options.attention:
            raise Busy("full", 3)
        return await caption_photo(photo, options)

    async with running(telegram(fake, store, busy)):
        shown = await shown_caption(fake)
        await fake.press("another:1", shown)
        await fake.press("look", shown)
        await fake.nth("answerCallbackQuery", 2)

    assert {answer["text"] for answer in fake.of("answerCallbackQuery")} == {
        replies.busy(Busy("full", 3))
    }
    assert (shown["text"], turns(shown)) == ("Photo 0.", "another:1")


async def test_a_button_is_answered_even_if_the_caption_was_deleted(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        shown = await shown_caption(fake)
        fake.failures["editMessageText"] = [failure(400, "Bad Request: message to edit not found")]
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.FAILED
