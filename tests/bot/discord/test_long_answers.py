"""Answers on Discord that are too long for one message: all of it is said, and nothing twice."""

import pytest

from bot.replies import DISCORD_MENU, replies
from tests.bot.discord.fake_api import CUT
from tests.bot.discord.fake_payloads import CHANNEL, ME, PRIVATE, Json
from tests.bot.discord.world import LONG, PHOTOS, ROW, World, quoted, row

pytestmark = pytest.mark.usefixtures("quick_inbox")

SAID = "long " * 300  # about `LONG`
FOLLOW_UP = f"/webhooks/{ME}/[^/]+"


async def ask(world: World, photos: int = 3) -> Json:
    """Send photos in private whose captions are 1,500 characters long."""
    attachments = [world.fake.attachment(LONG) for _ in range(photos)]
    return await world.fake.say(channel_id=PRIVATE, attachments=attachments)


def entries(photos: int = 3) -> list[str]:
    return replies.album([SAID] * photos)


def contents(world: World) -> list[str]:
    return [one["content"] for one in world.bot_messages()]


async def test_several_photos_are_answered_in_as_many_messages_as_it_needs(world: World) -> None:
    async with world.running():
        short = [world.fake.attachment(PHOTOS[number]) for number in (0, 1)]
        long = world.fake.attachment(LONG)
        asked = await world.fake.say(channel_id=PRIVATE, attachments=[short[0], long, long])
        await world.settled(asked)

    album = replies.album(["A dog runs.", SAID, SAID])
    assert contents(world) == ["\n".join(album[:2]), album[2]]
    assert quoted(world) == [asked["id"]] * 2
    assert not any(one.get("components") for one in world.bot_messages())


@pytest.mark.parametrize("arrived", [True, False])
@pytest.mark.parametrize("known", [300.0, 0.0], ids=["nonce known", "nonce forgotten"])
async def test_after_a_kill_between_two_messages_only_the_rest_is_said(
    world: World, arrived: bool, known: float
) -> None:
    fake, path = world.fake, f"/channels/{PRIVATE}/messages"
    fake.nonce_seconds, fake.latency = known, 0.3
    async with world.killed():
        asked = await ask(world)
        await fake.sent()
        fake.fail("POST", path, CUT, done=arrived, seconds=30)
        await fake.sent(2)
    fake.latency = 0.0
    before = len(world.model.asked)
    async with world.running():
        await world.settled(asked)

    assert contents(world) == entries()
    assert before == 3
    assert len(world.model.asked) == before + (1 if arrived else 2)


async def test_after_a_kill_behind_the_last_message_nothing_is_said_again(world: World) -> None:
    fake = world.fake
    fake.nonce_seconds, fake.latency = 0.0, 0.3
    async with world.killed():
        asked = await ask(world, 2)
        await fake.sent()
        fake.fail("POST", f"/channels/{PRIVATE}/messages", CUT, done=True, seconds=30)
        await fake.sent(2)
    async with world.running():
        await world.settled(asked)

    assert contents(world) == entries(2)
    assert len(world.model.asked) == 2


async def test_an_answer_that_is_given_up_after_its_first_message_gets_an_apology(
    world: World,
) -> None:
    fake = world.fake
    fake.latency = 0.3
    async with world.running():
        asked = await ask(world)
        await fake.sent()
        fake.fail("POST", f"/channels/{PRIVATE}/messages", CUT, times=3)
        await world.settled(asked, state="given up")

    assert contents(world) == [entries()[0], replies.GIVEN_UP]


async def test_a_part_that_arrived_before_its_connection_broke_is_not_doubled(
    world: World,
) -> None:
    fake = world.fake
    fake.latency = 0.3
    async with world.running():
        asked = await ask(world)
        await fake.sent()
        fake.fail("POST", f"/channels/{PRIVATE}/messages", CUT, done=True)
        await world.settled(asked)

    assert contents(world) == entries()


async def test_a_command_is_answered_in_as_many_messages_as_it_needs(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = fake.message(attachments=[fake.attachment(LONG) for _ in range(3)])
        asked = await fake.choose(DISCORD_MENU, message)
        await world.settled(asked)

    assert contents(world) == entries()
    assert {one["channel_id"] for one in world.bot_messages()} == {CHANNEL}


async def test_after_a_kill_a_command_is_answered_with_the_rest(world: World) -> None:
    fake = world.fake
    async with world.killed():
        message = fake.message(attachments=[fake.attachment(LONG) for _ in range(3)])
        fake.fail("POST", FOLLOW_UP, CUT, seconds=30)
        asked = await fake.choose(DISCORD_MENU, message)
        await fake.call("POST", FOLLOW_UP)
    async with world.running():
        await world.settled(asked)

    assert contents(world) == entries()
    assert len(fake.requests("PATCH", f"{FOLLOW_UP}/messages/@original")) == 1
    assert len(world.model.asked) == 3 + 2


async def test_a_part_of_a_commands_answer_that_may_have_arrived_is_not_sent_again(
    world: World,
) -> None:
    fake = world.fake
    async with world.running():
        message = fake.message(attachments=[fake.attachment(LONG) for _ in range(3)])
        fake.fail("POST", FOLLOW_UP, CUT, done=True)
        asked = await fake.choose(DISCORD_MENU, message)
        await world.settled(asked)

    assert contents(world) == entries()


async def test_what_arrived_of_a_commands_answer_stays_if_the_rest_is_given_up(
    world: World,
) -> None:
    fake = world.fake
    async with world.running():
        message = fake.message(attachments=[fake.attachment(LONG) for _ in range(3)])
        fake.fail("POST", FOLLOW_UP, 400, times=3)
        asked = await fake.choose(DISCORD_MENU, message)
        await world.settled(asked, state="given up")

    assert contents(world) == [entries()[0], replies.GIVEN_UP]


async def test_a_caption_that_is_too_long_alone_has_its_buttons_under_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord.photos.MAX_CHARACTERS", 1000)
    async with world.running():
        asked = await ask(world, 1)
        await world.settled(asked)
        slash = await world.fake.use("caption", {"photo": world.fake.attachment(LONG)})
        await world.settled(slash)

    first, last, *command = world.bot_messages()
    assert f"{first['content']} {last['content']}" == SAID
    assert not first.get("components")
    assert row(last["components"]) == ROW
    assert [bool(one.get("components")) for one in command] == [False, True]
    assert [bool(one["embeds"]) for one in command] == [False, True]
