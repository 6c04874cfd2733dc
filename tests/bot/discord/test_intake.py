"""The bot on Discord after a death, a refusal or a failure: nothing is lost, nothing is doubled."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import replies
from bot.discord import intake
from bot.discord.photos import Photos
from bot.store import inbox
from bot.store.inbox_rows import Key
from tests.bot.discord.fake_discord import (
    CHANNEL,
    EPHEMERAL,
    ME,
    PRIVATE,
    SECONDS,
    THREAD,
    Json,
    snowflake,
)
from tests.bot.discord.world import PHOTOS, World, a_world, quiet_log, quoted

HOURS = 3600.0
FAILED: Json = {"code": 0, "message": "Internal"}
MISSING: Json = {"code": 50013, "message": "Missing Permissions"}

Ask = Callable[[World], Awaitable[Json]]


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # away from any .env
    monkeypatch.setattr(inbox, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.02)
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with quiet_log(caplog):
        yield


async def in_private(world: World) -> Json:
    return await world.photo()


async def mentioned(world: World) -> Json:
    return await world.fake.mention(attachments=[world.fake.attachment(PHOTOS[0])])


async def slash(world: World) -> Json:
    return await world.fake.use("caption", {"photo": world.fake.attachment(PHOTOS[0])})


async def menu(world: World) -> Json:
    message = world.fake.message(attachments=[world.fake.attachment(PHOTOS[0])])
    return await world.fake.choose(replies.DISCORD_MENU, message)


async def another(world: World) -> Json:
    return await world.fake.press(shown(world), "another:3")


async def look(world: World) -> Json:
    return await world.fake.press(shown(world), "look", flags=EPHEMERAL)


def shown(world: World) -> Json:
    """Store a caption of the bot's, as a reply to a photo."""
    fake = world.fake
    photo = fake.message(channel_id=PRIVATE, attachments=[fake.attachment(PHOTOS[0])])
    reference = {"message_id": photo["id"], "channel_id": PRIVATE}
    row = [{"type": 2, "style": 2, "label": "", "custom_id": one} for one in ("another:3", "look")]
    fields: Json = {"author": fake.me, "components": [{"type": 1, "components": row}]}
    return fake.message("A dog runs.", message_reference=reference, **fields)


async def in_hand(world: World, photos: int = 1) -> None:
    for _ in range(photos):
        await asyncio.wait_for(world.model.entered.acquire(), SECONDS)


# After a death.


@pytest.mark.parametrize("ask", [in_private, mentioned])
async def test_a_photo_in_hand_at_a_death_is_answered_once_after_it(world: World, ask: Ask) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await ask(world)
        await in_hand(world)
    assert not world.mine()
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    assert [one["content"] for one in world.mine()] == ["A dog runs."]
    assert quoted(world) == [asked["id"]]
    assert world.mine()[0]["components"]


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (slash, "A dog runs."),
        (menu, "A dog runs."),
        (another, "Put differently, 3."),
        (look, replies.LOOKED),
    ],
)
async def test_an_interaction_in_hand_at_a_death_is_answered_once_after_it(
    world: World, ask: Ask, said: str
) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.killed():
        asked = await ask(world)
        await in_hand(world)
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    hook = f"/webhooks/{ME}/{asked['token']}"
    done = fake.seen("PATCH", f"{hook}/messages/@original") + fake.seen("POST", hook)
    assert [call.body["content"] for call in done] == [said]
    assert bool(done[0].files) == (ask is look)
    assert len(fake.seen("POST", "/interactions/.*")) == 1
    assert [row.reference for row in await world.inbox.rows("answered")] == [None]


async def test_a_request_in_the_inbox_reads_as_in_earlier_versions(world: World) -> None:
    world.model.open.clear()
    async with world.killed():
        command, button = await slash(world), await look(world)
        await in_hand(world, 2)
        kept = [row.reference for row in await world.inbox.rows("open")]
    photo = command["data"]["resolved"]["attachments"].popitem()[1]
    reply = button["message"]["message_reference"]

    common = {"application": int(ME), "turn": 1, "shown": ""}
    assert kept == [
        {
            **common,
            "what": "caption",
            "token": command["token"],
            "pictures": [{"url": photo["url"], "size": photo["size"]}],
            "quoted": None,
            "ephemeral": False,
        },
        {
            **common,
            "what": "look",
            "token": button["token"],
            "pictures": [],
            "quoted": [int(PRIVATE), int(reply["message_id"])],
            "ephemeral": False,
        },
    ]


async def test_what_is_dropped_with_the_connection_is_answered_with_the_next(
    world: World,
) -> None:
    world.model.open.clear()
    task = asyncio.create_task(world.bot().run(asyncio.Event()))
    await world.fake.connected()
    photos = [await world.photo(number) for number in range(3)]
    await in_hand(world, 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, SECONDS)
    world.model.open.set()
    async with world.running():
        await world.settled(*photos)

    assert sorted(quoted(world)) == [one["id"] for one in photos]


async def test_a_photo_that_vanished_before_it_could_be_answered_is_given_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await world.photo()
        await in_hand(world)
    del world.fake.messages[asked["id"]]
    async with world.running():
        await world.settled(asked, state="given up")

    assert not world.mine()
    assert len(reasons(caplog, "HTTP 404, Unknown Message")) == 1


async def test_the_inbox_holds_neither_words_nor_addresses_of_a_message(world: World) -> None:
    world.model.open.clear()
    async with world.killed():
        await world.fake.say(
            "our secret", channel_id=PRIVATE, attachments=[world.fake.attachment(PHOTOS[0])]
        )
        await in_hand(world)
        row = (await world.inbox.rows("open"))[0]

    assert row.reference == {"guild": None}
    assert not [one for one in (b"secret", b"cdn", b"lovelace") if one in raw(world)]


async def test_the_same_message_twice_is_answered_once(world: World) -> None:
    world.model.open.clear()
    async with world.running():
        photo = await world.photo()
        await in_hand(world)
        await world.fake.dispatch("MESSAGE_CREATE", photo)
        await asyncio.sleep(0.1)  # in which the inbox looks for what is due
        assert len(world.model.asked) == 1
        world.model.open.set()
        await world.settled(photo)
        await world.fake.dispatch("MESSAGE_CREATE", photo)
        await world.captioned(1)

    assert [one["content"] for one in world.mine()] == ["A dog runs.", "Two children play."]


async def test_no_more_than_a_bound_is_in_hand_and_all_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MESSAGES_AT_ONCE", 2)
    world.model.open.clear()
    async with world.running():
        photos = [await world.photo(number % 4) for number in range(7)]
        await in_hand(world, 2)
        async with asyncio.timeout(SECONDS):
            while len(await world.states()) < 7:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # in which the inbox looks for what is due
        assert len(world.model.asked) == 2
        world.model.open.set()
        await world.settled(*photos)

    assert sorted(quoted(world)) == [one["id"] for one in photos]


# Failures.


async def test_an_answer_is_tried_again_after_faults_of_the_server(world: World) -> None:
    path = f"/channels/{PRIVATE}/messages"
    world.fake.fail("POST", path, 503, FAILED, times=2)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo)

    assert len(world.fake.seen("POST", path)) == 3
    assert [one["content"] for one in world.mine()] == ["A dog runs."]


async def test_an_answer_that_discord_took_without_saying_so_is_not_doubled(
    world: World,
) -> None:
    path = f"/channels/{PRIVATE}/messages"
    world.fake.fail("POST", path, 503, FAILED, done=True)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo)

    assert len(world.fake.seen("POST", path)) == 2
    assert quoted(world) == [photo["id"]]


async def test_when_all_attempts_failed_one_apology_is_made(world: World) -> None:
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 503, FAILED, times=3)
    async with world.running():
        photo = await world.photo()
        await world.settled(photo, state="given up")
        await world.captioned(1)

    assert [one["content"] for one in world.mine()] == [replies.GIVEN_UP, "Two children play."]
    assert quoted(world)[0] == photo["id"]


@pytest.mark.parametrize(
    ("ask", "method"), [(slash, "PATCH"), (menu, "PATCH"), (another, "PATCH"), (look, "POST")]
)
async def test_an_interaction_that_cannot_be_answered_ends_in_an_apology(
    world: World, ask: Ask, method: str
) -> None:
    # The library tries faults of the server five times by itself, which takes it 16 seconds.
    world.fake.fail(method, "/webhooks/.*", 429, FAILED, times=3)
    async with world.running():
        asked = await ask(world)
        await world.settled(asked, state="given up")

    hook = f"/webhooks/{ME}/{asked['token']}"
    done = world.fake.seen("PATCH", f"{hook}/messages/@original") + world.fake.seen("POST", hook)
    assert [call.body["content"] for call in done[3:]] == [replies.GIVEN_UP]
    assert len(world.model.asked) == 3


async def test_a_refusal_is_final_and_nobody_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/channels/{CHANNEL}/messages"
    world.fake.fail("POST", path, 403, MISSING)
    async with world.running():
        photo = await mentioned(world)
        await world.settled(photo, state="given up")

    assert len(world.fake.seen("POST", path)) == 1
    assert not world.mine()
    assert len(reasons(caplog, "Missing Permissions")) == 1


async def test_an_archived_thread_is_a_refusal_too(world: World) -> None:
    archived = {"code": 50083, "message": "Thread is archived"}
    world.fake.fail("POST", f"/channels/{THREAD}/messages", 400, archived)
    async with world.running():
        photo = await world.fake.mention(
            channel_id=THREAD, attachments=[world.fake.attachment(PHOTOS[0])]
        )
        await world.settled(photo, state="given up")

    assert not world.mine()


async def test_an_interaction_that_was_not_acknowledged_in_time_is_not_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0])
        asked = await world.fake.use("caption", {"photo": photo}, dead=True)
        await world.settled(asked, state="given up")

    assert not world.model.asked
    assert not world.fake.seen("PATCH", ".*")
    assert len(reasons(caplog, "Unknown interaction")) == 1


async def test_an_interaction_whose_acknowledgement_died_with_the_bot_is_given_up_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await slash(world)
        await in_hand(world)
    world.fake.interactions[asked["token"]]["dead"] = True
    world.model.open.set()
    async with world.running():
        await world.settled(asked, state="given up")

    assert len(world.fake.seen("PATCH", ".*")) == 1
    assert len(reasons(caplog, "Unknown Webhook")) == 1


async def test_an_acknowledgement_that_is_said_twice_is_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fault = {"code": 40060, "message": "Interaction has already been acknowledged."}
    world.fake.fail("POST", "/interactions/.*", 400, fault, done=True)
    async with world.running():
        asked = await slash(world)
        assert (await world.fake.edited(asked))["content"] == "A dog runs."

    assert "attempt failed" not in caplog.messages


async def test_an_interaction_older_than_its_token_is_left(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reference = {"what": "caption", "application": int(ME), "token": "secret-of-old"}
    reference |= {"pictures": [], "quoted": None, "turn": 1, "shown": "", "ephemeral": False}
    key = Key("discord", CHANNEL, str(snowflake(16 * 60)))
    await world.inbox.accept(key, reference)
    world.inbox.release(key)
    async with world.running():
        await world.settled({"id": key.message}, state="given up")

    assert not world.fake.seen("PATCH", ".*")
    assert len(reasons(caplog, "the interaction has expired")) == 1


async def test_a_long_rate_limit_is_waited_for_by_the_inbox(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    limited = {"message": "You are being rate limited.", "retry_after": 1234.5, "global": False}
    headers = {"Via": "1.1 google"}
    world.fake.fail("POST", f"/channels/{PRIVATE}/messages", 429, limited, headers)
    async with world.running():
        photo = await world.photo()
        async with asyncio.timeout(SECONDS):
            while not [one for one in await world.inbox.rows("open") if one.reason]:
                await asyncio.sleep(0.01)

    assert (await world.states())[photo["id"]] == "open"
    pauses = [one.__dict__.get("pause") for one in caplog.records]
    assert [pause for pause in pauses if pause] == [1234.5]
    assert not world.mine()


async def test_a_download_that_fails_for_now_is_tried_again(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0])
        world.fake.fail("GET", "/cdn/.*", 503)
        asked = await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        await world.settled(asked)

    assert [one["content"] for one in world.mine()] == ["A dog runs."]


async def test_of_several_photos_one_that_fails_for_now_is_left_out(world: World) -> None:
    async with world.running():
        photos = [world.fake.attachment(PHOTOS[number]) for number in (0, 1)]
        lost = photos[0]["url"].partition("/cdn/")[2]
        world.fake.fail("GET", f"/cdn/{lost}", 503)
        await world.fake.say(channel_id=PRIVATE, attachments=photos)
        reply = await world.fake.said()

    assert reply["content"] == replies.album([replies.UNREACHABLE, "Two children play."])


async def test_a_fault_of_ours_ends_in_a_sentence(
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

    assert [one["content"] for one in world.mine()] == [replies.GIVEN_UP] * 2
    faults = [one for one in caplog.records if one.exc_info]
    assert [one.getMessage() for one in faults] == ["an answer failed"] * 2
    caplog.clear()


async def test_what_cannot_be_recorded_is_said_to_whom_asked(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(key: Key, reference: Any) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    async with world.running():
        monkeypatch.setattr(world.inbox, "accept", accept)
        await world.photo()
        said = await world.fake.said()
        whispered = await world.fake.acknowledged(await slash(world))

    assert said["content"] == replies.FAILED
    assert whispered["data"]["content"] == replies.FAILED
    assert whispered["data"]["flags"] & EPHEMERAL
    assert await world.inbox.seen("discord") == {}
    caplog.clear()


def reasons(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    """Return the reasons in the log that hold some words."""
    all_ = [str(record.__dict__.get("reason", "")) for record in caplog.records]
    return [reason for reason in all_ if text in reason]


def raw(world: World) -> bytes:
    """Return all that the inbox's files hold."""
    folder = world.inbox.path.parent
    return b"".join(file.read_bytes() for file in folder.glob("inbox.sqlite3*"))
