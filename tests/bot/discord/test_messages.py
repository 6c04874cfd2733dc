"""The bot on Discord: the real client library against a small Discord on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from bot import replies
from bot.answers import Answers
from bot.discord import adapter
from bot.discord.adapter import Discord
from bot.errors import PlatformError
from bot.store.chat_settings import ChatSettings
from captioner import Busy, Caption, Options
from tests.bot.discord.fake_discord import (
    ADMINISTRATOR,
    CHANNEL,
    EPHEMERAL,
    GRANTED,
    GRANTED_LIMITED,
    GUILD,
    MANAGE_CHANNELS,
    ME,
    MESSAGE_CONTENT,
    PRIVATE,
    SECONDS,
    FakeDiscord,
    Json,
    user,
)
from tests.bot.discord.world import (
    ABOUT,
    BROKEN,
    LONG,
    PHOTOS,
    ROW,
    SENTENCES,
    World,
    a_world,
    quiet_log,
    row,
    sentence,
)
from tests.conftest import pixels


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # away from any .env
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with quiet_log(caplog):
        yield


# Messages.


async def test_a_photo_in_private_gets_one_reply_with_buttons(world: World) -> None:
    async with world.running():
        photo = await world.photo()
        reply = await world.fake.said()

    assert reply["content"] == "A dog runs."
    assert reply["message_reference"]["message_id"] == photo["id"]
    assert row(reply["components"]) == ROW
    assert len(world.mine()) == 1


async def test_a_photo_in_a_server_is_answered_when_it_mentions_the_bot(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[1])
        await world.fake.mention("what is this?", attachments=[photo])
        reply = await world.fake.said(channel=CHANNEL)

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
        reply = await fake.said()

    assert reply["content"] == "A man sits."
    assert reply["message_reference"]["message_id"] == asked["id"]
    assert len(fake.seen("POST", r"/channels/\d+/messages")) == 1


async def test_several_photos_are_answered_in_order_in_one_reply(world: World) -> None:
    async with world.running():
        photos = [world.fake.attachment(PHOTOS[number]) for number in (2, 0, 1, 3)]
        text = world.fake.attachment(b"words", "notes.txt", content_type="text/plain")
        await world.fake.say(channel_id=PRIVATE, attachments=[text, *photos])
        reply = await world.fake.said()

    sentences = ["A man sits.", "A dog runs.", "Two children play."]
    assert reply["content"] == replies.album(sentences, left_out=1)
    assert not reply.get("components")
    assert len(world.mine()) == 1


async def test_a_reply_is_cut_where_discord_takes_no_more(world: World) -> None:
    async with world.running():
        photos = [world.fake.attachment(LONG) for _ in range(3)]
        await world.fake.say(channel_id=PRIVATE, attachments=photos)
        reply = await world.fake.said()

    assert len(reply["content"]) == 2000
    assert reply["content"].endswith("…")


async def test_what_was_not_asked_for_stays_unanswered(world: World) -> None:
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
        reply = await fake.said()

    assert reply["message_reference"]["message_id"] == last["id"]
    assert len(fake.seen("POST", r"/channels/\d+/messages")) == 1


async def test_without_a_picture_a_short_hint_says_what_to_do(world: World) -> None:
    fake = world.fake
    async with world.running():
        await fake.say("hello", channel_id=PRIVATE)
        hint = await fake.said(channel=PRIVATE)
        mine = fake.message("A dog runs.", author=fake.me)
        reference = {"message_id": mine["id"], "channel_id": CHANNEL, "guild_id": GUILD}
        # A reply that mentions the bot only because it is one.
        await fake.say(
            "nice",
            type=19,
            message_reference=reference,
            referenced_message=mine,
            mentions=[fake.me],
        )
        asked = await fake.mention("hello")
        other = await fake.said(channel=CHANNEL)

    assert hint["content"] == other["content"] == replies.HINT
    assert other["message_reference"]["message_id"] == asked["id"]
    assert not hint.get("components")


async def test_pictures_of_embeds_are_fetched_from_the_proxy_alone(world: World) -> None:
    fake = world.fake
    stored = [fake.attachment(photo)["url"].partition("/cdn/")[2] for photo in PHOTOS]
    outside = [f"http://127.0.0.1:{fake.port}/elsewhere/{name}" for name in stored]
    embeds = [
        {"type": "rich", "image": {"url": outside[0], "proxy_url": fake.proxied(outside[0])}},
        {"type": "link", "thumbnail": {"url": outside[1], "proxy_url": fake.proxied(outside[1])}},
        {"type": "rich", "image": {"url": outside[2]}},
        {"type": "rich", "title": "only words"},
    ]
    async with world.running():
        await fake.say("a link", channel_id=PRIVATE, embeds=embeds)
        reply = await fake.said()

    assert reply["content"] == replies.album(["A dog runs.", "Two children play."])
    assert len(fake.seen("GET", "/proxy/.*")) == 2
    assert not fake.seen("GET", "/elsewhere/.*")


async def test_a_forwarded_photo_is_answered(world: World) -> None:
    forwarded = world.fake.message(attachments=[world.fake.attachment(PHOTOS[3])])
    async with world.running():
        await world.fake.say(channel_id=PRIVATE, message_snapshots=[{"message": forwarded}])
        reply = await world.fake.said()

    assert reply["content"] == "A bird flies."


async def test_typing_is_shown_while_the_model_works(world: World) -> None:
    world.model.open.clear()
    async with world.running():
        await world.photo()
        await world.fake.call("POST", f"/channels/{PRIVATE}/typing")
        assert not world.mine()
        world.model.open.set()
        await world.fake.said()


async def test_typing_that_is_not_allowed_costs_no_answer(world: World) -> None:
    world.fake.fail("POST", r"/channels/\d+/typing", 403, {"code": 50013, "message": "Missing"})
    world.model.open.clear()
    async with world.running():
        await world.photo()
        await world.fake.call("POST", f"/channels/{PRIVATE}/typing")
        world.model.open.set()
        assert (await world.fake.said())["content"] == "A dog runs."


async def test_a_file_that_is_too_large_is_not_fetched(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0], size=200_000)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        reply = await world.fake.said()

    assert reply["content"] == replies.too_large(0.1)
    assert not reply.get("components")
    assert not world.fake.seen("GET", "/cdn/.*")


async def test_a_file_that_is_larger_than_it_says_is_left_where_it_is(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(bytes(200_000), size=10)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await world.fake.said())["content"] == replies.too_large(0.1)


async def test_a_picture_is_not_followed_to_another_server(world: World) -> None:
    fake = world.fake
    photo = fake.attachment(PHOTOS[0])
    name = photo["url"].partition("/cdn/")[2]
    fake.moved[name] = f"http://127.0.0.1:{fake.port}/elsewhere/{name}"
    async with world.running():
        await fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await fake.said())["content"] == replies.UNREACHABLE

    assert not fake.seen("GET", "/elsewhere/.*")


async def test_a_download_that_fails_and_a_damaged_photo_are_told_apart(world: World) -> None:
    async with world.running():
        lost = world.fake.attachment(PHOTOS[0])
        world.fake.files.clear()
        photos = [lost, world.fake.attachment(BROKEN), world.fake.attachment(PHOTOS[0])]
        await world.fake.say(channel_id=PRIVATE, attachments=photos)
        reply = await world.fake.said()

    lines = [replies.UNREACHABLE, "This file is damaged.", "A dog runs."]
    assert reply["content"] == replies.album(lines)


async def test_a_file_without_a_type_is_known_by_its_name(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0], "PHOTO.WEBP", content_type=None)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await world.fake.said())["content"] == "A dog runs."


# Commands.


async def test_the_slash_command_is_acknowledged_before_the_photo_is_looked_at(
    world: World,
) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.running():
        photo = fake.attachment(PHOTOS[0])
        asked = await fake.use("caption", {"photo": photo})
        assert (await fake.acknowledged(asked))["type"] == 5
        await asyncio.wait_for(world.model.entered.acquire(), SECONDS)
        assert not fake.seen("PATCH", ".*")
        world.model.open.set()
        answer = await fake.edited(asked)

    assert answer["content"] == "A dog runs."
    assert answer["embeds"][0]["image"]["url"] == photo["url"]
    assert row(answer["components"]) == ROW


@pytest.mark.parametrize("private", [True, False])
async def test_the_answer_is_shown_to_whom_the_asker_says(world: World, private: bool) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0])
        asked = await world.fake.use("caption", {"photo": photo, "ephemeral": private})
        data = (await world.fake.acknowledged(asked)).get("data") or {}
        await world.fake.edited(asked)

    assert data.get("flags", 0) == (EPHEMERAL if private else 0)


async def test_the_slash_command_takes_pictures_only(world: World) -> None:
    async with world.running():
        text = world.fake.attachment(b"words", "notes.txt", content_type="text/plain")
        asked = await world.fake.use("caption", {"photo": text}, context=1)
        answer = await world.fake.edited(asked)
        broken = await world.fake.use("caption", {"photo": world.fake.attachment(BROKEN)})
        refused = await world.fake.edited(broken)

    assert answer["content"] == replies.NEEDS_ATTACHMENT
    assert refused["content"] == "This file is damaged."
    assert not {"embeds", "components"} & {*answer, *refused}


async def test_the_message_menu_captions_anybodys_photos(world: World) -> None:
    fake = world.fake
    async with world.running():
        photos = [fake.attachment(photo) for photo in PHOTOS[:2]]
        one = await fake.choose(replies.DISCORD_MENU, fake.message(attachments=photos[:1]))
        single = await fake.edited(one)
        two = await fake.choose(replies.DISCORD_MENU, fake.message(attachments=photos))
        several = await fake.edited(two)
        none = await fake.choose(replies.DISCORD_MENU, fake.message("words"))
        nothing = await fake.edited(none)

    assert (await fake.acknowledged(one))["type"] == 5
    assert single["content"] == "A dog runs."
    assert single["embeds"][0]["thumbnail"]["url"] == photos[0]["url"]
    assert row(single["components"]) == ROW
    assert several["content"] == replies.album(["A dog runs.", "Two children play."])
    assert not {"embeds", "components"} & {*several, *nothing}
    assert nothing["content"] == replies.NEEDS_ATTACHMENT


async def test_commands_are_offered_in_servers_and_to_peoples_accounts(world: World) -> None:
    async with world.running():
        commands = {one["name"]: one for one in world.fake.commands}

    assert set(commands) == {
        "caption",
        replies.DISCORD_MENU,
        "auto",
        "settings",
        "help",
        "privacy",
        "about",
        "stats",
        "leave",
    }
    operators = {commands.pop(name)["default_member_permissions"] for name in ("stats", "leave")}
    assert operators == {ADMINISTRATOR}
    automatic = commands.pop("auto")
    for command in commands.values():
        assert command["integration_types"] == [0, 1]
        assert command["contexts"] == [0, 1, 2]
    assert automatic["integration_types"] == [0]
    assert automatic["contexts"] == [0]
    assert automatic["default_member_permissions"] == MANAGE_CHANNELS
    assert [option["type"] for option in commands["caption"]["options"]] == [11, 5]
    assert [one["value"] for one in automatic["options"][0]["choices"]] == ["on", "off"]


async def test_words_about_the_bot_are_for_whoever_asks(world: World) -> None:
    fake = world.fake
    expected = {
        "help": replies.help_text(replies.DISCORD_GROUP_HELP),
        "privacy": replies.PRIVACY,
        "about": ABOUT,
    }
    async with world.running():
        for name, text in expected.items():
            asked = await fake.use(name)
            answer = await fake.acknowledged(asked)
            assert answer["type"] == 4
            assert answer["data"]["content"] == text
            assert answer["data"]["flags"] & EPHEMERAL


async def test_the_settings_of_a_channel_are_told(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        here = await fake.edited(asked := await fake.use("settings"))
        private = await fake.edited(await fake.use("settings", context=1))

    limits: Json = {"max_mb": 0.1, "max_photos": 3}
    assert (await fake.acknowledged(asked))["data"]["flags"] == EPHEMERAL
    assert here["content"] == replies.settings(auto=True, private=False, **limits)
    assert private["content"] == replies.settings(auto=False, private=True, **limits)


@pytest.mark.parametrize("flag", [GRANTED, GRANTED_LIMITED])
async def test_automatic_captions_follow_their_switch(world: World, flag: int) -> None:
    fake = world.fake
    fake.flags = flag
    async with world.running():
        photo = [fake.attachment(PHOTOS[0])]
        rights = {"permissions": MANAGE_CHANNELS}
        switched = await fake.use("auto", {"captions": "on"}, **rights)
        on = await fake.edited(switched)
        asked = await fake.say("look", attachments=photo)
        await fake.say("words")
        reply = await fake.said()
        off = await fake.edited(await fake.use("auto", {"captions": "off"}, **rights))
        await fake.say("look", attachments=photo)
        await world.photo()
        await fake.said(channel=PRIVATE)

    assert fake.identified[0]["intents"] & MESSAGE_CONTENT
    assert (on["content"], off["content"]) == (replies.AUTO_ON, replies.AUTO_OFF)
    assert reply["message_reference"]["message_id"] == asked["id"]
    assert len(fake.seen("POST", f"/channels/{CHANNEL}/messages")) == 1


async def test_automatic_captions_need_the_intent(world: World) -> None:
    async with world.running():
        asked = await world.fake.use(
            "auto", {"captions": "on"}, permissions=MANAGE_CHANNELS, context=0
        )
        answer = await world.fake.acknowledged(asked)

    assert answer["data"]["content"] == replies.AUTO_NEEDS_INTENT
    assert not await world.chats.auto("discord", CHANNEL)


async def test_automatic_captions_are_switched_by_those_who_manage_the_channel(
    world: World,
) -> None:
    world.fake.flags = GRANTED
    async with world.running():
        asked = await world.fake.use("auto", {"captions": "on"})
        refused = await world.fake.acknowledged(asked)
        asked = await world.fake.use("auto", {"captions": "on"}, context=1)
        private = await world.fake.acknowledged(asked)

    assert refused["data"]["content"] == replies.AUTO_ADMINS
    assert refused["data"]["flags"] & EPHEMERAL
    assert private["data"]["content"] == replies.AUTO_PRIVATE
    assert not await world.chats.auto("discord", CHANNEL)


async def test_an_interaction_that_died_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        await world.fake.use("help", dead=True)
        await world.fake.call("POST", "/interactions/.*")
        assert (await world.captioned())["content"] == "A dog runs."

    lines = [one for one in caplog.records if "was not delivered" in one.getMessage()]
    assert [one.__dict__["reason"] for one in lines] == ["HTTP 404, Unknown interaction"]


async def test_a_command_of_another_version_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        await world.fake.use("dance")
        await world.captioned()

    lines = [one for one in caplog.records if one.getMessage() == "unknown command"]
    assert [one.__dict__["reason"] for one in lines] == ["CommandNotFound"]


# Buttons.


async def test_another_caption_replaces_the_first_and_counts_on(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        pressed = await fake.press(message, "another:1")
        first = await fake.edited(pressed)
        second = await fake.edited(await fake.press(message, "another:2"))

    assert (await fake.acknowledged(pressed))["type"] == 6
    assert first["content"] == "Put differently, 1."
    assert row(first["components"])[0][0] == "another:2"
    assert second["content"] == "A dog runs."
    assert row(second["components"])[0][0] == "another:3"
    assert [options.seed for options in world.model.asked[1:]] == [1, 2]


async def test_where_there_is_nothing_else_to_say_the_caption_stays(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        message["content"] = "A dog runs. Put differently, 1."
        pressed = await fake.press(message, "another:1")
        change = await fake.edited(pressed)
        said = await fake.followed_up(pressed)

    assert "content" not in change
    assert row(change["components"])[0][0] == "another:2"
    assert said.body["content"] == replies.NOTHING_ELSE
    assert said.body["flags"] & EPHEMERAL


async def test_a_busy_model_leaves_the_caption_as_it_is(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        world.model.problem = Busy("later", 3.0)
        pressed = await fake.press(message, "another:1")
        said = await fake.followed_up(pressed)

    assert said.body["content"] == replies.busy(3)
    assert not fake.seen("PATCH", ".*")


async def test_where_the_model_looked_comes_as_a_picture(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        pressed = await fake.press(message, "look")
        sent = await fake.followed_up(pressed)

    assert (await fake.acknowledged(pressed))["type"] == 6
    assert sent.body["content"] == replies.LOOKED
    assert sent.files[0].startswith(b"\xff\xd8\xff")
    assert not sent.body.get("flags", 0) & EPHEMERAL


async def test_a_model_that_cannot_show_where_it_looked_says_so(world: World) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return sentence("A dog runs.")

    services = replace(world.services(), answers=Answers(caption, pixels, "discord"))
    bot = Discord(services)
    async with world.running(bot):
        pressed = await world.fake.press(await world.captioned(), "look")
        sent = await world.fake.followed_up(pressed)

    assert sent.body["content"] == replies.NO_ATTENTION
    assert sent.body["flags"] & EPHEMERAL


async def test_the_alt_text_is_the_bare_sentence_to_copy(world: World) -> None:
    world.model.confidence = 0.1
    async with world.running():
        message = await world.captioned()
        pressed = await world.fake.press(message, "alt")
        answer = await world.fake.acknowledged(pressed)

    assert message["content"] == "I am not sure, but perhaps: a dog runs."
    assert answer["data"]["content"] == "```\nA dog runs.\n```"
    assert answer["data"]["flags"] & EPHEMERAL


async def test_buttons_work_after_a_restart(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        slash = await fake.use("caption", {"photo": fake.attachment(PHOTOS[1]), "ephemeral": True})
        await fake.edited(slash)
        menu = await fake.choose(
            replies.DISCORD_MENU, fake.message(attachments=[fake.attachment(PHOTOS[2])])
        )
        await fake.edited(menu)
    shown = [fake.messages[asked["original"]] for asked in (slash, menu)]

    async with world.running():
        for old, text in zip([message, *shown], ["dog", "children", "man"], strict=True):
            pressed = await fake.press(old, "look")
            sent = await fake.followed_up(pressed)
            assert sent.files, text
            hidden = bool(sent.body.get("flags", 0) & EPHEMERAL)
            assert hidden == (old is shown[0])
        other = await fake.edited(await fake.press(shown[1], "another:1"))

    assert other["content"] == "Put differently, 1."
    assert row(other["components"])[0][0] == "another:2"


@pytest.mark.parametrize("how", ["deleted", "emptied", "expired", "never quoted"])
async def test_buttons_say_that_a_photo_is_gone(world: World, how: str) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        photo = fake.messages[message["message_reference"]["message_id"]]
        if how == "deleted":
            del fake.messages[photo["id"]]
        elif how == "emptied":
            photo["attachments"] = []
        elif how == "expired":
            fake.files.clear()
        else:
            del message["message_reference"]
        for custom_id in ("another:1", "look"):
            said = await fake.followed_up(await fake.press(message, custom_id))
            assert said.body["content"] == replies.GONE
            assert said.body["flags"] & EPHEMERAL

    assert not fake.seen("PATCH", ".*")


async def test_buttons_under_other_messages_do_nothing(world: World) -> None:
    fake = world.fake
    async with world.running():
        components = (await world.captioned())["components"]
        foreign = fake.message("A dog runs.", components=components)
        await fake.press(foreign, "alt")
        await fake.press(world.mine()[0], "alter")
        await world.captioned()

    assert not fake.seen("POST", "/interactions/.*")


# Trouble.


async def test_a_missing_permission_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    missing = {"code": 50013, "message": "Missing Permissions"}
    world.fake.fail("POST", f"/channels/{CHANNEL}/messages", 403, missing)
    async with world.running():
        await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])
        await world.fake.said(channel=CHANNEL)
        await world.captioned()

    reasons = [str(one.__dict__.get("reason")) for one in caplog.records]
    assert sum("HTTP 403, Missing Permissions" in reason for reason in reasons) == 1


async def test_a_fault_of_the_program_costs_one_answer(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Torn(ChatSettings):
        async def auto(self, platform: str, chat: str | int) -> bool:
            raise ZeroDivisionError

    world.fake.flags = GRANTED
    services = replace(world.services(), chat_settings=Torn(Path("none")))
    async with world.running(Discord(services)):
        await world.fake.say(attachments=[world.fake.attachment(PHOTOS[0])])
        assert (await world.captioned(1))["content"] == "Two children play."

    assert [one.getMessage() for one in caplog.records if one.exc_info] == ["an answer failed"]
    caplog.clear()


async def test_a_photo_that_was_deleted_meanwhile_is_answered_without_quoting(
    world: World,
) -> None:
    world.model.open.clear()
    async with world.running():
        photo = await world.photo()
        await asyncio.wait_for(world.model.entered.acquire(), SECONDS)
        del world.fake.messages[photo["id"]]
        world.model.open.set()
        await world.fake.said()

    assert [one["content"] for one in world.mine()] == ["A dog runs."]


async def test_flood_control_delays_an_answer(world: World) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
    headers = {"Via": "1.1 google"}
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 429, limited, headers)
    async with world.running():
        await world.photo()
        await world.fake.said(2)
        asked = await world.fake.use("caption", {"photo": world.fake.attachment(PHOTOS[1])})
        await world.fake.edited(asked)
        path = f"/webhooks/{ME}/{asked['token']}/messages/@original"
        world.fake.fail("PATCH", "/webhooks/.*", 429, limited, headers)
        menu = await world.fake.choose(
            replies.DISCORD_MENU, world.fake.message(attachments=[world.fake.attachment(PHOTOS[2])])
        )
        await world.fake.edited(menu, 2)

    tries = world.fake.seen("POST", f"/channels/{PRIVATE}/messages")
    assert tries[1].when - tries[0].when >= 0.2
    contents = [one["content"] for one in world.mine()]
    assert contents == ["A dog runs.", "Two children play.", "A man sits."]
    assert len(world.fake.seen("PATCH", path)) == 1


async def test_a_fault_of_the_server_delays_an_answer(world: World) -> None:
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 502)
    async with world.running():
        await world.photo()
        await world.fake.said(2)

    assert [one["content"] for one in world.mine()] == ["A dog runs."]


async def test_a_wrong_token_is_said_plainly(world: World) -> None:
    bot = world.bot(discord_bot_token=SecretStr("wrong.to.ken"))
    with pytest.raises(PlatformError, match="DISCORD_BOT_TOKEN") as error:
        await bot.run(asyncio.Event())
    assert "wrong.to.ken" not in str(error.value)
    with pytest.raises(PlatformError, match="DISCORD_BOT_TOKEN"):
        await bot.check()


@pytest.mark.parametrize(
    ("code", "words"),
    [(4004, "DISCORD_BOT_TOKEN"), (4014, "message content intent"), (4012, "4012")],
)
async def test_a_gateway_that_refuses_is_said_plainly(world: World, code: int, words: str) -> None:
    world.fake.deny_gateway = code
    with pytest.raises(PlatformError, match=words):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


async def test_the_token_is_checked_without_connecting(world: World) -> None:
    assert await world.bot().check() == "Discord: captions"
    assert not world.fake.queries


@pytest.mark.parametrize("address", ["discord_api_url", "discord_gateway_url"])
async def test_a_network_that_is_down_is_said_plainly_and_tried_again(
    world: World, address: str, unused_tcp_port: int
) -> None:
    scheme = "http" if address == "discord_api_url" else "ws"
    nowhere = world.bot(**{address: f"{scheme}://127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(PlatformError, match="cannot be reached"):
        await asyncio.wait_for(nowhere.run(asyncio.Event()), SECONDS)

    async with world.running():
        assert (await world.captioned())["content"] == "A dog runs."


async def test_a_gateway_that_stays_silent_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "START_SECONDS", 0.5)
    monkeypatch.setattr(FakeDiscord, "_identify", _ignore)
    with pytest.raises(PlatformError, match="cannot be reached"):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


async def test_only_the_start_has_to_be_quick(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "START_SECONDS", 2.0)
    async with world.running():
        await asyncio.sleep(2.1)
        await world.captioned()

    assert caplog.messages.count("connected") == 1


async def test_commands_that_discord_refuses_are_said_plainly(world: World) -> None:
    world.fake.fail("PUT", "/applications/.*", 403, {"code": 50001, "message": "Missing Access"})
    with pytest.raises(PlatformError, match="Missing Access"):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


# Connections.


async def test_the_gateway_is_kept_alive(world: World) -> None:
    world.fake.heartbeat_interval = 0.05
    async with world.running():
        await world.fake.until(lambda: world.fake.heartbeats >= 4)
    assert world.fake.queries[0]["compress"].endswith("-stream")


@pytest.mark.parametrize("how", ["dropped", "told to"])
async def test_a_photo_that_came_while_reconnecting_is_answered(world: World, how: str) -> None:
    async with world.running():
        await world.captioned(0)
        await (world.fake.drop() if how == "dropped" else world.fake.order(7))
        missed = await world.photo(1)
        reply = await world.fake.said(2)
        await world.captioned(2)

    assert reply["message_reference"]["message_id"] == missed["id"]
    assert len(world.fake.identified) == 1
    assert len(world.fake.queries) == 2
    assert len(world.mine()) == 3


async def test_a_session_that_is_no_longer_valid_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.Client, "before_identify_hook", _ignore)  # it waits 5 s
    async with world.running():
        await world.captioned(0)
        await world.fake.order(9, False)
        await world.fake.connected(2)
        assert (await world.captioned(1))["content"] == "Two children play."
        world.fake.resume_refused = True
        await world.fake.drop()
        await world.fake.connected(3)
        assert (await world.captioned(2))["content"] == "A man sits."


async def test_a_gateway_that_is_away_for_a_while_is_found_again(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.backoff.ExponentialBackoff, "delay", lambda self: 0.1)
    async with world.running():
        world.fake.away = True
        await world.fake.drop()
        await world.fake.until(lambda: len(world.fake.queries) >= 3)
        assert up() == 0
        world.fake.away = False
        await world.photo(1)
        await world.fake.said()
        assert up() == 1

    assert "Attempting a reconnect" in caplog.text


async def test_as_many_connections_as_the_gateway_recommends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.Client, "before_identify_hook", _ignore)  # it waits 5 s
    world.fake.shards = 2
    async with world.running():
        assert sorted(one["shard"] for one in world.fake.identified) == [[0, 2], [1, 2]]
        assert (await world.captioned())["content"] == "A dog runs."
        photo = world.fake.message(attachments=[world.fake.attachment(PHOTOS[1])])
        photo |= {"mentions": [world.fake.me]}
        await world.fake.dispatch("MESSAGE_CREATE", photo, shard=1)
        assert (await world.fake.said(channel=CHANNEL))["content"] == "Two children play."
        pressed = await world.fake.press(world.mine()[0], "another:1")
        await world.fake.edited(pressed)


async def test_what_is_in_hand_is_answered_before_leaving(world: World) -> None:
    fake = world.fake
    world.model.open.clear()
    stop = asyncio.Event()
    task = asyncio.create_task(world.bot().run(stop))
    await fake.connected()
    await world.photo(0)
    slash = await fake.use("caption", {"photo": fake.attachment(PHOTOS[1])})
    for _ in range(2):
        await asyncio.wait_for(world.model.entered.acquire(), SECONDS)
    assert up() == 1
    stop.set()
    late = await world.photo(2)
    asked = await fake.use("help")
    await fake.say("hello", channel_id=PRIVATE)
    world.model.open.set()
    await asyncio.wait_for(task, SECONDS)

    assert (await fake.said())["content"] == "A dog runs."
    assert (await fake.edited(slash))["content"] == "Two children play."
    assert [one["content"] for one in world.mine()] == ["Two children play.", "A dog runs."]
    assert late["id"] not in str(world.mine())
    assert "acknowledged" not in asked
    assert up() == 0


async def test_leaving_at_once_drops_what_is_in_hand(world: World) -> None:
    world.model.open.clear()
    task = asyncio.create_task(world.bot().run(asyncio.Event()))
    await world.fake.connected()
    await world.photo()
    await asyncio.wait_for(world.model.entered.acquire(), SECONDS)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    assert not world.mine()
    assert up() == 0


@pytest.mark.parametrize("shards", [1, 2])
async def test_a_gateway_that_reads_no_more_keeps_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    monkeypatch.setattr(discord.Client, "before_identify_hook", _ignore)  # it waits 5 s
    world.fake.shards = shards
    world.fake.deaf = True
    async with world.running():
        await world.captioned()
    assert up() == 0


async def test_the_same_bot_runs_again(world: World) -> None:
    bot = world.bot()
    for number in (0, 1):
        async with world.running(bot):
            assert (await world.captioned(number))["content"] == SENTENCES[number]
    assert len(world.fake.identified) == 2


def up() -> float | None:
    return REGISTRY.get_sample_value("captioner_platform_up", {"platform": "discord"})


async def _ignore(*args: Any, **kwargs: Any) -> None:
    return None
