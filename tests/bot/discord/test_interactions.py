"""Commands and buttons on Discord after a crash, a refusal or an error."""

import pytest

from bot.discord.request import PhotoRequest
from bot.replies import replies
from bot.store.inbox_rows import Key
from tests.bot.discord.asking import Ask, another, look, menu, slash
from tests.bot.discord.fake_payloads import CHANNEL, ME, PRIVATE, Json, snowflake
from tests.bot.discord.world import PHOTOS, World, reasons

pytestmark = pytest.mark.usefixtures("quick_inbox")

FAILED: Json = {"code": 0, "message": "Internal"}


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (slash, "A dog runs."),
        (menu, "A dog runs."),
        (another, "Put differently, 3."),
        (look, replies.LOOKED),
    ],
)
async def test_an_interaction_in_progress_at_a_crash_is_answered_once_after_it(
    world: World, ask: Ask, text: str
) -> None:
    fake = world.fake
    world.model.open.clear()
    async with world.killed():
        asked = await ask(world)
        await world.model.reached()
    world.model.open.set()
    async with world.running():
        await world.settled(asked)

    hook = f"/webhooks/{ME}/{asked['token']}"
    done = fake.requests("PATCH", f"{hook}/messages/@original") + fake.requests("POST", hook)
    assert [call.body["content"] for call in done] == [text]
    assert bool(done[0].files) == (ask is look)
    assert len(fake.requests("POST", "/interactions/.*")) == 1
    assert [row.reference for row in await world.inbox.rows.having("answered")] == [None]


async def test_a_request_in_the_inbox_reads_as_in_earlier_versions(world: World) -> None:
    world.model.open.clear()
    async with world.killed():
        command, button = await slash(world), await look(world)
        await world.model.reached(2)
        kept = [row.reference for row in await world.inbox.rows.having("open")]
    photo = command["data"]["resolved"]["attachments"].popitem()[1]
    reply = button["message"]["message_reference"]

    common = {"application": int(ME), "turn": 1, "shown": "", "language": "en"}
    assert kept == [
        {
            **common,
            "what": "caption",
            "token": command["token"],
            "pictures": [
                {
                    "url": photo["url"],
                    "size": photo["size"],
                    "declared": True,
                    "video": False,
                    "preview": None,
                }
            ],
            "quoted": None,
            "ephemeral": False,
            "own": False,
        },
        {
            **common,
            "what": "look",
            "token": button["token"],
            "pictures": [],
            "quoted": [int(PRIVATE), int(reply["message_id"])],
            "ephemeral": False,
            "own": True,
        },
    ]
    pictures = [{"url": photo["url"], "size": photo["size"]}]
    old = {**kept[1], "pictures": pictures}
    del old["own"], old["language"]
    request = PhotoRequest.from_reference(old)  # of a row before there were those fields
    assert (request.own, request.pictures[0].declared, request.language) == (False, True, "en")


@pytest.mark.parametrize(
    ("ask", "method"), [(slash, "PATCH"), (menu, "PATCH"), (another, "PATCH"), (look, "PATCH")]
)
async def test_an_interaction_that_cannot_be_answered_ends_in_an_apology(
    world: World, ask: Ask, method: str
) -> None:
    # Not a server error: the library would repeat it five times by itself, for 16 seconds.
    world.fake.fail(method, "/webhooks/.*", 429, FAILED, times=3)
    async with world.running():
        asked = await ask(world)
        await world.settled(asked, state="given up")

    hook = f"/webhooks/{ME}/{asked['token']}"
    done = world.fake.requests("PATCH", f"{hook}/messages/@original") + world.fake.requests(
        "POST", hook
    )
    assert [call.body["content"] for call in done[3:]] == [replies.GIVEN_UP]
    assert len(world.model.asked) == 3


async def test_an_interaction_that_was_not_acknowledged_in_time_is_not_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0])
        asked = await world.fake.use("caption", {"photo": photo}, dead=True)
        await world.settled(asked, state="given up")

    assert not world.model.asked
    assert not world.fake.requests("PATCH", ".*")
    assert len(reasons(caplog, "Unknown interaction")) == 1


async def test_an_interaction_that_expired_during_a_crash_is_given_up_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.model.open.clear()
    async with world.killed():
        asked = await slash(world)
        await world.model.reached()
    world.fake.interactions[asked["token"]]["dead"] = True
    world.model.open.set()
    async with world.running():
        await world.settled(asked, state="given up")

    assert len(world.fake.requests("PATCH", ".*")) == 1
    assert len(reasons(caplog, "Unknown Webhook")) == 1


async def test_an_acknowledgement_sent_twice_does_no_harm(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fault = {"code": 40060, "message": "Interaction has already been acknowledged."}
    world.fake.fail("POST", "/interactions/.*", 400, fault, done=True)
    async with world.running():
        asked = await slash(world)
        assert (await world.fake.edited(asked))["content"] == "A dog runs."

    assert "attempt failed" not in caplog.messages


async def test_an_interaction_older_than_its_token_is_given_up(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    reference = {"what": "caption", "application": int(ME), "token": "secret-of-old"}
    reference |= {"pictures": [], "quoted": None, "turn": 1, "shown": "", "ephemeral": False}
    key = Key("discord", CHANNEL, str(snowflake(16 * 60)))
    await world.inbox.accept(key, reference)
    world.inbox.release(key)
    async with world.running():
        await world.settled({"id": key.message}, state="given up")

    assert not world.fake.requests("PATCH", ".*")
    assert len(reasons(caplog, "the interaction has expired")) == 1
