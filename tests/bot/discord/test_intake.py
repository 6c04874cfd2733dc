"""Photos on Discord after a crash, a refusal or an error: none is lost, none answered twice."""

import asyncio
from typing import Any

import pytest

from bot.discord import intake
from bot.discord.identity import PLATFORM
from bot.discord.photos import Photos
from bot.replies import replies
from bot.store.errors import DatabaseError
from bot.store.inbox_rows import Key
from bot.supervision import keep_running
from tests.bot.discord.asking import Ask, in_private, mentioned, slash
from tests.bot.discord.fake_discord import SECONDS
from tests.bot.discord.fake_payloads import CHANNEL, EPHEMERAL, PRIVATE, THREAD, Json
from tests.bot.discord.world import (
    PHOTOS,
    World,
    quoted,
    reasons,
)

pytestmark = pytest.mark.usefixtures("quick_inbox")

FAILED: Json = {"code": 0, "message": "Internal"}
MISSING: Json = {"code": 50013, "message": "Missing Permissions"}


@pytest.mark.parametrize("ask", [in_private, mentioned])
async def test_a_photo_in_progress_at_a_crash_is_answered_once_after_it(
    world: World, ask: Ask
) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await ask(world)
        await world.model.reached()
    assert not world.bot_messages()
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]
    assert quoted(world) == [asked["id"]]
    assert world.bot_messages()[0]["components"]


async def test_work_dropped_with_the_connection_is_done_with_the_next(
    world: World,
) -> None:
    world.model.open.clear()
    task = asyncio.create_task(world.bot().run(asyncio.Event()))
    await world.fake.connected()
    photos = [await world.photo(number) for number in range(3)]
    await world.model.reached(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    world.model.open.set()
    async with world.running():
        await world.settled(*photos)

    assert sorted(quoted(world)) == [one["id"] for one in photos]


async def test_a_photo_deleted_before_it_was_answered_is_given_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await world.photo()
        await world.model.reached()
    del world.fake.messages[asked["id"]]
    async with world.running():
        await world.settled(asked, state="given up")

    assert not world.bot_messages()
    assert len(reasons(caplog, "HTTP 404, Unknown Message")) == 1


async def test_the_inbox_holds_neither_text_nor_addresses_of_a_message(world: World) -> None:
    world.model.open.clear()
    async with world.killed():
        await world.fake.say(
            "our secret", channel_id=PRIVATE, attachments=[world.fake.attachment(PHOTOS[0])]
        )
        await world.model.reached()
        row = (await world.inbox.rows.having("open"))[0]

    assert row.reference == {"guild": None, "language": "en"}
    assert not [one for one in (b"secret", b"cdn", b"lovelace") if one in raw(world)]


async def test_the_same_message_twice_is_answered_once(world: World) -> None:
    world.model.open.clear()
    async with world.running():
        photo = await world.photo()
        await world.model.reached()
        await world.fake.dispatch("MESSAGE_CREATE", photo)
        await asyncio.sleep(0.1)  # in which the inbox would take it up again
        assert len(world.model.asked) == 1
        world.model.open.set()
        await world.settled(photo)
        await world.fake.dispatch("MESSAGE_CREATE", photo)
        await world.captioned(1)

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs.", "Two children play."]


async def test_a_bounded_number_of_messages_is_in_progress_and_all_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MESSAGES_AT_ONCE", 2)
    world.model.open.clear()
    async with world.running():
        photos = [await world.photo(number % 4) for number in range(7)]
        await world.model.reached(2)
        async with asyncio.timeout(SECONDS):
            while len(await world.states()) < 7:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # in which the inbox would take it up again
        assert len(world.model.asked) == 2
        world.model.open.set()
        await world.settled(*photos)

    assert sorted(quoted(world)) == [one["id"] for one in photos]


async def test_an_answer_is_tried_again_after_server_errors(world: World) -> None:
    path = f"/channels/{PRIVATE}/messages"
    world.fake.fail("POST", path, 503, FAILED, times=2)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo)

    assert len(world.fake.requests("POST", path)) == 3
    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]


async def test_an_answer_that_arrived_in_spite_of_an_error_is_not_doubled(
    world: World,
) -> None:
    path = f"/channels/{PRIVATE}/messages"
    world.fake.fail("POST", path, 503, FAILED, done=True)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo)

    assert quoted(world) == [photo["id"]]


async def test_after_the_last_attempt_the_bot_apologizes_once(world: World) -> None:
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 503, FAILED, times=3)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo, state="given up")
        await world.captioned(1)

    assert [one["content"] for one in world.bot_messages()] == [
        replies.GIVEN_UP,
        "Two children play.",
    ]
    assert quoted(world)[0] == photo["id"]


async def test_a_refusal_is_final_and_gets_no_apology(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/channels/{CHANNEL}/messages"
    world.fake.fail("POST", path, 403, MISSING)
    async with world.running():
        photo = await mentioned(world)
        await world.settled(photo, state="given up")

    assert len(world.fake.requests("POST", path)) == 1
    assert not world.bot_messages()
    assert len(reasons(caplog, "Missing Permissions")) == 1


async def test_an_archived_thread_is_a_refusal_too(world: World) -> None:
    archived = {"code": 50083, "message": "Thread is archived"}
    world.fake.fail("POST", f"/channels/{THREAD}/messages", 400, archived)
    async with world.running():
        photo = await world.fake.mention(
            channel_id=THREAD, attachments=[world.fake.attachment(PHOTOS[0])]
        )
        await world.settled(photo, state="given up")

    assert not world.bot_messages()


async def test_the_inbox_waits_out_a_long_rate_limit(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 1234.5, "global": False}
    headers = {"Via": "1.1 google"}
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 429, limited, headers)
    async with world.running():
        photo = await world.photo()
        async with asyncio.timeout(SECONDS):
            while not [one for one in await world.inbox.rows.having("open") if one.reason]:
                await asyncio.sleep(0.01)

    assert (await world.states())[photo["id"]] == "open"
    pauses = [one.__dict__.get("pause") for one in caplog.records]
    assert [pause for pause in pauses if pause] == [1234.5]
    assert not world.bot_messages()


async def test_a_bug_ends_in_an_apology(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def caption(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Photos, "caption", caption)
    async with world.running():
        asked = await slash(world)
        assert (await world.fake.edited(asked))["content"] == replies.GIVEN_UP
        photo = await world.photo()
        await world.settled(asked, photo, state="given up")

    assert [one["content"] for one in world.bot_messages()] == [replies.GIVEN_UP] * 2
    faults = [one for one in caplog.records if one.exc_info]
    assert [one.getMessage() for one in faults] == ["answer failed"] * 2
    caplog.clear()


async def test_the_asker_learns_that_a_request_could_not_be_recorded(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(key: Key, reference: Any) -> bool:
        raise DatabaseError(world.rows.path, "the disk is full")

    async with world.running():
        monkeypatch.setattr(world.inbox, "accept", accept)
        await world.photo()
        reply = await world.fake.sent()
        whispered = await world.fake.acknowledged(await slash(world))

    assert reply["content"] == replies.FAILED
    assert whispered["data"]["content"] == replies.FAILED
    assert whispered["data"]["flags"] & EPHEMERAL
    assert await world.inbox.rows.last_read("discord") == {}
    assert len(reasons(caplog, "DATA_DIR: ")) == 2


async def test_a_photo_that_could_not_be_recorded_is_found_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    stop, run = asyncio.Event(), world.bot().run
    kept = asyncio.create_task(keep_running(PLATFORM, run, stop, SECONDS, pause=0.1))
    await world.fake.connected()
    await world.captioned(0)
    await world.rows.run(lambda db: db.execute("PRAGMA query_only = ON"))
    photo = await world.photo(1)
    async with asyncio.timeout(SECONDS):
        while "a platform is down" not in caplog.text:
            await asyncio.sleep(0.01)
    await world.rows.run(lambda db: db.execute("PRAGMA query_only = OFF"))
    await world.settled(photo)
    stop.set()
    await asyncio.wait_for(kept, SECONDS)

    assert world.bot_messages()[-1]["content"] == "Two children play."
    assert quoted(world).count(photo["id"]) == 2  # the first said that something went wrong
    assert reasons(caplog, "DATA_DIR: ")


def raw(world: World) -> bytes:
    """Return the content of the inbox's files."""
    folder = world.rows.path.parent
    return b"".join(file.read_bytes() for file in folder.glob("inbox.sqlite3*"))
