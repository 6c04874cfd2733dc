"""The connection to Discord: from a refused token to a clean stop."""

import asyncio
from typing import Any

import discord
import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from bot.discord import adapter
from bot.supervision import PlatformError
from tests.bot.discord.fake_discord import SECONDS, FakeDiscord
from tests.bot.discord.fake_payloads import CHANNEL, PRIVATE
from tests.bot.discord.world import (
    PHOTOS,
    SENTENCES,
    World,
)


async def test_a_wrong_token_names_its_setting(world: World) -> None:
    bot = world.bot(discord_bot_token=SecretStr("wrong.to.ken"))
    with pytest.raises(PlatformError, match="DISCORD_BOT_TOKEN") as error:
        await bot.run(asyncio.Event())
    assert "wrong.to.ken" not in str(error.value)
    with pytest.raises(PlatformError, match="DISCORD_BOT_TOKEN"):
        await bot.check()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (4004, "DISCORD_BOT_TOKEN"),
        (4014, "message content intent"),
        (4011, "SHARD_COUNT"),
        (4012, "4012"),
    ],
)
async def test_a_refusal_of_the_gateway_says_what_to_change(
    world: World, code: int, words: str
) -> None:
    world.fake.deny_gateway = code
    with pytest.raises(PlatformError, match=words):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


async def test_the_token_is_checked_without_connecting(world: World) -> None:
    assert await world.bot().check() == "Discord: captions"
    assert not world.fake.queries


@pytest.mark.parametrize("address", ["discord_api_url", "discord_gateway_url"])
async def test_an_unreachable_discord_is_reported_and_the_bot_can_run_later(
    world: World, address: str, unused_tcp_port: int
) -> None:
    scheme = "http" if address == "discord_api_url" else "ws"
    nowhere = world.bot(**{address: f"{scheme}://127.0.0.1:{unused_tcp_port}"})
    with pytest.raises(PlatformError, match="cannot be reached"):
        await asyncio.wait_for(nowhere.run(asyncio.Event()), SECONDS)

    async with world.running():
        assert (await world.captioned())["content"] == "A dog runs."


async def test_a_silent_gateway_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "START_SECONDS", 0.5)
    monkeypatch.setattr(FakeDiscord, "_identify", _ignore)
    with pytest.raises(PlatformError, match="cannot be reached"):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


async def test_only_the_start_has_a_time_limit(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "START_SECONDS", 2.0)
    async with world.running():
        await asyncio.sleep(2.1)
        await world.captioned()

    assert caplog.messages.count("connected") == 1


async def test_a_refusal_of_the_commands_is_reported(world: World) -> None:
    world.fake.fail("PUT", "/applications/.*", 403, {"code": 50001, "message": "Missing Access"})
    with pytest.raises(PlatformError, match="Missing Access"):
        await asyncio.wait_for(world.bot().run(asyncio.Event()), SECONDS)


async def test_the_gateway_is_kept_alive(world: World) -> None:
    world.fake.heartbeat_interval = 0.05
    async with world.running():
        await world.fake.until(lambda: world.fake.heartbeats >= 4)
    assert world.fake.queries[0]["compress"].endswith("-stream")


@pytest.mark.parametrize("how", ["dropped", "requested"])
async def test_a_photo_sent_while_reconnecting_is_answered(world: World, how: str) -> None:
    async with world.running():
        await world.captioned(0)
        await (world.fake.drop() if how == "dropped" else world.fake.order(7))
        missed = await world.photo(1)
        reply = await world.fake.sent(2)
        await world.captioned(2)

    assert reply["message_reference"]["message_id"] == missed["id"]
    assert len(world.fake.identified) == 1
    assert len(world.fake.queries) == 2
    assert len(world.bot_messages()) == 3


@pytest.mark.usefixtures("quick_identify")
async def test_an_invalid_session_is_replaced(world: World) -> None:
    async with world.running():
        await world.captioned(0)
        await world.fake.order(9, False)
        await world.fake.connected(2)
        assert (await world.captioned(1))["content"] == "Two children play."
        world.fake.resume_refused = True
        await world.fake.drop()
        await world.fake.connected(3)
        assert (await world.captioned(2))["content"] == "A man sits."


async def test_the_bot_reconnects_to_a_gateway_that_was_down(
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
        await world.fake.sent()
        assert up() == 1

    assert "Attempting a reconnect" in caplog.text


@pytest.mark.usefixtures("quick_identify")
async def test_the_bot_opens_as_many_connections_as_the_gateway_recommends(world: World) -> None:
    world.fake.shards = 2
    async with world.running():
        assert sorted(one["shard"] for one in world.fake.identified) == [[0, 2], [1, 2]]
        assert (await world.captioned())["content"] == "A dog runs."
        photo = world.fake.message(attachments=[world.fake.attachment(PHOTOS[1])])
        photo |= {"mentions": [world.fake.me]}
        await world.fake.dispatch("MESSAGE_CREATE", photo, shard=1)
        assert (await world.fake.sent(channel=CHANNEL))["content"] == "Two children play."
        pressed = await world.fake.press(world.bot_messages()[0], "another:1")
        await world.fake.edited(pressed)


async def test_work_in_progress_is_finished_before_stopping(world: World) -> None:
    fake = world.fake
    world.model.open.clear()
    stop = asyncio.Event()
    task = asyncio.create_task(world.bot().run(stop))
    await fake.connected()
    await world.photo(0)
    slash = await fake.use("caption", {"photo": fake.attachment(PHOTOS[1])})
    await world.model.reached(2)
    assert up() == 1
    stop.set()
    late = await world.photo(2)
    asked = await fake.use("help")
    await fake.say("hello", channel_id=PRIVATE)
    world.model.open.set()
    await asyncio.wait_for(task, SECONDS)

    assert (await fake.sent())["content"] == "A dog runs."
    assert (await fake.edited(slash))["content"] == "Two children play."
    assert [one["content"] for one in world.bot_messages()] == ["Two children play.", "A dog runs."]
    assert late["id"] not in str(world.bot_messages())
    assert "acknowledged" not in asked
    assert up() == 0


async def test_cancelling_the_bot_drops_the_work_in_progress(world: World) -> None:
    world.model.open.clear()
    task = asyncio.create_task(world.bot().run(asyncio.Event()))
    await world.fake.connected()
    await world.photo()
    await world.model.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    assert not world.bot_messages()
    assert up() == 0


@pytest.mark.usefixtures("quick_identify")
@pytest.mark.parametrize("shards", [1, 2])
async def test_a_gateway_that_stops_reading_does_not_block_the_stop(
    world: World, shards: int
) -> None:
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
