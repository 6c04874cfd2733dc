"""The commands on Discord: the slash commands, and the one in the menu of a message."""

import pytest

from bot.replies import DISCORD_MENU, replies
from captioner import BadImage
from tests.bot.discord.fake_payloads import (
    ADMINISTRATOR,
    CHANNEL,
    EPHEMERAL,
    GRANTED,
    GRANTED_LIMITED,
    MANAGE_CHANNELS,
    MESSAGE_CONTENT,
    PRIVATE,
    Json,
)
from tests.bot.discord.world import ABOUT, BROKEN, PHOTOS, ROW, World, row


async def test_the_slash_command_is_acknowledged_before_the_photo_is_captioned(
    world: World,
) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.running():
        photo = fake.attachment(PHOTOS[0])
        asked = await fake.use("caption", {"photo": photo})
        assert (await fake.acknowledged(asked))["type"] == 5
        await world.model.reached()
        assert not fake.requests("PATCH", ".*")
        world.model.open.set()
        answer = await fake.edited(asked)

    assert answer["content"] == "A dog runs."
    assert answer["embeds"][0]["image"]["url"] == photo["url"]
    assert row(answer["components"]) == ROW


@pytest.mark.parametrize("private", [True, False])
async def test_the_asker_chooses_who_sees_the_answer(world: World, private: bool) -> None:
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
    assert refused["content"] == replies.bad_image(BadImage("damaged"))
    assert not {"embeds", "components"} & {*answer, *refused}


async def test_the_message_menu_captions_anybodys_photos(world: World) -> None:
    fake = world.fake
    async with world.running():
        photos = [fake.attachment(photo) for photo in PHOTOS[:2]]
        one = await fake.choose(DISCORD_MENU, fake.message(attachments=photos[:1]))
        single = await fake.edited(one)
        two = await fake.choose(DISCORD_MENU, fake.message(attachments=photos))
        several = await fake.edited(two)
        none = await fake.choose(DISCORD_MENU, fake.message("words"))
        nothing = await fake.edited(none)

    assert (await fake.acknowledged(one))["type"] == 5
    assert single["content"] == "A dog runs."
    assert single["embeds"][0]["thumbnail"]["url"] == photos[0]["url"]
    assert row(single["components"]) == ROW
    assert several["content"] == "\n".join(replies.album(["A dog runs.", "Two children play."]))
    assert not {"embeds", "components"} & {*several, *nothing}
    assert nothing["content"] == replies.NEEDS_ATTACHMENT


async def test_commands_are_offered_to_servers_and_to_users_accounts(world: World) -> None:
    async with world.running():
        commands = {one["name"]: one for one in world.fake.commands}

    assert set(commands) == {
        "caption",
        DISCORD_MENU,
        "auto",
        "language",
        "settings",
        "help",
        "privacy",
        "about",
        "stats",
        "leave",
    }
    operators = {commands.pop(name)["default_member_permissions"] for name in ("stats", "leave")}
    assert operators == {ADMINISTRATOR}
    automatic, speaking = commands.pop("auto"), commands.pop("language")
    for command in commands.values():
        assert command["integration_types"] == [0, 1]
        assert command["contexts"] == [0, 1, 2]
    assert automatic["integration_types"] == [0]
    assert automatic["contexts"] == [0]
    assert automatic["default_member_permissions"] == MANAGE_CHANNELS
    assert speaking["default_member_permissions"] == MANAGE_CHANNELS
    assert (speaking["integration_types"], speaking["contexts"]) == ([0, 1], [0, 1])
    assert [option["type"] for option in commands["caption"]["options"]] == [11, 5]
    assert [one["value"] for one in automatic["options"][0]["choices"]] == ["on", "off"]


async def test_only_the_asker_sees_what_the_bot_says_about_itself(world: World) -> None:
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


async def test_the_settings_of_a_channel_are_shown(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        here = await fake.edited(asked := await fake.use("settings"))
        private = await fake.edited(await fake.use("settings", context=1))

    limits: Json = {"max_mb": 0.1, "max_video_mb": 20, "max_photos": 3}
    assert (await fake.acknowledged(asked))["data"]["flags"] == EPHEMERAL
    assert here["content"] == replies.settings(auto=True, private=False, **limits)
    assert private["content"] == replies.settings(auto=False, private=True, **limits)


@pytest.mark.parametrize("flag", [GRANTED, GRANTED_LIMITED])
async def test_automatic_captions_are_switched_on_and_off(world: World, flag: int) -> None:
    fake = world.fake
    fake.flags = flag
    async with world.running():
        photo = [fake.attachment(PHOTOS[0])]
        rights = {"permissions": MANAGE_CHANNELS}
        switched = await fake.use("auto", {"captions": "on"}, **rights)
        on = await fake.edited(switched)
        asked = await fake.say("look", attachments=photo)
        await fake.say("words")
        reply = await fake.sent()
        off = await fake.edited(await fake.use("auto", {"captions": "off"}, **rights))
        await fake.say("look", attachments=photo)
        await world.photo()
        await fake.sent(channel=PRIVATE)

    assert fake.identified[0]["intents"] & MESSAGE_CONTENT
    assert (on["content"], off["content"]) == (replies.AUTO_ON, replies.AUTO_OFF)
    assert reply["message_reference"]["message_id"] == asked["id"]
    assert len(fake.requests("POST", f"/channels/{CHANNEL}/messages")) == 1


async def test_automatic_captions_need_the_intent(world: World) -> None:
    async with world.running():
        asked = await world.fake.use(
            "auto", {"captions": "on"}, permissions=MANAGE_CHANNELS, context=0
        )
        answer = await world.fake.acknowledged(asked)

    assert answer["data"]["content"] == replies.AUTO_NEEDS_INTENT
    assert not await world.chats.auto("discord", CHANNEL)


async def test_only_people_who_manage_a_channel_switch_automatic_captions(
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


async def test_an_expired_command_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        await world.fake.use("help", dead=True)
        await world.fake.call("POST", "/interactions/.*")
        assert (await world.captioned())["content"] == "A dog runs."

    lines = [one for one in caplog.records if "not delivered" in one.getMessage()]
    assert [one.__dict__["reason"] for one in lines] == ["HTTP 404, Unknown interaction"]


async def test_a_command_of_another_version_is_one_line_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        await world.fake.use("dance")
        await world.captioned()

    lines = [one for one in caplog.records if one.getMessage() == "unknown command"]
    assert [one.__dict__["reason"] for one in lines] == ["CommandNotFound"]
