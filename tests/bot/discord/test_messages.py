"""Messages on Discord: which are answered, and how."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.discord.adapter import Discord
from bot.replies import DISCORD_MENU, replies
from bot.store.sqlite.chat_settings import SqliteChatSettings
from tests.bot.discord.fake_payloads import (
    CHANNEL,
    GRANTED,
    GUILD,
    ME,
    MESSAGE_CONTENT,
    PRIVATE,
    user,
)
from tests.bot.discord.world import PHOTOS, ROW, World, row


async def test_a_photo_in_private_gets_one_reply_with_buttons(world: World) -> None:
    async with world.running():
        photo = await world.photo()
        reply = await world.fake.sent()

    assert reply["content"] == "A dog runs."
    assert reply["message_reference"]["message_id"] == photo["id"]
    assert row(reply["components"]) == ROW
    assert len(world.bot_messages()) == 1


async def test_a_photo_in_a_server_is_answered_when_it_mentions_the_bot(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[1])
        await world.fake.mention("what is this?", attachments=[photo])
        reply = await world.fake.sent(channel=CHANNEL)

    assert reply["content"] == "Two children play."
    assert not world.fake.identified[0]["intents"] & MESSAGE_CONTENT


async def test_a_photo_in_reply_to_the_bot_is_answered(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running():
        mine = fake.message("A dog runs.", author=fake.me)
        theirs = fake.message("Look!")
        photo = fake.attachment(PHOTOS[2])
        for quoted in (theirs, mine):
            reference = {"message_id": quoted["id"], "channel_id": CHANNEL, "guild_id": GUILD}
            asked = await fake.say(
                type=19,
                message_reference=reference,
                referenced_message=quoted,
                attachments=[photo],
            )
        reply = await fake.sent()

    assert reply["content"] == "A man sits."
    assert reply["message_reference"]["message_id"] == asked["id"]
    assert len(fake.requests("POST", r"/channels/\d+/messages")) == 1


async def test_messages_that_do_not_ask_for_a_caption_get_no_answer(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running():
        photo = [fake.attachment(PHOTOS[0])]
        await fake.say("look at this", attachments=photo)
        await fake.say("no photo")
        await fake.say(author=user("801", "robot", bot=True), attachments=photo, mentions=[fake.me])
        await fake.say(author=fake.me, channel_id=PRIVATE, attachments=photo)
        await fake.say(webhook_id="802", attachments=photo, mentions=[fake.me])
        await fake.say(type=7, attachments=photo, mentions=[fake.me])
        edited = fake.message(channel_id=PRIVATE, attachments=photo)
        edited["edited_timestamp"] = "2026-01-02T03:04:06+00:00"
        await fake.dispatch("MESSAGE_UPDATE", edited)
        last = await world.photo(3)
        reply = await fake.sent()

    assert reply["message_reference"]["message_id"] == last["id"]
    assert len(fake.requests("POST", r"/channels/\d+/messages")) == 1


async def test_a_message_without_a_picture_gets_a_hint(world: World) -> None:
    fake = world.fake
    async with world.running():
        await fake.say("hello", channel_id=PRIVATE)
        hint = await fake.sent(channel=PRIVATE)
        mine = fake.message("A dog runs.", author=fake.me)
        reference = {"message_id": mine["id"], "channel_id": CHANNEL, "guild_id": GUILD}
        # A reply to the bot: Discord adds the mention by itself.
        await fake.say(
            "nice",
            type=19,
            message_reference=reference,
            referenced_message=mine,
            mentions=[fake.me],
        )
        asked = await fake.mention("hello")
        other = await fake.sent(channel=CHANNEL)

    assert hint["content"] == other["content"] == replies.HINT
    assert other["message_reference"]["message_id"] == asked["id"]
    assert not hint.get("components")


async def test_typing_is_shown_while_the_model_works(world: World) -> None:
    world.model.open.clear()
    async with world.running():
        await world.photo()
        await world.fake.call("POST", f"/channels/{PRIVATE}/typing")
        assert not world.bot_messages()
        world.model.open.set()
        await world.fake.sent()


async def test_a_photo_is_answered_where_typing_is_not_allowed(world: World) -> None:
    world.fake.fail("POST", r"/channels/\d+/typing", 403, {"code": 50013, "message": "Missing"})
    world.model.open.clear()
    async with world.running():
        await world.photo()
        await world.fake.call("POST", f"/channels/{PRIVATE}/typing")
        world.model.open.set()
        assert (await world.fake.sent())["content"] == "A dog runs."


async def test_a_photo_deleted_meanwhile_is_answered_without_a_reference(
    world: World,
) -> None:
    world.model.open.clear()
    async with world.running():
        photo = await world.photo()
        await world.model.reached()
        del world.fake.messages[photo["id"]]
        world.model.open.set()
        await world.fake.sent()

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]


async def test_a_missing_permission_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    missing = {"code": 50013, "message": "Missing Permissions"}
    world.fake.fail("POST", f"/channels/{CHANNEL}/messages", 403, missing)
    async with world.running():
        await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])
        await world.fake.sent(channel=CHANNEL)
        await world.captioned()

    reasons = [str(one.__dict__.get("reason")) for one in caplog.records]
    assert sum("HTTP 403, Missing Permissions" in reason for reason in reasons) == 1


async def test_a_bug_fails_one_answer_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Torn(SqliteChatSettings):
        async def auto(self, platform: str, chat: str | int) -> bool:
            raise ZeroDivisionError

    world.fake.flags = GRANTED
    services = replace(world.services(), chat_settings=Torn(Path("none")))
    async with world.running(Discord(services)):
        await world.fake.say(attachments=[world.fake.attachment(PHOTOS[0])])
        assert (await world.captioned(1))["content"] == "Two children play."

    assert [one.getMessage() for one in caplog.records if one.exc_info] == ["answer failed"]
    caplog.clear()


async def test_a_rate_limit_delays_an_answer(world: World) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
    headers = {"Via": "1.1 google"}
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 429, limited, headers)
    async with world.running():
        await world.photo()
        await world.fake.sent(2)
        asked = await world.fake.use("caption", {"photo": world.fake.attachment(PHOTOS[1])})
        await world.fake.edited(asked)
        path = f"/webhooks/{ME}/{asked['token']}/messages/@original"
        world.fake.fail("PATCH", "/webhooks/.*", 429, limited, headers)
        menu = await world.fake.choose(
            DISCORD_MENU, world.fake.message(attachments=[world.fake.attachment(PHOTOS[2])])
        )
        await world.fake.edited(menu, 2)

    tries = world.fake.requests("POST", f"/channels/{PRIVATE}/messages")
    assert tries[1].when - tries[0].when >= 0.2
    contents = [one["content"] for one in world.bot_messages()]
    assert contents == ["A dog runs.", "Two children play.", "A man sits."]
    assert len(world.fake.requests("PATCH", path)) == 1


@pytest.mark.parametrize("done", [False, True])
async def test_a_server_error_delays_an_answer(world: World, done: bool) -> None:
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 502, done=done)
    async with world.running():
        await world.photo()
        await world.fake.sent(2)

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]
