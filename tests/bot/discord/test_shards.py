"""Several processes, each with shards of its own: each message is answered by one of them, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.discord import turns
from bot.discord.adapter import Discord
from bot.platforms import DISCORD
from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox
from bot.store.sqlite.inbox_rows import SqliteRows
from bot.supervision import PlatformError
from tests.bot.discord.fake_discord import SECONDS
from tests.bot.discord.fake_payloads import (
    CHANNEL,
    GRANTED,
    GUILD,
    MANAGE_CHANNELS,
    PRIVATE,
    THREAD,
    Json,
)
from tests.bot.discord.world import PHOTOS, World

pytestmark = pytest.mark.usefixtures("quick_inbox")

# The server is on shard 1 of 2; direct messages are on shard 0.
FIRST: dict[str, Any] = {"shard_count": 2, "shard_ids": (0,)}
SECOND: dict[str, Any] = {"shard_count": 2, "shard_ids": (1,)}
BOTH: dict[str, Any] = {"shard_count": 2}
MOMENT = 0.05  # seconds


class SharedLanes:
    """Keeps the processes of a test out of a lane, as a database would."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.held: list[int] = []

    @asynccontextmanager
    async def hold(self, lane: int) -> AsyncIterator[None]:
        async with self.lock:
            self.held.append(lane)
            yield


def path(channel: str) -> str:
    return f"/channels/{channel}/messages"


def missed(world: World, number: int, channel: str) -> Json:
    """Have a person send a photo while no process is there."""
    return world.fake.message(
        channel_id=channel, attachments=[world.fake.attachment(PHOTOS[number])]
    )


async def switch_on(world: World) -> None:
    """Have every photo of the server's channel, and of the thread in it, captioned."""
    switch = {"captions": "on"}
    await world.fake.edited(await world.fake.use("auto", switch, permissions=MANAGE_CHANNELS))
    words = await world.fake.say(channel_id=THREAD, attachments=[world.fake.attachment(PHOTOS[3])])
    await world.settled(words)


@asynccontextmanager
async def together(world: World, *bots: Discord) -> AsyncIterator[None]:
    """Run processes that start at the same time, each with one shard."""
    before = len(world.fake.identified)
    async with AsyncExitStack() as opened:
        starts = [opened.enter_async_context(world.running(bot)) for bot in bots]
        await asyncio.gather(*starts, world.fake.connected(before + len(bots)))
        yield


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
async def test_each_message_is_answered_once_by_the_process_of_its_shard(
    world: World, tmp_path: Path, shared: bool
) -> None:
    fake = world.fake
    async with Inbox(SqliteRows(tmp_path / "second" / "inbox.sqlite3")) as inbox:
        services = world.services(**SECOND)
        second = Discord(services if shared else replace(services, inbox=inbox))
        async with together(world, world.bot(**FIRST), second):
            private = [await world.photo(number) for number in (0, 1)]
            mentions = [
                await fake.mention(attachments=[fake.attachment(PHOTOS[number])])
                for number in (2, 3)
            ]
            await fake.sent(2, PRIVATE)
            await fake.sent(2, CHANNEL)
            slash = await fake.use("caption", {"photo": fake.attachment(PHOTOS[0])})
            assert (await fake.edited(slash))["content"] == "A dog runs."
        by_second = {row.key.message for row in await inbox.rows.having("answered")}

    assert sorted(one["shard"] for one in fake.identified) == [[0, 2], [1, 2]]
    answered = [one["message_reference"]["message_id"] for one in world.bot_messages()[:4]]
    assert sorted(answered) == sorted(one["id"] for one in (*private, *mentions))
    assert len(world.bot_messages()) == 5
    if not shared:
        assert by_second == {one["id"] for one in (*mentions, slash)}


async def test_only_the_process_of_shard_0_sets_the_commands(world: World) -> None:
    async with world.running(**SECOND):
        await world.fake.edited(await world.fake.use("settings"))
        assert not world.fake.commands
        async with world.running(**FIRST):
            assert world.fake.commands

    assert len(world.fake.requests("PUT", "/applications/.*")) == 1


async def test_after_a_restart_a_process_reads_only_the_channels_of_its_shards(
    world: World,
) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with together(world, world.bot(**FIRST), world.bot(**SECOND)):
        await world.captioned(0)
        await switch_on(world)
    assert set(await world.inbox.rows.last_read(DISCORD)) == {
        PRIVATE,
        f"{GUILD}/{CHANNEL}",
        f"{GUILD}/{THREAD}",
    }

    photos = [missed(world, number, one) for number, one in enumerate((CHANNEL, THREAD, PRIVATE))]
    async with world.running(**SECOND):
        await world.settled(*photos[:2])
        assert not fake.requests("GET", path(PRIVATE))
        reads = len(fake.requests("GET", path(CHANNEL)) + fake.requests("GET", path(THREAD)))
        async with world.running(**FIRST):
            await world.settled(photos[2])
            assert fake.requests("GET", path(PRIVATE))
    again = len(fake.requests("GET", path(CHANNEL)) + fake.requests("GET", path(THREAD)))
    assert again == reads

    answers = [one for one in world.bot_messages() if "message_reference" in one]
    answered = [one["message_reference"]["message_id"] for one in answers]
    assert sorted(answered[-3:]) == sorted(one["id"] for one in photos)
    assert len(answers) == 5


async def test_channels_that_a_bot_without_shards_watched_are_still_read(world: World) -> None:
    world.fake.flags = GRANTED
    async with world.running():
        await switch_on(world)
    assert set(await world.inbox.rows.last_read(DISCORD)) == {CHANNEL, THREAD}

    photo = missed(world, 0, CHANNEL)
    async with world.running(**FIRST):  # nothing tells yet that the server is on shard 1
        await world.settled(photo)
    async with together(world, world.bot(**FIRST), world.bot(**SECOND)):
        live = await world.fake.say(attachments=[world.fake.attachment(PHOTOS[1])])
        await world.settled(live)
        switch = {"captions": "off"}
        await world.fake.edited(await world.fake.use("auto", switch, permissions=MANAGE_CHANNELS))

    assert set(await world.inbox.rows.last_read(DISCORD)) == {THREAD}


@pytest.mark.usefixtures("quick_identify")
async def test_a_new_session_of_a_shard_reads_only_its_channels(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    async with world.running(**BOTH):
        await world.captioned(0)
        await switch_on(world)
        lost = missed(world, 1, CHANNEL)
        await fake.order(9, False, shard=1)
        await fake.connected(3)
        await world.settled(lost)

    assert not fake.requests("GET", path(PRIVATE))
    assert lost["id"] in [
        one["message_reference"]["message_id"]
        for one in world.bot_messages()
        if "message_reference" in one
    ]


async def test_shards_of_a_lane_begin_one_after_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fake.identify_seconds = 0.2
    monkeypatch.setattr(turns, "SECONDS", 0.6)

    async with world.running(shard_count=3):
        assert [one["shard"] for one in world.fake.identified] == [[0, 3], [1, 3], [2, 3]]
    assert not world.fake.hasty


async def test_as_many_shards_begin_together_as_discord_allows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fake.max_concurrency = 2
    world.fake.identify_seconds = 2 * SECONDS
    monkeypatch.setattr(turns, "SECONDS", 2 * SECONDS)  # none of them waits for another

    async with world.running(shard_count=16, shard_ids=(4, 7)):
        assert [one["shard"] for one in world.fake.identified] == [[4, 16], [7, 16]]
    assert not world.fake.hasty


async def test_processes_can_take_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fake.identify_seconds = 0.2
    monkeypatch.setattr(turns, "SECONDS", 0.6)
    lanes = SharedLanes()
    bots = [Discord(world.services(**shards), lanes.hold) for shards in (FIRST, SECOND)]

    async with together(world, *bots):
        assert not world.fake.hasty
    assert lanes.held == [0, 0]


@pytest.mark.usefixtures("quick_identify")
async def test_a_session_that_replaces_a_lost_one_waits_for_its_turn(world: World) -> None:
    lanes = SharedLanes()
    async with world.running(Discord(world.services(**FIRST), lanes.hold)):
        async with lanes.hold(0):
            await world.fake.order(9, False)
            await world.fake.until(lambda: len(world.fake.queries) == 2)
            await asyncio.sleep(MOMENT)
            assert len(world.fake.identified) == 1
        await world.fake.connected(2)
        assert (await world.captioned())["content"] == "A dog runs."


@pytest.mark.usefixtures("quick_identify")
async def test_a_shard_that_began_too_early_tries_again(world: World) -> None:
    world.fake.identify_seconds = 0.2
    world.fake._last_identify[0] = asyncio.get_running_loop().time()

    async with world.running(shard_count=2, shard_ids=(0,)):
        assert (await world.captioned())["content"] == "A dog runs."
    assert world.fake.hasty


async def test_a_process_that_waits_for_its_turn_can_be_stopped(world: World) -> None:
    lanes, stop = SharedLanes(), asyncio.Event()
    bot = Discord(world.services(**FIRST), lanes.hold)
    async with lanes.hold(0):
        task = asyncio.create_task(bot.run(stop))
        await world.fake.call("PUT", "/applications/.*")
        stop.set()
        await asyncio.wait_for(task, SECONDS)
    assert not world.fake.queries
    assert not lanes.lock.locked()


async def test_a_process_that_stopped_is_in_nobodys_way(world: World) -> None:
    lanes = SharedLanes()
    async with world.running(Discord(world.services(**FIRST), lanes.hold)):
        assert lanes.lock.locked()
    assert not lanes.lock.locked()


async def test_without_the_database_a_shard_begins_out_of_turn(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def lost(lane: int) -> AsyncIterator[None]:
        raise DatabaseError(Path("data"), "it cannot be reached")
        yield

    async with world.running(Discord(world.services(**FIRST), lost)):
        assert (await world.captioned())["content"] == "A dog runs."
    assert caplog.messages.count("shards of other processes may connect at the same time") == 1


async def test_a_bot_begins_no_more_sessions_than_discord_allows(world: World) -> None:
    world.fake.sessions_left = 2
    with pytest.raises(
        PlatformError, match=r"2 more sessions, too few for 3 shards; .* 90 minutes"
    ):
        await world.bot(shard_count=3).run(asyncio.Event())

    assert not world.fake.queries
    async with world.running(**FIRST):
        pass


async def test_the_check_names_the_shards_of_the_process(world: World) -> None:
    world.fake.shards = 2
    assert await world.bot().check() == "Discord: captions; shards 0,1 of 2"
    some = world.bot(shard_count=16, shard_ids=(4, 5, 6, 7))
    assert await some.check() == "Discord: captions; shards 4-7 of 16"
    others = world.bot(shard_count=16, shard_ids=(0, 2, 3))
    assert await others.check() == "Discord: captions; shards 0,2,3 of 16"
