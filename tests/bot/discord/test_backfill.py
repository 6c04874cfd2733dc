"""Photos sent while the bot on Discord was away: each is answered, and none twice."""

import asyncio
from typing import Any

import pytest

from bot.discord import backfill
from tests.bot.discord.fake_discord import SECONDS
from tests.bot.discord.fake_payloads import (
    CHANNEL,
    GRANTED,
    MANAGE_CHANNELS,
    PRIVATE,
    THREAD,
    Json,
    snowflake,
    user,
)
from tests.bot.discord.world import (
    PHOTOS,
    World,
    quoted,
)

pytestmark = pytest.mark.usefixtures("quick_inbox")

HOURS = 3600.0
FAILED: Json = {"code": 0, "message": "Internal"}
MISSING: Json = {"code": 50001, "message": "Missing Access"}


def missed(world: World, number: int = 0, channel: str = PRIVATE, **fields: Any) -> Json:
    """Have a person send a photo without an event."""
    attachments = [world.fake.attachment(PHOTOS[number])]
    return world.fake.message(channel_id=channel, attachments=attachments, **fields)


async def test_photos_sent_in_private_while_the_bot_was_away_are_answered(
    world: World,
) -> None:
    fake = world.fake
    async with world.running():
        await world.captioned(0)
    photos = [missed(world, 1), missed(world, 2)]
    fake.message("only words", channel_id=PRIVATE)
    missed(world, 3, author=user("801", "robot", bot=True))
    missed(world, 3, type=7)
    async with world.running():
        await world.settled(*photos)
        live = await world.photo(3)
        await world.settled(live)
    async with world.running():
        await world.captioned(0)

    assert sorted(quoted(world)[1:4]) == [one["id"] for one in (*photos, live)]
    assert len(world.bot_messages()) == 5


async def test_messages_in_the_inbox_are_not_answered_again(world: World) -> None:
    async with world.running():
        known = await world.captioned(0)
    await world.inbox.rows.forget_chat("discord", PRIVATE)
    await world.inbox.rows.mark_read("discord", PRIVATE, snowflake(HOURS))
    fresh = missed(world, 1)
    async with world.running():
        await world.settled(fresh)

    assert quoted(world) == [known["message_reference"]["message_id"], fresh["id"]]


async def test_photos_older_than_the_limit_get_no_answer(world: World) -> None:
    await world.inbox.rows.mark_read("discord", PRIVATE, 1)
    missed(world, 0, id=str(snowflake(3 * HOURS)))
    young = missed(world, 1, id=str(snowflake(1 * HOURS)))
    async with world.running(missed_hours=2):
        await world.settled(young)

    assert quoted(world) == [young["id"]]


async def test_a_bounded_number_of_messages_is_read(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MAX_MESSAGES", 102)  # more than Discord returns at once
    await world.inbox.rows.mark_read("discord", PRIVATE, snowflake(HOURS))
    for _ in range(101):
        world.fake.message("words", channel_id=PRIVATE)
    photos = [missed(world, number) for number in (0, 1)]
    async with world.running():
        await world.settled(photos[0])
        await world.captioned(2)
    pages = world.fake.requests("GET", f"/channels/{PRIVATE}/messages")

    assert quoted(world)[0] == photos[0]["id"]
    assert photos[1]["id"] not in quoted(world)
    assert [call.query["limit"] for call in pages] == ["100", "2"]
    assert caplog.text.count("channel history cut short") == 1


async def test_channels_and_threads_with_automatic_captions_are_backfilled(
    world: World,
) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running():
        switch = {"captions": "on"}
        await fake.edited(await fake.use("auto", switch, permissions=MANAGE_CHANNELS))
        first = await fake.say(channel_id=THREAD, attachments=[fake.attachment(PHOTOS[0])])
        await world.settled(first)
        words = await fake.say("words", channel_id=THREAD)
        async with asyncio.timeout(SECONDS):
            while (await world.inbox.rows.last_read("discord"))[THREAD] < int(words["id"]):
                await asyncio.sleep(0.01)
    photos = [missed(world, 1, CHANNEL), missed(world, 2, THREAD)]
    async with world.running():
        await world.settled(*photos)
        switch = {"captions": "off"}
        await fake.edited(await fake.use("auto", switch, permissions=MANAGE_CHANNELS))
    missed(world, 1, CHANNEL)
    missed(world, 2, THREAD)
    async with world.running():
        await fake.call("GET", f"/channels/{THREAD}", 2)
        await world.captioned(3)

    answered = [
        one["message_reference"]["message_id"]
        for one in world.bot_messages()
        if "message_reference" in one
    ]
    assert sorted(answered[:3]) == [one["id"] for one in (first, *photos)]
    assert len(answered) == 4
    assert set(await world.inbox.rows.last_read("discord")) == {PRIVATE}


async def test_other_channels_of_a_server_are_not_backfilled(world: World) -> None:
    async with world.running():
        await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])
        await world.fake.say("words")
        await world.fake.sent(channel=CHANNEL)

    assert not await world.inbox.rows.last_read("discord")


@pytest.mark.parametrize("how", ["gone", "closed"])
async def test_a_channel_that_became_unreadable_is_no_longer_watched(
    world: World, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    async with world.running():
        await world.captioned()
    if how == "gone":
        world.fake.gone.add(PRIVATE)
    else:
        world.fake.fail("GET", f"/channels/{PRIVATE}/messages", 403, MISSING)
    async with world.running():
        async with asyncio.timeout(SECONDS):
            while await world.inbox.rows.last_read("discord"):
                await asyncio.sleep(0.01)
    async with world.running():
        await world.fake.mention("hello")
        await world.fake.sent(channel=CHANNEL)

    assert len(world.fake.requests("GET", f"/channels/{PRIVATE}/messages")) == 1
    assert caplog.text.count("channel no longer watched") == 1


async def test_a_live_photo_does_not_hide_older_ones_that_are_not_backfilled_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, path = world.fake, f"/channels/{PRIVATE}/messages"
    async with world.running():
        await world.captioned(0)
    early = missed(world, 1)
    fake.fail("GET", path, 503, FAILED, times=3)
    async with world.killed():
        await fake.call("GET", path)
        await world.captioned(2)
    monkeypatch.setattr(backfill, "RETRY_SECONDS", 0.02)
    async with world.running():
        await world.settled(early)

    contents = [one["content"] for one in world.bot_messages()]
    assert contents == ["A dog runs.", "A man sits.", "Two children play."]


@pytest.mark.usefixtures("quick_identify")
async def test_a_new_session_is_backfilled_and_a_resumed_one_is_not(world: World) -> None:
    fake = world.fake
    async with world.running():
        await world.captioned(0)
        before = len(fake.requests("GET", f"/channels/{PRIVATE}/messages"))
        await fake.drop()
        await world.captioned(1)
        assert len(fake.requests("GET", f"/channels/{PRIVATE}/messages")) == before
        lost = missed(world, 2)
        await fake.order(9, False)
        await fake.connected(2)
        await world.settled(lost)

    assert quoted(world)[-1] == lost["id"]
