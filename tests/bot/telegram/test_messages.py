"""Which messages the bot answers on Telegram, in private and in groups."""

import pytest

from bot.replies import replies
from tests.bot.telegram.chat import (
    DOG,
    Store,
    captioned,
    command,
    labels,
    running,
    send_album,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    ANN,
    BOT,
    GROUP,
    PRIVATE,
    FakeTelegram,
    Json,
)


async def test_a_private_photo_gets_a_reply_that_quotes_it(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
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


async def test_text_gets_a_hint_in_private(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        await fake.send(text="Hello?")
        await fake.send(**command("/unknown"))
        await fake.send(voice=fake.file(b"ogg", duration=2))
        await fake.nth("sendMessage", 3)

    assert [sent["text"] for sent in fake.of("sendMessage")] == [replies.HINT] * 3


async def test_a_group_is_left_alone_unless_the_bot_is_asked(
    fake: FakeTelegram, store: Store
) -> None:
    photo: Json = {"photo": [fake.photo(DOG)]}
    other = {**fake.bot, "id": 9, "username": "other_bot"}
    theirs = fake.message(GROUP, other, text="Hi.")
    said = fake.message(GROUP, fake.bot, text="Photo 5.")
    own = fake.message(GROUP, fake.bot, forum_topic_created={"name": "Dogs", "icon_color": 1})

    async with running(telegram(fake, store)):
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
        await fake.all_fetched()

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
    fake: FakeTelegram, store: Store, caption: Json
) -> None:
    async with running(telegram(fake, store)):
        asked = await fake.send(GROUP, photo=[fake.photo(DOG)], **caption)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert sent["reply_parameters"]["message_id"] == asked["message_id"]


@pytest.mark.parametrize("text", ["/caption", "/caption@captions_bot", "@captions_bot, and this?"])
async def test_a_command_or_mention_in_reply_to_a_photo_captions_that_photo(
    fake: FakeTelegram, store: Store, text: str
) -> None:
    photo = fake.message(GROUP, photo=[fake.photo(DOG)])
    name = "@captions_bot"
    mention = {"entities": [{"type": "mention", "offset": 0, "length": len(name)}]}
    asked = command(text) if text.startswith("/") else {"text": text, **mention}

    async with running(telegram(fake, store)):
        await fake.send(GROUP, **asked, reply_to_message=photo)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert sent["reply_parameters"]["message_id"] == photo["message_id"]
    assert labels(sent)


async def test_a_reply_to_the_bot_is_answered(fake: FakeTelegram, store: Store) -> None:
    own = fake.message(GROUP, fake.bot, text="Photo 5.")

    async with running(telegram(fake, store)):
        await fake.send(GROUP, photo=[fake.photo(DOG)], reply_to_message=own)
        assert (await fake.nth("sendMessage"))["text"] == "Photo 0."
        await fake.send(GROUP, text="And now?", reply_to_message=own)
        assert (await fake.nth("sendMessage", 2))["text"] == replies.HINT


@pytest.mark.parametrize("told_by", ["old", "new"])
async def test_a_group_keeps_its_settings_when_it_migrates(
    fake: FakeTelegram, store: Store, told_by: str
) -> None:
    await store.set_auto("telegram", -5, True)

    async with running(telegram(fake, store)):
        if told_by == "old":
            await fake.send({**GROUP, "id": -5, "type": "group"}, migrate_to_chat_id=-100)
        else:
            await fake.send(GROUP, migrate_from_chat_id=-5)
        await fake.all_fetched()

    assert await store.auto("telegram", -100)
    assert not await store.auto("telegram", -5)


async def test_edits_channel_posts_and_bots_get_no_answer(
    fake: FakeTelegram, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await store.set_auto("telegram", GROUP["id"], True)
    photo: Json = {"photo": [fake.photo(DOG)]}
    channel = {"id": -300, "type": "channel", "title": "News"}

    async with running(telegram(fake, store)):
        await fake.update(edited_message=fake.message(**photo))
        await fake.update(edited_message=fake.message(**command("/help")))
        await fake.update(channel_post=fake.message(channel, **photo))
        await fake.update(edited_channel_post=fake.message(channel, **photo))
        await fake.send(GROUP, fake.bot, **photo)
        await fake.send(GROUP, {**ANN, "is_bot": True}, **photo)
        await fake.all_fetched()
        assert not fake.of("sendMessage")
        await fake.send(GROUP, via_bot={**ANN, "is_bot": True}, **photo)
        await fake.nth("sendMessage")

    assert len(fake.of("sendMessage")) == 1
    assert "failed" not in caplog.text
