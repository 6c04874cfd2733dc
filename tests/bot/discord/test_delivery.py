"""Messages on Discord that may have arrived: a repeat is no second message."""

import asyncio

import pytest

from bot.replies import replies
from tests.bot.discord.asking import Ask, another, in_private, look, mentioned, menu, slash
from tests.bot.discord.fake_api import CUT
from tests.bot.discord.fake_payloads import CHANNEL, ME, PRIVATE, Json
from tests.bot.discord.world import World, quoted

pytestmark = pytest.mark.usefixtures("quick_inbox")

FAILED: Json = {"code": 0, "message": "Internal"}
MOMENT = 0.1  # seconds


@pytest.mark.parametrize("ask", [in_private, mentioned])
@pytest.mark.parametrize("known", [300.0, 0.0], ids=["nonce known", "nonce forgotten"])
async def test_an_answer_that_arrived_before_its_connection_broke_is_not_doubled(
    world: World, ask: Ask, known: float
) -> None:
    world.fake.nonce_seconds = known
    world.fake.fail("POST", r"/channels/\d+/messages", CUT, done=True)
    async with world.running():
        asked = await ask(world)
        await world.settled(asked)

    assert quoted(world) == [asked["id"]]


async def test_an_answer_that_was_cut_off_before_it_arrived_is_sent_again(world: World) -> None:
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", CUT)
    async with world.running():
        asked = await world.photo()
        await world.settled(asked)

    assert quoted(world) == [asked["id"]]
    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]


async def test_an_answer_that_was_not_written_down_before_a_crash_is_not_doubled(
    world: World,
) -> None:
    world.fake.nonce_seconds = 0.0  # the restart comes long after
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", CUT, done=True, seconds=30)
    async with world.killed():
        asked = await world.photo()
        await world.fake.sent()
    async with world.running():
        await world.settled(asked)

    assert quoted(world) == [asked["id"]]


async def test_replies_of_others_do_not_count_as_the_answer(world: World) -> None:
    fake = world.fake
    fake.fail("POST", f"/channels/{CHANNEL}/messages", CUT)
    world.model.open.clear()
    async with world.running():
        asked = await mentioned(world)
        await world.model.reached()
        reference = {"message_id": asked["id"], "channel_id": CHANNEL}
        fake.message("Nice!", message_reference=reference)
        fake.message("Something else.", author=fake.me)
        world.model.open.set()
        await world.settled(asked)

    assert world.bot_messages()[-1]["content"] == "A dog runs."
    assert world.bot_messages()[-1]["message_reference"]["message_id"] == asked["id"]


async def test_an_apology_that_may_have_arrived_is_sent_once(world: World) -> None:
    path = f"/channels/{PRIVATE}/messages"
    world.fake.fail("POST", path, CUT, times=3)
    world.fake.fail("POST", path, 502, FAILED, done=True)  # which the library repeats
    async with world.running():
        asked = await world.photo()
        await world.settled(asked, state="given up")

    assert [one["content"] for one in world.bot_messages()] == [replies.GIVEN_UP]


async def test_there_is_no_apology_under_an_answer_that_arrived(world: World) -> None:
    fake, path = world.fake, f"/channels/{PRIVATE}/messages"
    fake.fail("POST", path, CUT, times=2)
    fake.fail("POST", path, CUT, done=True)  # the last attempt
    async with world.running():
        asked = await world.photo()
        await world.settled(asked, state="given up")

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]


@pytest.mark.parametrize("ask", [slash, menu, another, look])
async def test_the_answer_to_an_interaction_is_one_message_however_often_it_is_sent(
    world: World, ask: Ask
) -> None:
    world.fake.fail("PATCH", "/webhooks/.*", CUT, done=True)
    async with world.running():
        asked = await ask(world)
        await world.settled(asked)

    own = [one for one in world.bot_messages() if one["id"] != asked.get("message", {}).get("id")]
    assert len(own) == (0 if ask is another else 1)
    assert len(world.fake.requests("PATCH", "/webhooks/.*")) == 2
    assert not world.fake.requests("POST", f"/webhooks/{ME}/[^/]+")


async def test_a_whisper_that_may_have_arrived_is_not_repeated(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        fake.files.clear()  # the photo is gone
        fake.fail("POST", f"/webhooks/{ME}/[^/]+", CUT, done=True)
        pressed = await fake.press(message, "another:1")
        await world.settled(pressed)
        await asyncio.sleep(MOMENT)

    assert len(fake.requests("POST", f"/webhooks/{ME}/[^/]+")) == 1
    assert world.bot_messages()[-1]["content"] == replies.GONE
