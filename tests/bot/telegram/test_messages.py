"""The bot on Telegram: its real library speaks to a small server on loopback."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import REGISTRY

from bot import replies
from bot.errors import PlatformError
from bot.telegram import adapter, sending
from bot.telegram.adapter import Telegram
from captioner import Busy, Caption, Options
from tests.bot.telegram.chat import (
    CAR,
    CAT,
    DOG,
    Kept,
    alone,
    captioned,
    command,
    kept_in,
    running,
    say,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    BOT,
    DROP,
    GROUP,
    PRIVATE,
    TIMEOUT,
    TOKEN,
    FakeTelegram,
    Json,
    failure,
)
from tests.conftest import photo_bytes

# The library warns of its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

HARDLY = 0.05  # seconds


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of this machine out, and pauses short."""
    alone(tmp_path, monkeypatch)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram().serve() as server:
        yield server


@pytest.fixture
async def chats(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept_in(tmp_path) as kept:
        yield kept


def up() -> float | None:
    return REGISTRY.get_sample_value("captioner_platform_up", {"platform": "telegram"})


def labels(sent: Json) -> list[str]:
    rows = sent.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


# Private chats.


async def test_a_private_photo_is_answered_quoting_it(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        asked = await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert sent["chat_id"] == PRIVATE["id"]
    assert sent["text"] == "Photo 0."
    assert sent["reply_parameters"] == {
        "message_id": asked["message_id"],
        "allow_sending_without_reply": True,
    }
    assert labels(sent) == [replies.ANOTHER, replies.ALT_TEXT, replies.LOOK]
    assert "parse_mode" not in sent
    assert "message_thread_id" not in sent
    assert fake.of("sendChatAction")[0]["action"] == "typing"


async def test_the_largest_size_within_the_limit_is_fetched(
    fake: FakeTelegram, chats: Kept
) -> None:
    sizes = [
        fake.photo(CAT, side=90),
        fake.photo(DOG, side=800),
        fake.photo(CAR, side=4000, file_size=3 * 2**20),
    ]

    async with running(telegram(fake, chats, max_photo_mb=2)):
        await fake.send(photo=sizes)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert fake.fetched == ["file1"]


def sticker(fake: FakeTelegram, **fields: Any) -> Json:
    sticker = {"type": "regular", "width": 512, "height": 512, "is_animated": False}
    return fake.file(DOG, **sticker | {"is_video": False} | fields)


def moving(fake: FakeTelegram, **fields: Any) -> Json:
    return fake.file(b"film", width=9, height=9, duration=1, **fields)


@pytest.mark.parametrize(
    "kind",
    [
        "image document",
        "image by its name",
        "GIF document",
        "film document",
        "sticker",
        "animated sticker",
        "animation",
        "video",
        "video with a cover",
        "video note",
    ],
)
async def test_all_that_shows_something_is_captioned(
    fake: FakeTelegram, chats: Kept, kind: str
) -> None:
    cover = fake.photo(DOG, side=320)
    note = fake.file(b"film", length=9, duration=1, thumbnail=cover)
    made: dict[str, Json] = {
        "image document": {"document": fake.file(DOG, mime_type="image/png")},
        "image by its name": {"document": fake.file(DOG, file_name="a.JPG")},
        "GIF document": {"document": fake.file(DOG, mime_type="image/gif")},
        "film document": {"document": fake.file(b"", mime_type="video/mp4", thumbnail=cover)},
        "sticker": {"sticker": sticker(fake)},
        "animated sticker": {"sticker": sticker(fake, is_animated=True, thumbnail=cover)},
        "animation": {
            "animation": moving(fake, thumbnail=cover),
            "document": fake.file(b"film", mime_type="video/mp4"),
        },
        "video": {"video": moving(fake, thumbnail=cover)},
        "video with a cover": {
            "video": moving(fake, thumbnail=fake.photo(CAT), cover=[fake.photo(CAR, 9), cover])
        },
        "video note": {"video_note": note},
    }

    async with running(telegram(fake, chats)):
        await fake.send(**made[kind])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert labels(sent)


async def test_what_cannot_be_read_gets_a_sentence_and_no_buttons(
    fake: FakeTelegram, chats: Kept
) -> None:
    cases: list[tuple[Json, str]] = [
        ({"animation": moving(fake)}, replies.NO_PREVIEW),
        ({"sticker": sticker(fake, is_video=True)}, replies.NO_PREVIEW),
        ({"document": fake.file(b"%PDF", mime_type="application/pdf")}, replies.NEEDS_ATTACHMENT),
        ({"photo": [fake.photo(DOG, file_size=2**22)]}, replies.too_large(2)),
        ({"document": fake.file(bytes(2**22), mime_type="image/png")}, replies.too_large(2)),
        ({"photo": [fake.photo(b"noise")]}, "The picture is damaged."),
    ]

    async with running(telegram(fake, chats, max_photo_mb=2)):
        for number, (fields, text) in enumerate(cases, 1):
            await fake.send(**fields)
            sent = await fake.nth("sendMessage", number)
            assert (sent["text"], labels(sent)) == (text, [])


async def test_a_file_whose_size_comes_late_is_not_fetched_either(
    fake: FakeTelegram, chats: Kept
) -> None:
    large = fake.file(bytes(2**22), mime_type="image/png")
    del large["file_size"]

    async with running(telegram(fake, chats, max_photo_mb=2)):
        await fake.send(document=large)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.too_large(2)
    assert fake.fetched == []


async def test_a_file_that_telegram_does_not_hand_out_is_too_large(
    fake: FakeTelegram, chats: Kept
) -> None:
    fake.failures["getFile"].append(failure(400, "Bad Request: file is too big"))

    async with running(telegram(fake, chats, max_photo_mb=50)):
        await fake.send(document=fake.file(DOG, mime_type="image/png", file_size=30 * 2**20))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.too_large(20)


async def send_album(fake: FakeTelegram, seeds: list[int], **fields: Any) -> list[Json]:
    """Send an album whose messages come in disorder."""
    album = [
        fake.message(
            photo=[fake.photo(photo_bytes(seed))], media_group_id="a", **{**fields, "from": ANN}
        )
        for seed in seeds
    ]
    for message in album[1:] + album[:1]:
        await fake.update(message=message)
    return album


async def test_an_album_gets_one_reply_in_its_order(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        album = await send_album(fake, [3, 1, 2])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 3.\n2. Photo 1.\n3. Photo 2."
    assert sent["reply_parameters"]["message_id"] == album[0]["message_id"]
    assert labels(sent) == []
    assert len(fake.of("sendMessage")) == 1


async def test_of_a_large_album_the_first_pictures_are_captioned(
    fake: FakeTelegram, chats: Kept
) -> None:
    async with running(telegram(fake, chats, max_photos=2)):
        await send_album(fake, [3, 1, 2])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.album(["Photo 3.", "Photo 1."], 1)
    assert len(fake.fetched) == 2


async def test_two_albums_at_once_are_told_apart(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        for seed in (1, 2, 3, 4):
            group = "odd" if seed % 2 else "even"
            await fake.send(photo=[fake.photo(photo_bytes(seed))], media_group_id=group)
        await fake.nth("sendMessage", 2)

    texts = sorted(sent["text"] for sent in fake.of("sendMessage"))
    assert texts == ["1. Photo 1.\n2. Photo 3.", "1. Photo 2.\n2. Photo 4."]


async def test_words_get_a_hint_in_private(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        await fake.send(text="Hello?")
        await fake.send(**command("/unknown"))
        await fake.send(voice=fake.file(b"ogg", duration=2))
        await fake.nth("sendMessage", 3)

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.HINT] * 3


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/start", replies.START),
        ("/help", replies.help_text(replies.TELEGRAM_GROUP_HELP)),
        ("/privacy@Captions_Bot", replies.PRIVACY),
        ("/ABOUT", "I am a small model."),
        ("/auto on", replies.AUTO_PRIVATE),
        ("/caption", replies.NEEDS_PHOTO),
        ("/settings", replies.settings(auto=False, private=True, max_mb=20, max_photos=10)),
    ],
)
async def test_commands_are_answered(
    fake: FakeTelegram, chats: Kept, text: str, answer: str
) -> None:
    async with running(telegram(fake, chats)):
        await fake.send(**command(text))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == answer
    assert sent["link_preview_options"] == {"is_disabled": True}


async def test_commands_are_shown_in_the_menu(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        await fake.nth("getUpdates")

    alone, groups = fake.of("setMyCommands")
    assert {one["command"] for one in groups["commands"]} == set(replies.COMMANDS)
    assert {one["command"] for one in alone["commands"]} == set(replies.COMMANDS) - {"auto"}
    assert groups["scope"] == {"type": "all_group_chats"}
    assert "scope" not in alone


async def test_typing_is_shown_again_until_the_answer_is_there(
    fake: FakeTelegram, chats: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TYPING_SECONDS", 0.01)
    fake.failures["sendChatAction"] = [failure(429, "Too Many Requests", retry_after=60)]
    done = asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        await done.wait()
        return await say(photo, options)

    async with running(telegram(fake, chats, slow)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendChatAction", 3)
        assert not fake.of("sendMessage")
        done.set()
        await fake.nth("sendMessage")
        shown = len(fake.of("sendChatAction"))
        await asyncio.sleep(HARDLY)
        assert len(fake.of("sendChatAction")) == shown


# Groups.


async def test_a_group_is_left_alone_unless_the_bot_is_asked(
    fake: FakeTelegram, chats: Kept
) -> None:
    photo: Json = {"photo": [fake.photo(DOG)]}
    other = {**fake.bot, "id": 9, "username": "other_bot"}
    theirs = fake.message(GROUP, other, text="Hi.")
    said = fake.message(GROUP, fake.bot, text="Photo 5.")
    own = fake.message(GROUP, fake.bot, forum_topic_created={"name": "Dogs", "icon_color": 1})

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **photo)
        await fake.send(GROUP, **photo, **captioned("Hello @other_bot", "@other_bot"))
        await fake.send(GROUP, **photo, **captioned("Hi Ann", "Ann", kind="text_mention", user=ANN))
        await fake.send(GROUP, **photo, caption="captions_bot is no mention")
        await fake.send(GROUP, **photo, reply_to_message=theirs)
        await fake.send(GROUP, **command("/caption@other_bot"), reply_to_message=theirs | photo)
        await fake.send(GROUP, **command("/caption@other_bot"), reply_to_message=said)
        await fake.send(GROUP, text="Nice weather.")
        await fake.send(GROUP, text="In a topic of the bot's.", reply_to_message=own)
        await fake.send(GROUP, new_chat_title="Best friends")
        await send_album(fake, [1, 2], chat=GROUP)
        await fake.taken()

    assert not fake.of("sendMessage", "sendChatAction", "getFile")


@pytest.mark.parametrize(
    "caption",
    [
        captioned("What is this, @Captions_Bot?", "@Captions_Bot"),
        captioned("Captions, look", "Captions", "text_mention", user=BOT),
        captioned("/caption@captions_bot", "/caption@captions_bot", "bot_command"),
    ],
)
async def test_a_photo_whose_caption_mentions_the_bot_is_answered(
    fake: FakeTelegram, chats: Kept, caption: Json
) -> None:
    async with running(telegram(fake, chats)):
        asked = await fake.send(GROUP, photo=[fake.photo(DOG)], **caption)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert sent["reply_parameters"]["message_id"] == asked["message_id"]


async def test_a_mention_in_any_caption_of_an_album_counts_for_all_of_it(
    fake: FakeTelegram, chats: Kept
) -> None:
    async with running(telegram(fake, chats)):
        first = await fake.send(GROUP, photo=[fake.photo(DOG)], media_group_id="a")
        mention = captioned("@captions_bot", "@captions_bot")
        await fake.send(GROUP, photo=[fake.photo(CAT)], media_group_id="a", **mention)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 0.\n2. Photo 1."
    assert sent["reply_parameters"]["message_id"] == first["message_id"]


@pytest.mark.parametrize("text", ["/caption", "/caption@captions_bot", "@captions_bot, and this?"])
async def test_asking_in_reply_to_a_photo_captions_that_photo(
    fake: FakeTelegram, chats: Kept, text: str
) -> None:
    photo = fake.message(GROUP, photo=[fake.photo(DOG)])
    name = "@captions_bot"
    mention = {"entities": [{"type": "mention", "offset": 0, "length": len(name)}]}
    asked = command(text) if text.startswith("/") else {"text": text, **mention}

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **asked, reply_to_message=photo)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert sent["reply_parameters"]["message_id"] == photo["message_id"]
    assert labels(sent)


async def test_a_caption_command_needs_a_photo(fake: FakeTelegram, chats: Kept) -> None:
    words = fake.message(GROUP, text="No photo.")

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **command("/caption"), reply_to_message=words)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.NEEDS_PHOTO


async def test_a_reply_to_the_bot_is_answered(fake: FakeTelegram, chats: Kept) -> None:
    own = fake.message(GROUP, fake.bot, text="Photo 5.")

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, photo=[fake.photo(DOG)], reply_to_message=own)
        assert (await fake.nth("sendMessage"))["text"] == "Photo 0."
        await fake.send(GROUP, text="And now?", reply_to_message=own)
        assert (await fake.nth("sendMessage", 2))["text"] == replies.HINT


async def test_auto_captions_every_photo_until_it_is_off_and_over_restarts(
    fake: FakeTelegram, chats: Kept
) -> None:
    fake.administrators = {ANN["id"]}
    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **command("/auto@captions_bot ON"))
        assert (await fake.nth("sendMessage"))["text"] == replies.AUTO_ON

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        assert (await fake.nth("sendMessage", 2))["text"] == "Photo 0."
        await fake.send(GROUP, document=fake.file(CAT, mime_type="image/png"))
        assert (await fake.nth("sendMessage", 3))["text"] == "Photo 1."
        await fake.send({**GROUP, "id": -200}, photo=[fake.photo(DOG)])
        await fake.send(GROUP, sticker=sticker(fake))
        await fake.send(GROUP, text="Hello.")
        await fake.taken()
        await fake.send(GROUP, **command("/auto off"))
        assert (await fake.nth("sendMessage", 4))["text"] == replies.AUTO_OFF
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        await fake.taken()

    assert len(fake.of("sendMessage")) == 4


async def test_only_administrators_switch_auto(fake: FakeTelegram, chats: Kept) -> None:
    anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    channel = {"id": -300, "type": "channel", "title": "News"}
    bot = telegram(fake, chats)

    async def said(number: int) -> str:
        return str((await fake.nth("sendMessage", number))["text"])

    async with running(bot):
        await fake.send(GROUP, **command("/auto on"))
        assert await said(1) == replies.AUTO_ADMINS
        await fake.send(GROUP, anonymous, sender_chat=channel, **command("/auto on"))
        assert await said(2) == replies.AUTO_ADMINS
        fake.failures["getChatMember"] = [failure(400, "Bad Request: no rights")]
        await fake.send(GROUP, **command("/auto on"))
        assert await said(3) == replies.AUTO_ADMINS
        await fake.send(GROUP, **command("/auto perhaps"))
        assert await said(4) == replies.AUTO_USAGE
        assert not await chats.auto("telegram", GROUP["id"])
        await fake.send(GROUP, anonymous, sender_chat=GROUP, **command("/auto on"))
        assert await said(5) == replies.AUTO_ON
        assert await chats.auto("telegram", GROUP["id"])


@pytest.mark.parametrize("administrator", [True, False])
async def test_with_privacy_mode_on_auto_says_what_is_missing(
    fake: FakeTelegram, chats: Kept, administrator: bool
) -> None:
    fake.bot["can_read_all_group_messages"] = False
    fake.administrators = {ANN["id"], fake.bot["id"]} if administrator else {ANN["id"]}

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **command("/auto on"))
        sent = await fake.nth("sendMessage")

    assert (replies.TELEGRAM_PRIVACY_MODE in sent["text"]) is not administrator
    assert await chats.auto("telegram", GROUP["id"])


async def test_an_answer_stays_in_its_topic(fake: FakeTelegram, chats: Kept) -> None:
    photo = fake.message(GROUP, photo=[fake.photo(DOG)], message_thread_id=5)
    asked = {**command("/caption"), "reply_to_message": photo, "message_thread_id": 5}

    async with running(telegram(fake, chats)):
        await fake.send(GROUP, **asked, is_topic_message=True)
        assert (await fake.nth("sendMessage"))["message_thread_id"] == 5
        # A thread of replies outside of topics is no place to send to.
        await fake.send(GROUP, **asked)
        assert "message_thread_id" not in await fake.nth("sendMessage", 2)

    threads = [shown.get("message_thread_id") for shown in fake.of("sendChatAction")]
    assert threads == [5, None]


@pytest.mark.parametrize("told_by", ["old", "new"])
async def test_a_group_keeps_its_settings_when_it_migrates(
    fake: FakeTelegram, chats: Kept, told_by: str
) -> None:
    await chats.set_auto("telegram", -5, True)

    async with running(telegram(fake, chats)):
        if told_by == "old":
            await fake.send({**GROUP, "id": -5, "type": "group"}, migrate_to_chat_id=-100)
        else:
            await fake.send(GROUP, migrate_from_chat_id=-5)
        await fake.taken()

    assert await chats.auto("telegram", -100)
    assert not await chats.auto("telegram", -5)


async def test_an_answer_follows_a_group_that_migrated_meanwhile(
    fake: FakeTelegram, chats: Kept
) -> None:
    old = {**GROUP, "id": -5, "type": "group"}
    await chats.set_auto("telegram", -5, True)
    fake.failures["sendMessage"] = [failure(400, "migrated", migrate_to_chat_id=-100)]

    async with running(telegram(fake, chats)):
        await fake.send(old, photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)

    assert (sent["chat_id"], sent["text"]) == (-100, "Photo 0.")
    assert "reply_parameters" not in sent
    assert await chats.auto("telegram", -100)


async def test_edits_channel_posts_and_bots_get_no_answer(
    fake: FakeTelegram, chats: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    await chats.set_auto("telegram", GROUP["id"], True)
    photo: Json = {"photo": [fake.photo(DOG)]}
    channel = {"id": -300, "type": "channel", "title": "News"}

    async with running(telegram(fake, chats)):
        await fake.update(edited_message=fake.message(**photo))
        await fake.update(edited_message=fake.message(**command("/help")))
        await fake.update(channel_post=fake.message(channel, **photo))
        await fake.update(edited_channel_post=fake.message(channel, **photo))
        await fake.send(GROUP, fake.bot, **photo)
        await fake.send(GROUP, {**ANN, "is_bot": True}, **photo)
        await fake.taken()
        assert not fake.of("sendMessage")
        await fake.send(GROUP, via_bot={**ANN, "is_bot": True}, **photo)
        await fake.nth("sendMessage")

    assert len(fake.of("sendMessage")) == 1
    assert "failed" not in caplog.text


# Buttons.


async def shown_caption(fake: FakeTelegram, photo: bytes = DOG) -> Json:
    """Have a photo captioned, and return the bot's message."""
    before = len(fake.of("sendMessage"))
    await fake.send(photo=[fake.photo(photo)])
    await fake.nth("sendMessage", before + 1)
    await fake.until(lambda: "reply_markup" in fake.latest())
    return fake.latest()


def turns(shown: Json) -> str:
    return str(shown["reply_markup"]["inline_keyboard"][0][0]["callback_data"])


async def test_another_edits_the_caption_each_time_anew(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
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


async def test_buttons_work_after_a_restart(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        shown = await shown_caption(fake)

    async with running(telegram(fake, chats)):
        await fake.press("another:1", shown)
        await fake.nth("answerCallbackQuery")

    assert shown["text"] == "Turn 1."


async def test_when_nothing_else_can_be_said_the_caption_stays(
    fake: FakeTelegram, chats: Kept
) -> None:
    async def stubborn(photo: bytes, options: Options) -> Caption:
        return Caption("A dog.", -0.1, 0.9, ())

    async with running(telegram(fake, chats, stubborn)):
        shown = await shown_caption(fake)
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.NOTHING_ELSE
    assert (shown["text"], turns(shown)) == ("A dog.", "another:2")


async def test_a_button_pressed_twice_is_no_error(
    fake: FakeTelegram, chats: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(telegram(fake, chats)):
        shown = await shown_caption(fake)
        fake.failures["editMessageText"] = [failure(400, "Bad Request: message is not modified")]
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert "text" not in told
    assert "refused" not in caplog.text


async def test_alt_text_is_the_plain_sentence_as_a_block(fake: FakeTelegram, chats: Kept) -> None:
    async def unsure(photo: bytes, options: Options) -> Caption:
        return Caption("A dog 🐕.", -9, 0.1, ())

    async with running(telegram(fake, chats, unsure)):
        shown = await shown_caption(fake)
        assert shown["text"] == f"{replies.DOUBT}a dog 🐕."
        await fake.press("alt", shown)
        sent = await fake.nth("sendMessage", 2)
        await fake.nth("answerCallbackQuery")

    assert sent["text"] == "A dog 🐕."
    assert sent["entities"] == [{"type": "pre", "offset": 0, "length": 9}]
    assert sent["reply_parameters"]["message_id"] == shown["message_id"]
    assert "parse_mode" not in sent


async def test_where_the_model_looked_is_a_picture(fake: FakeTelegram, chats: Kept) -> None:
    async with running(telegram(fake, chats)):
        shown = await shown_caption(fake)
        await fake.press("look", shown)
        sent = await fake.nth("sendPhoto")
        told = await fake.nth("answerCallbackQuery")

    assert sent["photo"].startswith(b"\xff\xd8")
    assert sent["caption"] == replies.LOOKED
    assert sent["reply_parameters"]["message_id"] == shown["message_id"]
    assert "text" not in told


@pytest.mark.parametrize("button", ["another:1", "look"])
async def test_buttons_expire_politely_when_the_photo_is_gone(
    fake: FakeTelegram, chats: Kept, button: str
) -> None:
    async with running(telegram(fake, chats)):
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
    fake: FakeTelegram, chats: Kept, button: str
) -> None:
    async with running(telegram(fake, chats)):
        shown = await shown_caption(fake)
        await fake.press(button, shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.GONE


async def test_a_problem_under_a_button_is_told_and_the_caption_stays(
    fake: FakeTelegram, chats: Kept
) -> None:
    async def busy(photo: bytes, options: Options) -> Caption:
        if options.sample or options.attention:
            raise Busy("full", 3)
        return await say(photo, options)

    async with running(telegram(fake, chats, busy)):
        shown = await shown_caption(fake)
        await fake.press("another:1", shown)
        await fake.press("look", shown)
        await fake.nth("answerCallbackQuery", 2)

    assert {answer["text"] for answer in fake.of("answerCallbackQuery")} == {replies.busy(3)}
    assert (shown["text"], turns(shown)) == ("Photo 0.", "another:1")


async def test_a_button_is_answered_even_if_the_caption_was_deleted(
    fake: FakeTelegram, chats: Kept
) -> None:
    async with running(telegram(fake, chats)):
        shown = await shown_caption(fake)
        fake.failures["editMessageText"] = [failure(400, "Bad Request: message to edit not found")]
        await fake.press("another:1", shown)
        told = await fake.nth("answerCallbackQuery")

    assert told["text"] == replies.FAILED


# When something fails.


async def test_flood_control_delays_the_answer(fake: FakeTelegram, chats: Kept) -> None:
    fake.failures["sendMessage"] = [failure(429, "Too Many Requests", retry_after=0.2)]
    clock = asyncio.get_running_loop().time

    async with running(telegram(fake, chats)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")
        refused = clock()
        sent = await fake.nth("sendMessage", 2)

    assert sent["text"] == "Photo 0."
    assert clock() - refused >= 0.2


async def test_an_answer_survives_a_server_that_fails_for_a_moment(
    fake: FakeTelegram, chats: Kept
) -> None:
    fake.failures["getFile"] = [failure(502, "Bad Gateway")]
    fake.failures["file"] = [failure(500)]
    fake.failures["sendMessage"] = [failure(500), DROP]

    async with running(telegram(fake, chats)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 3)

    assert sent["text"] == "Photo 0."
    assert len(fake.of("sendMessage")) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        failure(403, "Forbidden: bot was kicked from the group chat"),
        failure(400, "Bad Request: chat not found"),
    ],
)
async def test_a_bot_that_was_removed_says_so_once_in_the_log(
    fake: FakeTelegram, chats: Kept, refusal: Json, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fake.failures["sendMessage"] = [refusal]

    async with running(telegram(fake, chats)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage")

    told = [record for record in caplog.records if record.message == "message given up"]
    assert [record.levelname for record in told] == ["INFO"]
    assert len(fake.of("sendMessage")) == 1


@pytest.mark.parametrize("call", ["getFile", "file"])
async def test_a_photo_that_cannot_be_fetched_gets_a_sentence(
    fake: FakeTelegram, chats: Kept, call: str
) -> None:
    nowhere = {"ok": True, "result": {"file_id": "file0", "file_unique_id": "u"}}
    fake.failures["getFile"] = [nowhere] if call == "getFile" else []
    fake.failures["file"] = [failure(500)] * sending.TRIES

    async with running(telegram(fake, chats)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert (sent["text"], labels(sent)) == (replies.UNREACHABLE, [])


async def test_an_error_of_our_own_is_logged_and_the_bot_goes_on(
    fake: FakeTelegram,
    chats: Kept,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(platform: str, chat: str | int) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(chats, "auto", broken)

    async with running(telegram(fake, chats)):
        await fake.send(**command("/settings"))
        apology = await fake.nth("sendMessage")
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage", 2)

    assert (apology["text"], sent["text"]) == (replies.GIVEN_UP, "Photo 0.")
    assert "answer failed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


# Coming and going.


async def failing(bot: Telegram) -> str:
    """Run the bot until it breaks down, and return what it tells the operator."""
    with pytest.raises(PlatformError) as caught:
        await asyncio.wait_for(bot.run(asyncio.Event()), TIMEOUT)
    return str(caught.value)


async def test_a_second_instance_is_named_after_the_replies_in_hand_are_sent(
    fake: FakeTelegram, chats: Kept
) -> None:
    fake.failures["getUpdates"] = [None, failure(409, "Conflict: terminated by other getUpdates")]
    await fake.send(photo=[fake.photo(DOG)])

    told = await failing(telegram(fake, chats))

    assert "another process polls with the same token" in told
    assert [sent["text"] for sent in fake.of("sendMessage")] == ["Photo 0."]
    assert up() == 0


async def test_a_wrong_token_is_named_by_its_key(fake: FakeTelegram, chats: Kept) -> None:
    told = await failing(telegram(fake, chats, telegram_bot_token="1:wrong"))

    assert "TELEGRAM_BOT_TOKEN" in told
    assert "1:wrong" not in told


async def test_a_token_that_is_revoked_ends_the_run(fake: FakeTelegram, chats: Kept) -> None:
    fake.failures["getUpdates"] = [None, failure(401, "Unauthorized")]
    await fake.send(text="Hello.")

    assert "TELEGRAM_BOT_TOKEN" in await failing(telegram(fake, chats))


async def test_a_bot_that_failed_can_be_run_again(fake: FakeTelegram, chats: Kept) -> None:
    fake.failures["getMe"] = [failure(500, "starting")]
    bot = telegram(fake, chats)

    assert f"{fake.url} does not serve the bot (starting)" in await failing(bot)
    async with running(bot):
        await fake.send(text="Hello.")
        await fake.nth("sendMessage")
        assert up() == 1
    assert up() == 0


async def test_an_unreachable_server_is_named(fake: FakeTelegram, chats: Kept) -> None:
    bot = telegram(fake, chats, telegram_api_url="http://127.0.0.1:9")

    assert "http://127.0.0.1:9 does not serve the bot" in await failing(bot)


async def test_polling_goes_on_after_the_network_was_down(
    fake: FakeTelegram, chats: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    flood = failure(429, "Too Many Requests", retry_after=1)
    fake.failures["getUpdates"] = [None, DROP, failure(502, "Bad Gateway"), flood]
    await fake.send(text="Hello.")

    async with running(telegram(fake, chats)):
        await fake.nth("getUpdates", 5)
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage", 2)

    assert caplog.messages.count("connection lost; trying again") == 3
    assert "Traceback" not in caplog.text


async def test_neither_the_token_nor_names_are_logged(
    fake: FakeTelegram, chats: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.failures["sendMessage"] = [failure(500, f"at /bot{TOKEN}")] * sending.TRIES
    fake.failures["getUpdates"] = [None, failure(500, f"at /bot{TOKEN}")]

    async with running(telegram(fake, chats)):
        await fake.send(photo=[fake.photo(DOG)])
        await fake.nth("sendMessage", sending.TRIES)

    events = {record.message: record.__dict__ for record in caplog.records}
    assert events["connected"]["bot"] == "captions_bot"
    assert events["connection lost; trying again"]["reason"] == "at /bot[token]"
    assert events["attempt failed"]["reason"] == "at /bot[token]"
    assert TOKEN not in caplog.text
    assert "Ann" not in caplog.text


async def test_a_stop_waits_for_the_replies_in_hand_and_confirms_them(
    fake: FakeTelegram, chats: Kept
) -> None:
    started, done, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(photo: bytes, options: Options) -> Caption:
        started.set()
        await done.wait()
        return await say(photo, options)

    task = asyncio.create_task(telegram(fake, chats, slow).run(stop))
    await fake.send(photo=[fake.photo(DOG)])
    await send_album(fake, [1, 2])
    await asyncio.wait_for(started.wait(), TIMEOUT)
    await fake.taken()
    polls = len(fake.of("getUpdates"))
    stop.set()
    late = await fake.update(message=fake.message(text="Too late."))
    await asyncio.sleep(HARDLY)
    assert not task.done()
    done.set()
    await asyncio.wait_for(task, TIMEOUT)

    texts = {sent["text"] for sent in fake.of("sendMessage")}
    assert texts == {"Photo 0.", "1. Photo 1.\n2. Photo 2."}
    assert fake.confirmed == late["update_id"]
    assert len(fake.of("getUpdates")) == polls + 1


async def test_updates_stay_with_telegram_if_they_cannot_be_confirmed(
    fake: FakeTelegram, chats: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(telegram(fake, chats)):
        await fake.send(text="Hello.")
        await fake.nth("sendMessage")
        await fake.taken()
        fake.failures["getUpdates"] = [failure(500, "down")]

    (event,) = (one for one in caplog.records if "they may come again" in one.message)
    assert event.__dict__["reason"] == "down"


async def test_a_cancelled_run_leaves_at_once(
    fake: FakeTelegram, chats: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "UPDATES_AT_ONCE", 2)
    started = asyncio.Event()

    async def endless(photo: bytes, options: Options) -> Caption:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    stop = asyncio.Event()
    task = asyncio.create_task(telegram(fake, chats, endless).run(stop))
    for _ in range(4):  # two of them stay with Telegram
        await fake.send(photo=[fake.photo(DOG)])
    await asyncio.wait_for(started.wait(), TIMEOUT)
    stop.set()
    await asyncio.sleep(HARDLY)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TIMEOUT)
    assert not fake.of("sendMessage")
    assert len(asyncio.all_tasks()) < 10


async def test_check_names_the_bot(fake: FakeTelegram, chats: Kept) -> None:
    assert await telegram(fake, chats).check() == (
        "Telegram: @captions_bot, in groups gets every message"
    )
    fake.bot["can_read_all_group_messages"] = False
    assert "only messages to it" in await telegram(fake, chats).check()

    with pytest.raises(PlatformError, match="TELEGRAM_BOT_TOKEN"):
        await telegram(fake, chats, telegram_bot_token="1:wrong").check()


# Webhook.


@asynccontextmanager
async def posting(
    bot: Telegram, arrived: asyncio.Event | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the bot's webhook; the session posts to it."""

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
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    async with session.post("/telegram", headers=headers, **fields) as response:
        return response.status


async def test_a_webhook_takes_updates_from_who_knows_its_secret(
    fake: FakeTelegram, chats: Kept
) -> None:
    bot = telegram(fake, chats, telegram_webhook_url="https://bot.example/")
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
    assert hook["url"] == "https://bot.example/telegram"
    assert hook["allowed_updates"] == ["message", "callback_query"]
    assert not fake.of("getUpdates")


async def test_an_update_that_comes_in_during_a_stop_is_not_taken(
    fake: FakeTelegram, chats: Kept
) -> None:
    bot = telegram(fake, chats, telegram_webhook_url="https://bot.example")
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


async def test_each_start_has_a_secret_of_its_own(fake: FakeTelegram, chats: Kept) -> None:
    bot = telegram(fake, chats, telegram_webhook_url="https://bot.example")
    for number in (1, 2):
        async with running(bot):
            await fake.nth("setWebhook", number)

    first, second = [hook["secret_token"] for hook in fake.of("setWebhook")]
    assert first != second
    assert len(first) >= 32


async def test_a_webhook_that_telegram_refuses_is_named_by_its_key(
    fake: FakeTelegram, chats: Kept
) -> None:
    fake.failures["setWebhook"] = [failure(400, "Bad Request: bad webhook: HTTPS url needed")]
    bot = telegram(fake, chats, telegram_webhook_url="http://bot.example")

    assert "Telegram refuses TELEGRAM_WEBHOOK_URL" in await failing(bot)


async def test_polling_removes_a_webhook_that_was_set_before(
    fake: FakeTelegram, chats: Kept
) -> None:
    async with running(telegram(fake, chats)):
        await fake.nth("getUpdates")

    methods = [call.method for call in fake.calls]
    assert methods.index("deleteWebhook") < methods.index("getUpdates")
    assert "drop_pending_updates" not in fake.of("deleteWebhook")[0]
