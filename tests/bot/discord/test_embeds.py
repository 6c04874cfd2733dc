"""What Discord embeds behind a link, at once or a moment later: GIFs, videos, and pages."""

import asyncio
import re

import pytest

from bot.access import Access
from bot.discord import messages, photos
from bot.discord.messages import LATEST_EMBED
from bot.replies import replies
from tests.bot.discord.fake_discord import SECONDS
from tests.bot.discord.fake_payloads import (
    CHANNEL,
    GRANTED,
    GUILD,
    MANAGE_CHANNELS,
    PRIVATE,
    Json,
    snowflake,
    user,
)
from tests.bot.discord.world import PHOTOS, World
from tests.bot.stories import STORY, video_file

pytestmark = pytest.mark.usefixtures("quick_inbox")

LINK = "https://tenor.com/view/a"


@pytest.fixture(autouse=True)
async def watched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every photo of the channel captioned; take the fake's proxy for Discord's."""
    world.fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    address = re.escape(f"http://127.0.0.1:{world.fake.port}/")
    monkeypatch.setattr(photos, "PROXIES", re.compile(address))


def embed(world: World, type_: str, data: bytes | None = None) -> Json:
    """Describe what Discord embeds: a video, and a picture of it."""
    fake = world.fake
    outside = f"http://127.0.0.1:{fake.port}/elsewhere"
    video, still = (
        f"{outside}/{fake.attachment(file)['url'].partition('/cdn/')[2]}"
        for file in (data or video_file(), PHOTOS[0])
    )
    return {
        "type": type_,
        "url": f"{outside}/view",
        "video": {"url": video, "proxy_url": fake.proxied(video)},
        "thumbnail": {"url": still, "proxy_url": fake.proxied(still)},
    }


def page(world: World, type_: str = "article") -> Json:
    """Describe the embed of a page with a picture, whose player is not a file."""
    made = embed(world, type_)
    made["video"] = {"url": "https://www.youtube.com/embed/a"}
    return made


def contents(world: World) -> list[str]:
    return [one["content"] for one in world.bot_messages()]


@pytest.mark.parametrize("type_", ["gifv", "video"])
async def test_a_video_that_is_embedded_at_once_or_later_is_told_once(
    world: World, type_: str
) -> None:
    fake = world.fake
    async with world.running():
        await fake.say(LINK, embeds=[embed(world, type_)])
        await fake.sent()
        later = await fake.say(LINK)
        await fake.embed(later, embed(world, type_))
        await fake.sent(2)
        await fake.embed(later, embed(world, type_))
        await world.captioned()

    assert contents(world) == [STORY, STORY, "A dog runs."]
    assert not fake.requests("GET", "/elsewhere/.*")


async def test_a_linked_photo_is_captioned(world: World) -> None:
    picture = embed(world, "image")
    del picture["video"]
    async with world.running():
        await world.fake.embed(await world.fake.say("https://example.org/a.jpg"), picture)
        reply = await world.fake.sent()

    assert reply["content"] == "A dog runs."


@pytest.mark.parametrize("type_", ["article", "link", "rich", "video"])
async def test_a_linked_page_is_described_only_if_the_bot_is_asked(
    world: World, type_: str
) -> None:
    fake = world.fake
    async with world.running():
        await fake.say("https://example.org", embeds=[page(world, type_)])
        await fake.embed(await fake.say("https://example.org"), page(world, type_))
        await fake.mention("https://example.org", embeds=[page(world, type_)])
        reply = await fake.sent()

    assert reply["content"] == "A dog runs."
    assert len(world.bot_messages()) == 1


async def test_links_in_a_group_are_left_alone_unless_the_bot_is_asked(world: World) -> None:
    fake = world.fake
    await world.chats.set_auto("discord", CHANNEL, False)
    async with world.running():
        await fake.embed(await fake.say(LINK), embed(world, "gifv"))
        await fake.say(LINK, author=user("801", "robot", bot=True), embeds=[embed(world, "gifv")])
        mine = fake.message("A dog runs.", author=fake.me)
        reference = {"message_id": mine["id"], "channel_id": CHANNEL, "guild_id": GUILD}
        replied = await fake.say(
            LINK, type=19, message_reference=reference, referenced_message=mine
        )
        await fake.embed(replied, embed(world, "gifv"))
        reply = await fake.sent()

    assert reply["content"] == STORY
    assert reply["message_reference"]["message_id"] == replied["id"]
    assert contents(world)[1:] == [STORY]


@pytest.mark.parametrize("mentioned", [True, False])
async def test_a_link_to_the_bot_gets_one_answer_as_soon_as_it_is_embedded(
    world: World, monkeypatch: pytest.MonkeyPatch, mentioned: bool
) -> None:
    fake = world.fake
    monkeypatch.setattr(messages, "EMBED_SECONDS", 60.0)
    async with world.running():
        if mentioned:
            asked = await fake.mention(LINK)
        else:
            asked = await fake.say(LINK, channel_id=PRIVATE)
        async with asyncio.timeout(SECONDS):
            while [row.attempts for row in await world.inbox.rows.having("open")] != [1]:
                await asyncio.sleep(0.01)
        await fake.embed(asked, embed(world, "gifv"))
        await world.settled(asked)
        await fake.embed(asked, embed(world, "gifv"))
        await world.captioned()

    assert contents(world) == [STORY, "A dog runs."]


async def test_edited_old_and_refused_messages_get_no_answer_when_discord_embeds_later(
    world: World,
) -> None:
    fake = world.fake
    world.access = Access("1/minute", "1000/minute")
    async with world.running():
        edited = await fake.say("words")
        edited["edited_timestamp"] = "2026-01-02T03:04:06+00:00"
        await fake.embed(edited, embed(world, "gifv"))
        old = fake.message(LINK, id=str(snowflake(LATEST_EMBED.total_seconds() + 1)))
        await fake.embed(old, embed(world, "gifv"))  # it is pinned, for example
        first = await fake.say(LINK, embeds=[embed(world, "gifv")])
        await world.settled(first)
        second = await fake.say(LINK, embeds=[embed(world, "gifv")])
        await fake.sent(2)
        await fake.embed(second, embed(world, "gifv"))
        await fake.mention("hello")
        await fake.sent(3)

    told, refused, hint = contents(world)
    assert (told, hint) == (STORY, replies.HINT)
    assert refused.startswith("That is too much for now.")


async def test_after_a_restart_a_video_that_was_told_is_not_told_again(world: World) -> None:
    fake = world.fake
    async with world.killed():
        asked = await fake.say(LINK)
        await fake.embed(asked, embed(world, "gifv"))
        await world.settled(asked)
    async with world.running():
        await fake.embed(asked, embed(world, "gifv"))
        await world.captioned()

    assert contents(world) == [STORY, "A dog runs."]


async def test_a_video_that_was_embedded_while_the_bot_was_away_is_told_after_the_restart(
    world: World,
) -> None:
    fake = world.fake
    async with world.running():
        switch = {"captions": "on"}
        await fake.edited(await fake.use("auto", switch, permissions=MANAGE_CHANNELS))
    async with world.killed():
        await fake.say("words", channel_id=PRIVATE)
        linked = await fake.say(LINK)
        words = await fake.say("words")
        async with asyncio.timeout(SECONDS):
            while (await world.inbox.rows.last_read("discord"))[CHANNEL] < int(words["id"]):
                await asyncio.sleep(0.01)
    linked["embeds"] = [embed(world, "gifv")]
    async with world.running():
        await world.settled(linked)
    async with world.running():
        await world.captioned()

    assert contents(world)[-2:] == [STORY, "A dog runs."]
    assert contents(world).count(STORY) == 1
