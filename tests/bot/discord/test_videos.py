"""Videos and animations on Discord: attachments, forwards, and the GIFs of the picker."""

import re

import discord
import pytest

from bot.access import Access
from bot.discord import messages, photos
from bot.replies import DISCORD_MENU, replies
from bot.wording import as_preview
from captioner import Captioner
from tests.bot.discord.fake_payloads import CHANNEL, GRANTED, PRIVATE, Json
from tests.bot.discord.world import PHOTOS, World, row
from tests.bot.stories import STORY, UNREADABLE, Slow, gif, video_file
from tests.conftest import Trained, on_cpu

pytestmark = pytest.mark.usefixtures("quick_inbox")

ALT = ("alt", replies.ALT_TEXT)
LOOK = ("scenes", replies.LOOK)


def attached(
    world: World, data: bytes | None = None, name: str = "a.mp4", **fields: object
) -> Json:
    stored = video_file() if data is None else data
    return world.fake.attachment(stored, name, **{"content_type": "video/mp4", **fields})


def gifv(world: World, monkeypatch: pytest.MonkeyPatch, data: bytes | None = None) -> Json:
    """Describe a GIF of the picker, as Discord embeds it; take the fake's proxy for Discord's."""
    fake = world.fake
    monkeypatch.setattr(photos, "PROXIES", re.compile(re.escape(f"http://127.0.0.1:{fake.port}/")))
    video = attached(world, data)["url"].partition("/cdn/")[2]
    still = fake.attachment(PHOTOS[0])["url"].partition("/cdn/")[2]
    outside = f"http://127.0.0.1:{fake.port}/elsewhere"
    return {
        "type": "gifv",
        "url": f"{outside}/view",
        "video": {"url": f"{outside}/{video}", "proxy_url": fake.proxied(f"{outside}/{video}")},
        "thumbnail": {"url": f"{outside}/{still}", "proxy_url": fake.proxied(f"{outside}/{still}")},
    }


@pytest.mark.parametrize(
    ("name", "declared"),
    [("a.mp4", "video/mp4"), ("a.MOV", None), ("a.webm", "application/octet-stream"), ("a", None)],
)
async def test_an_attached_video_is_told(world: World, name: str, declared: str | None) -> None:
    async with world.running():
        video = attached(world, name=name, content_type=declared)
        await world.fake.say(channel_id=PRIVATE, attachments=[video])
        reply = await world.fake.sent()
        forwarded = world.fake.message(attachments=[video])
        await world.fake.say(channel_id=PRIVATE, message_snapshots=[{"message": forwarded}])
        again = await world.fake.sent(2)

    assert reply["content"] == again["content"] == STORY
    assert row(reply["components"]) == [LOOK, ALT]


async def test_an_attached_gif_is_told_and_a_photo_is_captioned(world: World) -> None:
    async with world.running():
        animation = world.fake.attachment(gif(), "a.gif", content_type="image/gif")
        await world.fake.say(channel_id=PRIVATE, attachments=[animation])
        told = await world.fake.sent()
        await world.photo()
        captioned = await world.fake.sent(2)

    assert told["content"] == STORY
    assert captioned["content"] == "A dog runs."
    assert len(row(captioned["components"])) == 3


async def test_a_gif_of_the_picker_is_fetched_from_the_proxy_and_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.running():
        embed = gifv(world, monkeypatch)
        await world.fake.say("a link", channel_id=PRIVATE, embeds=[embed])
        reply = await world.fake.sent()

    assert reply["content"] == STORY
    assert len(world.fake.requests("GET", "/proxy/.*")) == 1
    assert not world.fake.requests("GET", "/elsewhere/.*")


async def test_a_gif_that_discord_embeds_a_moment_after_its_link_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = world.fake
    monkeypatch.setattr(messages, "EMBED_SECONDS", 0.1)
    world.access = Access("1/minute", "1000/minute")
    async with world.running():
        linked = await fake.say("https://tenor.com/view/a", channel_id=PRIVATE)
        linked["embeds"] = [gifv(world, monkeypatch)]
        told = await fake.sent()
        again = await fake.say("https://tenor.com/view/a", channel_id=PRIVATE)
        again["embeds"] = linked["embeds"]
        refused = await fake.sent(2)
        await fake.say("https://example.org", channel_id=PRIVATE)
        hint = await fake.sent(3)

    assert [told["content"], hint["content"]] == [STORY, replies.HINT]
    assert refused["content"].startswith("That is too much for now.")


@pytest.mark.parametrize(
    "address",
    [
        "https://media.tenor.com/a.mp4",
        "http://images-ext-1.discordapp.net/external/a.mp4",
        "https://images-ext-1.discordapp.net.example.org/a.mp4",
        "https://example.org/https://media.discordapp.net/a.mp4",
    ],
)
async def test_a_video_that_is_not_at_discords_proxy_is_not_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    async with world.running():
        embed = gifv(world, monkeypatch)
        monkeypatch.undo()
        embed["video"]["proxy_url"] = address
        await world.fake.say("a link", channel_id=PRIVATE, embeds=[embed])
        reply = await world.fake.sent()

    assert reply["content"] == "A dog runs."


@pytest.mark.parametrize(
    "address",
    ["https://media.discordapp.net/a.mp4", "https://images-ext-12.discordapp.net/external/a.mp4"],
)
def test_the_hosts_of_discords_proxy_are_known(address: str) -> None:
    assert photos.PROXIES.match(address)


async def test_the_thumbnail_stands_for_a_gif_that_cannot_be_read_and_so_do_the_buttons(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = world.fake
    async with world.running():
        embed = gifv(world, monkeypatch, UNREADABLE)
        await fake.say("a link", channel_id=PRIVATE, embeds=[embed])
        await fake.sent()
        shown = world.bot_messages()[-1]
        text = shown["content"]
        looked = await fake.edited(await fake.press(shown, "look"))
        said = await fake.acknowledged(await fake.press(shown, "alt"))
        another = await fake.edited(await fake.press(shown, "another:1"))

    assert text == as_preview("A dog runs.")
    assert len(row(shown["components"])) == 3
    assert looked["content"] == replies.LOOKED
    assert said["data"]["content"] == "```\nA dog runs.\n```"
    assert another["content"] == as_preview("Put differently, 1.")


@pytest.mark.parametrize("why", ["too large", "larger than announced", "unreadable"])
async def test_of_an_attached_video_that_cannot_be_read_the_first_frame_is_captioned(
    world: World, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    fake = world.fake
    gifv(world, monkeypatch)  # takes the fake's proxy for Discord's
    data, size = {
        "too large": (video_file(), 2**21),
        "larger than announced": (bytes(2**21), 10),
        "unreadable": (UNREADABLE, len(UNREADABLE)),
    }[why]
    async with world.running(max_video_mb=1):
        video = attached(world, data, size=size)
        name = video["url"].partition("/cdn/")[2]
        fake.frames[name] = PHOTOS[0]
        await fake.say(channel_id=PRIVATE, attachments=[video])
        await fake.sent()
        shown = world.bot_messages()[-1]
        text = shown["content"]
        looked = await fake.edited(await fake.press(shown, "look"))
        another = await fake.edited(await fake.press(shown, "another:1"))
        slash = await fake.edited(await fake.use("caption", {"photo": video}))

    assert text == slash["content"] == as_preview("A dog runs.")
    assert len(row(shown["components"])) == len(row(slash["components"])) == 3
    assert looked["content"] == replies.LOOKED
    assert another["content"] == as_preview("Put differently, 1.")
    assert slash["embeds"][0]["image"]["url"].endswith(f"{name}?format=webp")


@pytest.mark.parametrize("status", [404, 415, 503])
async def test_without_a_first_frame_the_answer_says_how_large_a_video_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    fake = world.fake
    gifv(world, monkeypatch)  # takes the fake's proxy for Discord's
    fake.fail("GET", "/proxy/.*", status, times=2)
    async with world.running(max_video_mb=1):
        await fake.say(channel_id=PRIVATE, attachments=[attached(world, size=2**21)])
        refused = await fake.sent()

    assert refused["content"] == replies.too_large(1)
    assert not refused.get("components")
    assert len(fake.requests("GET", "/proxy/.*")) == 1


async def test_a_told_video_shows_no_frame_that_may_not_exist(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gifv(world, monkeypatch)  # takes the fake's proxy for Discord's
    async with world.running():
        slash = await world.fake.use("caption", {"photo": attached(world)})
        edited = await world.fake.edited(slash)

    assert edited["content"] == STORY
    assert "embeds" not in edited


async def test_photos_do_not_wait_behind_videos(world: World) -> None:
    fake = world.fake
    slow = Slow()
    world.caption_video = slow.tell
    async with world.running(max_photos=10):
        video_files = [attached(world) for _ in range(photos.VIDEOS_AT_ONCE + 2)]
        await fake.say(channel_id=PRIVATE, attachments=video_files)
        await slow.begun(photos.VIDEOS_AT_ONCE)
        captioned = await world.captioned()
        fetched = len(fake.requests("GET", "/cdn/.*")) - 1
        slow.may.set()
        await fake.sent(2)

    assert captioned["content"] == "A dog runs."
    assert fetched == slow.at_once.most == photos.VIDEOS_AT_ONCE


async def test_a_video_that_is_too_large_or_cannot_be_read_gets_the_reason(world: World) -> None:
    async with world.running(max_video_mb=1):
        large = attached(world, size=2**21)
        await world.fake.say(channel_id=PRIVATE, attachments=[large])
        refused = await world.fake.sent()
        await world.fake.say(channel_id=PRIVATE, attachments=[attached(world, UNREADABLE)])
        unreadable = await world.fake.sent(2)

    assert refused["content"] == replies.too_large(1)
    assert unreadable["content"] == "I found no picture in this video. Please send another one."
    assert not refused.get("components")
    assert len(world.fake.requests("GET", "/cdn/.*")) == 1


async def test_videos_are_told_automatically_too(world: World) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        await fake.say(attachments=[attached(world)])
        alone = await fake.sent()
        await fake.say(attachments=[attached(world), fake.attachment(PHOTOS[1])])
        both = await fake.sent(2)

    assert alone["content"] == STORY
    assert both["content"] == f"1. {STORY}\n2. Two children play."
    assert len(world.bot_messages()) == 2


async def test_stickers_are_told_or_captioned_if_they_are_pictures(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = world.fake
    png, apng, vectors = 1, 2, 3
    made = {"700": PHOTOS[1], "701": gif()}  # the content says what moves, not the address
    fake.files |= {f"stickers/{number}.png": data for number, data in made.items()}
    monkeypatch.setattr(discord.Asset, "BASE", f"http://127.0.0.1:{fake.port}/cdn")

    def stuck(*items: tuple[str, int]) -> list[Json]:
        return [{"id": number, "name": "a", "format_type": format_} for number, format_ in items]

    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        both = stuck(("700", png), ("701", apng), ("702", vectors))
        await fake.say(sticker_items=both)  # nobody asked
        await fake.say(channel_id=PRIVATE, sticker_items=both)
        pictures = await fake.sent()
        await fake.say(channel_id=PRIVATE, sticker_items=stuck(("702", vectors)))
        hint = await fake.sent(2)

    assert pictures["content"] == "\n".join(replies.album(["Two children play.", STORY]))
    assert hint["content"] == replies.HINT
    assert len(world.bot_messages()) == 2


async def test_commands_tell_videos(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = world.fake
    async with world.running():
        slash = await fake.edited(await fake.use("caption", {"photo": attached(world)}))
        message = fake.message(embeds=[gifv(world, monkeypatch)])
        menu = await fake.edited(await fake.choose(DISCORD_MENU, message))
        shown = fake.messages[max(fake.messages)]
        said = await fake.acknowledged(await fake.press(shown, "alt"))

    assert slash["content"] == menu["content"] == STORY
    assert row(slash["components"]) == row(menu["components"]) == [ALT]  # the video is not in them
    assert "embeds" not in slash
    assert "/proxy/" in menu["embeds"][0]["thumbnail"]["url"]
    assert said["data"]["content"] == "```\nFirst a dog runs. Then a bird flies.\n```"


@pytest.mark.parametrize("kind", ["video", "GIF"])
async def test_a_story_shows_the_frames_that_it_is_about(world: World, kind: str) -> None:
    fake = world.fake
    async with world.running():
        file = attached(world) if kind == "video" else fake.attachment(gif(), "a.gif")
        await fake.say(channel_id=PRIVATE, attachments=[file])
        await fake.sent()
        edited = await fake.edited(await fake.press(world.bot_messages()[-1], "scenes"))
    sheets = [file for call in fake.requests("PATCH", ".*") for file in call.files]

    assert edited["content"] == replies.LOOKED_AT_SCENES
    assert sheets[0].startswith(b"\xff\xd8\xff")


async def test_the_frames_of_a_video_that_is_gone_are_not_shown(world: World) -> None:
    fake = world.fake
    async with world.running():
        await fake.say(channel_id=PRIVATE, attachments=[attached(world)])
        await fake.sent()
        fake.files.clear()
        edited = await fake.edited(await fake.press(world.bot_messages()[-1], "scenes"))

    assert edited["content"] == replies.GONE


async def test_a_video_beside_a_photo_has_a_line_of_its_own(world: World) -> None:
    async with world.running():
        both = [attached(world), world.fake.attachment(PHOTOS[1])]
        await world.fake.say(channel_id=PRIVATE, attachments=both)
        reply = await world.fake.sent()

    assert reply["content"] == "\n".join(replies.album([STORY, "Two children play."]))


async def test_a_video_that_was_not_answered_before_the_bot_was_killed_is_told_later(
    world: World,
) -> None:
    world.fake.fail("GET", "/cdn/.*", 503, times=2)
    async with world.killed():
        asked = await world.fake.say(channel_id=PRIVATE, attachments=[attached(world)])
        await world.fake.until(lambda: world.fake.requests("GET", "/cdn/.*"))
    async with world.running():
        await world.settled(asked)

    assert [one["content"] for one in world.bot_messages()] == [STORY]


async def test_a_real_video_is_told_by_a_real_model(world: World, tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        told = await captioner.caption_video(video_file())
        world.caption_video = captioner.caption_video
        async with world.running():
            await world.fake.say(channel_id=PRIVATE, attachments=[attached(world)])
            reply = await world.fake.sent()

    assert reply["content"] == told.text
