"""Access on Discord: who is allowed, rate limits, operators, and threads."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from bot.access import Access
from bot.replies import DISCORD_MENU, replies
from tests.bot.discord.fake_discord import SECONDS
from tests.bot.discord.fake_payloads import (
    ADA,
    CHANNEL,
    EPHEMERAL,
    GRANTED,
    GUILD,
    MANAGE_CHANNELS,
    PRIVATE,
    THREAD,
    Json,
    user,
)
from tests.bot.discord.world import (
    PHOTOS,
    STATS,
    World,
)

pytestmark = pytest.mark.usefixtures("quick_inbox")

OPERATORS = {f"discord:{ADA}"}
IN_THREAD: Json = {"channel": {"id": THREAD, "type": 11}, "channel_id": THREAD}


async def test_people_who_are_not_allowed_get_one_refusal(world: World) -> None:
    world.access = Access(allowed={"discord:1"})
    before = refused("not allowed")
    async with world.running():
        first, _ = await world.photo(0), await world.photo(1)
        sent = await world.fake.sent(channel=PRIVATE)
        await world.fake.say("hello", channel_id=PRIVATE)
        await until_refused("not allowed", before + 3)

    assert sent["content"] == replies.NOT_ALLOWED
    assert sent["message_reference"]["message_id"] == first["id"]
    assert len(world.fake.requests("POST", f"/channels/{PRIVATE}/messages")) == 1
    assert not world.fake.requests("GET", "/cdn/.*")
    assert not world.fake.requests("POST", ".*/typing")
    assert await world.states() == {}


async def test_blocked_people_get_no_answer_to_messages(world: World) -> None:
    world.access = Access(blocked={f"discord:{GUILD}", f"discord:{ADA}"})
    before = refused("blocked")
    async with world.running():
        await world.photo()
        await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])
        await world.fake.say("hello", channel_id=PRIVATE)
        await until_refused("blocked", before + 3)

    assert not world.bot_messages()
    assert not world.model.asked


@pytest.mark.parametrize(
    "access", [Access(allowed={"discord:1"}), Access(blocked={f"discord:{ADA}"})]
)
async def test_commands_and_buttons_are_refused_in_a_whisper(world: World, access: Access) -> None:
    fake = world.fake
    photo = fake.message(attachments=[fake.attachment(PHOTOS[0])])
    async with world.running():
        message = await world.captioned()
        world.access = access
    async with world.running():
        asked = [
            await fake.use("caption", {"photo": fake.attachment(PHOTOS[0])}),
            await fake.use("help"),
            await fake.use("stats"),
            await fake.use("settings"),
            await fake.choose(DISCORD_MENU, photo),
            *[await fake.press(message, name) for name in ("another:1", "look", "alt")],
        ]
        answers = [await fake.acknowledged(one) for one in asked]

    assert {answer["data"]["content"] for answer in answers} == {replies.NOT_ALLOWED}
    assert all(answer["data"]["flags"] & EPHEMERAL for answer in answers)
    assert len(world.model.asked) == 1
    assert len(await world.states()) == 1


async def test_a_rate_limit_is_explained_once_to_messages_and_always_to_interactions(
    world: World,
) -> None:
    fake = world.fake
    world.access = Access("3/minute", "100/minute")
    before = refused("too many")
    async with world.running():
        message = await world.captioned(0)
        await fake.say(
            channel_id=PRIVATE, attachments=[fake.attachment(photo) for photo in PHOTOS[1:3]]
        )
        await fake.sent(2)
        await world.photo(3)
        reply = await fake.sent(3)
        await world.photo(3)
        photo = {"photo": fake.attachment(PHOTOS[0])}
        asked = [
            await fake.use("caption", photo),
            await fake.press(message, "look"),
            await fake.press(message, "another:1"),
        ]
        whispered = [(await fake.acknowledged(one))["data"] for one in asked]
        alt = await fake.acknowledged(await fake.press(message, "alt"))

    words = replies.TOO_MANY.partition("{")[0]
    assert reply["content"].startswith(words)
    assert all(one["content"].startswith(words) for one in whispered)
    assert all(one["flags"] & EPHEMERAL for one in whispered)
    assert alt["data"]["content"].startswith("```")
    assert len(world.model.asked) == 3
    assert refused("too many") == before + 5


async def test_a_rate_limit_is_explained_once_in_a_channel_with_automatic_captions(
    world: World,
) -> None:
    fake = world.fake
    fake.flags = GRANTED
    world.access = Access("100/minute", "1/minute")
    before = refused("too many")
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        for _ in range(4):
            await fake.say(attachments=[fake.attachment(PHOTOS[0])])
        await fake.sent(2, CHANNEL)
        await until_refused("too many", before + 3)

    sent = [call.body["content"] for call in fake.requests("POST", f"/channels/{CHANNEL}/messages")]
    assert sorted(sent)[0] == "A dog runs."
    assert len(sent) == 2


async def test_missed_photos_count_towards_no_rate_limit_but_blocked_people_get_no_answer(
    world: World,
) -> None:
    fake = world.fake
    world.access = Access("1/minute", "1/minute", blocked={"discord:804"})
    async with world.running():
        await world.captioned(0)
    authors = [user(ADA, "lovelace"), user("804", "blocked"), user(ADA, "lovelace")]
    photos = [
        fake.message(channel_id=PRIVATE, attachments=[fake.attachment(PHOTOS[1])], author=author)
        for author in authors
    ]
    async with world.running():
        await world.settled(photos[0], photos[2])

    assert photos[1]["id"] not in await world.states()


async def test_a_thread_belongs_to_its_channel(world: World) -> None:
    world.access = Access(allowed={f"discord:{CHANNEL}"})
    async with world.running():
        asked = await world.fake.mention(
            channel_id=THREAD, attachments=[world.fake.attachment(PHOTOS[0])]
        )
        await world.settled(asked)
        reply = await world.fake.acknowledged(await world.fake.use("help", **IN_THREAD))

    assert reply["data"]["content"] == replies.help_text(replies.DISCORD_GROUP_HELP)


async def test_a_thread_has_the_automatic_captions_of_its_channel(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        asked = await fake.say(channel_id=THREAD, attachments=[fake.attachment(PHOTOS[0])])
        reply = await fake.sent(channel=THREAD)
        settings = await fake.edited(await fake.use("settings", **IN_THREAD))

    assert reply["message_reference"]["message_id"] == asked["id"]
    assert settings["content"].startswith(replies.AUTO_ON)


async def test_automatic_captions_switched_in_a_thread_hold_in_its_channel(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running():
        switch: Json = {"permissions": MANAGE_CHANNELS, **IN_THREAD}
        await fake.edited(await fake.use("auto", {"captions": "on"}, **switch))
        assert await world.chats.auto("discord", CHANNEL)
        assert not await world.chats.auto("discord", THREAD)
        await fake.edited(await fake.use("auto", {"captions": "off"}, **switch))

    assert not await world.chats.auto("discord", CHANNEL)


async def test_only_operators_see_the_figures_of_the_bot(world: World) -> None:
    fake = world.fake
    async with world.running():
        refused = await fake.acknowledged(await fake.use("stats"))
        world.access.operators = OPERATORS
        here = await fake.acknowledged(await fake.use("stats"))
        private = await fake.acknowledged(await fake.use("stats", context=1))

    sent = [answer["data"]["content"] for answer in (refused, here, private)]
    assert sent == [replies.OPERATORS_ONLY, STATS, STATS]
    assert all(answer["data"]["flags"] & EPHEMERAL for answer in (refused, here, private))


async def test_only_operators_can_have_the_bot_leave_a_server(world: World) -> None:
    fake = world.fake
    async with world.running():
        refused = await fake.acknowledged(await fake.use("leave"))
        world.access.operators = OPERATORS
        assert not fake.requests("DELETE", ".*")
        reply = await fake.acknowledged(await fake.use("leave"))
        await fake.call("DELETE", f"/users/@me/guilds/{GUILD}")

    assert refused["data"]["content"] == replies.OPERATORS_ONLY
    assert reply["data"]["content"] == replies.LEAVING


@pytest.mark.parametrize("where", [{"context": 1}, {"guild_id": "999", "guild": {"id": "999"}}])
async def test_the_bot_cannot_leave_where_it_is_not_a_member(
    world: World, where: dict[str, Any]
) -> None:
    world.access.operators = OPERATORS
    async with world.running():
        reply = await world.fake.acknowledged(await world.fake.use("leave", **where))

    assert reply["data"]["content"] == replies.LEAVE_GROUPS
    assert not world.fake.requests("DELETE", ".*")


def refused(kind: str) -> float:
    labels = {"platform": "discord", "kind": kind}
    return REGISTRY.get_sample_value("captioner_errors_total", labels) or 0.0


async def until_refused(kind: str, times: float) -> None:
    async with asyncio.timeout(SECONDS):
        while refused(kind) < times:
            await asyncio.sleep(0.01)
