"""Whom the bot on Discord lets in, what operators may do, and whose settings hold in a thread."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from bot import replies
from bot.access import Access
from bot.store import inbox
from tests.bot.discord.fake_discord import (
    ADA,
    CHANNEL,
    EPHEMERAL,
    GRANTED,
    GUILD,
    MANAGE_CHANNELS,
    PRIVATE,
    SECONDS,
    THREAD,
    Json,
    user,
)
from tests.bot.discord.world import PHOTOS, STATS, World, a_world, quiet_log

OPERATORS = {f"discord:{ADA}"}
IN_THREAD: Json = {"channel": {"id": THREAD, "type": 11}, "channel_id": THREAD}


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # away from any .env
    monkeypatch.setattr(inbox, "LOOK_SECONDS", 0.02)
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with quiet_log(caplog):
        yield


def refused(kind: str) -> float:
    labels = {"platform": "discord", "kind": kind}
    return REGISTRY.get_sample_value("captioner_errors_total", labels) or 0.0


async def until_refused(kind: str, times: float) -> None:
    async with asyncio.timeout(SECONDS):
        while refused(kind) < times:
            await asyncio.sleep(0.01)


async def test_who_is_not_let_in_is_told_so_once(world: World) -> None:
    world.access = Access(allowed={"discord:1"})
    before = refused("not allowed")
    async with world.running():
        first, _ = await world.photo(0), await world.photo(1)
        said = await world.fake.said(channel=PRIVATE)
        await world.fake.say("hello", channel_id=PRIVATE)
        await until_refused("not allowed", before + 3)

    assert said["content"] == replies.NOT_ALLOWED
    assert said["message_reference"]["message_id"] == first["id"]
    assert len(world.fake.seen("POST", f"/channels/{PRIVATE}/messages")) == 1
    assert not world.fake.seen("GET", "/cdn/.*")
    assert not world.fake.seen("POST", ".*/typing")
    assert await world.states() == {}


async def test_who_is_blocked_gets_no_answer_to_messages(world: World) -> None:
    world.access = Access(blocked={f"discord:{GUILD}", f"discord:{ADA}"})
    before = refused("blocked")
    async with world.running():
        await world.photo()
        await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])
        await world.fake.say("hello", channel_id=PRIVATE)
        await until_refused("blocked", before + 3)

    assert not world.mine()
    assert not world.model.asked


@pytest.mark.parametrize(
    "access", [Access(allowed={"discord:1"}), Access(blocked={f"discord:{ADA}"})]
)
async def test_commands_and_buttons_of_others_are_refused_to_them_alone(
    world: World, access: Access
) -> None:
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
            await fake.choose(replies.DISCORD_MENU, photo),
            *[await fake.press(message, name) for name in ("another:1", "look", "alt")],
        ]
        answers = [await fake.acknowledged(one) for one in asked]

    assert {answer["data"]["content"] for answer in answers} == {replies.NOT_ALLOWED}
    assert all(answer["data"]["flags"] & EPHEMERAL for answer in answers)
    assert len(world.model.asked) == 1
    assert len(await world.states()) == 1


async def test_who_sends_too_much_is_told_once_in_messages_and_each_time_otherwise(
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
        await fake.said(2)
        await world.photo(3)
        told = await fake.said(3)
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
    assert told["content"].startswith(words)
    assert all(one["content"].startswith(words) for one in whispered)
    assert all(one["flags"] & EPHEMERAL for one in whispered)
    assert alt["data"]["content"].startswith("```")
    assert len(world.model.asked) == 3
    assert refused("too many") == before + 5


async def test_a_channel_with_automatic_captions_is_told_once_that_it_is_too_much(
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
        await fake.said(2, CHANNEL)
        await until_refused("too many", before + 3)

    said = [call.body["content"] for call in fake.seen("POST", f"/channels/{CHANNEL}/messages")]
    assert sorted(said)[0] == "A dog runs."
    assert len(said) == 2


async def test_what_was_missed_is_answered_to_whom_is_let_in_however_much_it_is(
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
        told = await world.fake.acknowledged(await world.fake.use("help", **IN_THREAD))

    assert told["data"]["content"] == replies.help_text(replies.DISCORD_GROUP_HELP)


# Threads.


async def test_a_thread_has_the_automatic_captions_of_its_channel(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        asked = await fake.say(channel_id=THREAD, attachments=[fake.attachment(PHOTOS[0])])
        reply = await fake.said(channel=THREAD)
        told = await fake.edited(await fake.use("settings", **IN_THREAD))

    assert reply["message_reference"]["message_id"] == asked["id"]
    assert told["content"].startswith(replies.AUTO_ON)


async def test_automatic_captions_switched_in_a_thread_hold_in_its_channel(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running():
        switch: Json = {"permissions": MANAGE_CHANNELS, **IN_THREAD}
        await fake.edited(await fake.use("auto", {"captions": "on"}, **switch))
        assert await world.chats.all_auto("discord") == [CHANNEL]
        await fake.edited(await fake.use("auto", {"captions": "off"}, **switch))

    assert await world.chats.all_auto("discord") == []


# Operators.


async def test_operators_alone_are_told_how_the_bot_is_doing(world: World) -> None:
    fake = world.fake
    async with world.running():
        refused = await fake.acknowledged(await fake.use("stats"))
        world.access.operators = OPERATORS
        here = await fake.acknowledged(await fake.use("stats"))
        private = await fake.acknowledged(await fake.use("stats", context=1))

    said = [answer["data"]["content"] for answer in (refused, here, private)]
    assert said == [replies.OPERATORS_ONLY, STATS, STATS]
    assert all(answer["data"]["flags"] & EPHEMERAL for answer in (refused, here, private))


async def test_operators_alone_can_have_the_bot_leave_a_server(world: World) -> None:
    fake = world.fake
    async with world.running():
        refused = await fake.acknowledged(await fake.use("leave"))
        world.access.operators = OPERATORS
        assert not fake.seen("DELETE", ".*")
        told = await fake.acknowledged(await fake.use("leave"))
        await fake.call("DELETE", f"/users/@me/guilds/{GUILD}")

    assert refused["data"]["content"] == replies.OPERATORS_ONLY
    assert told["data"]["content"] == replies.LEAVING


@pytest.mark.parametrize("where", [{"context": 1}, {"guild_id": "999", "guild": {"id": "999"}}])
async def test_there_is_nothing_to_leave_where_the_bot_is_no_member(
    world: World, where: dict[str, Any]
) -> None:
    world.access.operators = OPERATORS
    async with world.running():
        told = await world.fake.acknowledged(await world.fake.use("leave", **where))

    assert told["data"]["content"] == replies.LEAVE_GROUPS
    assert not world.fake.seen("DELETE", ".*")
