"""The buttons under a caption on Discord."""

from dataclasses import replace

import pytest

from bot.answers import Answers
from bot.discord.adapter import Discord
from bot.replies import DISCORD_MENU, replies
from captioner import Busy, Caption, Options
from tests.bot.discord.fake_payloads import EPHEMERAL
from tests.bot.discord.world import PHOTOS, World, row, sentence
from tests.bot.stories import tell
from tests.conftest import pixels


def sheets(world: World) -> list[bytes]:
    """Return the pictures that the bot sent, in order."""
    return [file for call in world.fake.requests("PATCH", ".*") for file in call.files]


async def test_another_caption_replaces_the_first_and_counts_up(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        pressed = await fake.press(message, "another:1")
        first = await fake.edited(pressed)
        second = await fake.edited(await fake.press(message, "another:2"))

    assert (await fake.acknowledged(pressed))["type"] == 6
    assert first["content"] == "Put differently, 1."
    assert row(first["components"])[0][0] == "another:2"
    assert second["content"] == "A dog runs."
    assert row(second["components"])[0][0] == "another:3"
    assert [options.seed for options in world.model.asked[1:]] == [1, 2]


async def test_a_caption_stays_if_there_is_nothing_else_to_say(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        message["content"] = "A dog runs. Put differently, 1."
        pressed = await fake.press(message, "another:1")
        change = await fake.edited(pressed)
        reply = await fake.followed_up(pressed)

    assert "content" not in change
    assert row(change["components"])[0][0] == "another:2"
    assert reply.body["content"] == replies.NOTHING_ELSE
    assert reply.body["flags"] & EPHEMERAL


async def test_a_busy_model_leaves_the_caption_as_it_is(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        world.model.problem = Busy("full", 3.0)
        pressed = await fake.press(message, "another:1")
        reply = await fake.followed_up(pressed)

    assert reply.body["content"] == replies.busy(Busy("full", 3.0))
    assert not fake.requests("PATCH", ".*")


async def test_the_attention_is_sent_as_a_picture(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        pressed = await fake.press(message, "look")
        edited = await fake.edited(pressed)

    acknowledged = await fake.acknowledged(pressed)
    assert acknowledged["type"] == 5  # a message of its own
    assert not acknowledged.get("data")
    assert edited["content"] == replies.LOOKED
    assert sheets(world)[0].startswith(b"\xff\xd8\xff")


async def test_a_model_without_attention_says_so(world: World) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return sentence("A dog runs.")

    services = replace(world.services(), answers=Answers(caption, tell, pixels, "discord"))
    bot = Discord(services)
    async with world.running(bot):
        pressed = await world.fake.press(await world.captioned(), "look")
        edited = await world.fake.edited(pressed)

    assert edited["content"] == replies.NO_ATTENTION


async def test_the_alt_text_is_the_bare_sentence_to_copy(world: World) -> None:
    world.model.confidence = 0.1
    async with world.running():
        message = await world.captioned()
        pressed = await world.fake.press(message, "alt")
        answer = await world.fake.acknowledged(pressed)

    assert message["content"] == "A dog runs. (Not sure.)"
    assert answer["data"]["content"] == "```\nA dog runs.\n```"
    assert answer["data"]["flags"] & EPHEMERAL


@pytest.mark.parametrize(
    ("said", "alt_text"),
    [
        ("I am not sure, but perhaps: a dog runs.", "A dog runs."),
        ("It looks like a tabby cat. Perhaps: a cat sits on a couch.", "A cat sits on a couch."),
        ("It looks like a tabby cat.", "A tabby cat."),
    ],
)
async def test_the_alt_text_under_an_older_or_a_named_caption_is_without_doubt(
    world: World, said: str, alt_text: str
) -> None:
    async with world.running():
        message = await world.captioned()
        message["content"] = said
        pressed = await world.fake.press(message, "alt")
        answer = await world.fake.acknowledged(pressed)

    assert answer["data"]["content"] == f"```\n{alt_text}\n```"


async def test_buttons_work_after_a_restart(world: World) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        slash = await fake.use("caption", {"photo": fake.attachment(PHOTOS[1]), "ephemeral": True})
        await fake.edited(slash)
        menu = await fake.choose(
            DISCORD_MENU, fake.message(attachments=[fake.attachment(PHOTOS[2])])
        )
        await fake.edited(menu)
    shown = [fake.messages[asked["original"]] for asked in (slash, menu)]

    async with world.running():
        for old, text in zip([message, *shown], ["dog", "children", "man"], strict=True):
            pressed = await fake.press(old, "look")
            await fake.edited(pressed)
            data = (await fake.acknowledged(pressed)).get("data", {})
            assert bool(data.get("flags", 0) & EPHEMERAL) == (old is shown[0]), text
        other = await fake.edited(await fake.press(shown[1], "another:1"))

    assert len(sheets(world)) == 3
    assert other["content"] == "Put differently, 1."
    assert row(other["components"])[0][0] == "another:2"


@pytest.mark.parametrize("how", ["deleted", "emptied", "expired", "never quoted"])
async def test_buttons_say_that_a_photo_is_gone(world: World, how: str) -> None:
    fake = world.fake
    async with world.running():
        message = await world.captioned()
        photo = fake.messages[message["message_reference"]["message_id"]]
        if how == "deleted":
            del fake.messages[photo["id"]]
        elif how == "emptied":
            photo["attachments"] = []
        elif how == "expired":
            fake.files.clear()
        else:
            del message["message_reference"]
        reply = await fake.followed_up(await fake.press(message, "another:1"))
        assert reply.body["content"] == replies.GONE
        assert reply.body["flags"] & EPHEMERAL
        assert (await fake.edited(await fake.press(message, "look")))["content"] == replies.GONE

    assert message["content"] == "A dog runs."


async def test_buttons_under_other_messages_do_nothing(world: World) -> None:
    fake = world.fake
    async with world.running():
        components = (await world.captioned())["components"]
        foreign = fake.message("A dog runs.", components=components)
        await fake.press(foreign, "alt")
        await fake.press(world.bot_messages()[0], "alter")
        await world.captioned()

    assert not fake.requests("POST", "/interactions/.*")
