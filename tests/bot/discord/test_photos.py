"""The pictures of Discord messages: where they are found, and how they are fetched."""

import pytest

from bot.replies import replies
from captioner import BadImage
from tests.bot.discord.fake_payloads import CHANNEL, GRANTED, PRIVATE
from tests.bot.discord.world import BROKEN, PHOTOS, World

pytestmark = pytest.mark.usefixtures("quick_inbox")


async def test_several_photos_are_answered_in_order_in_one_reply(world: World) -> None:
    async with world.running():
        photos = [world.fake.attachment(PHOTOS[number]) for number in (2, 0, 1, 3)]
        text = world.fake.attachment(b"words", "notes.txt", content_type="text/plain")
        await world.fake.say(channel_id=PRIVATE, attachments=[text, *photos])
        reply = await world.fake.sent()

    sentences = ["A man sits.", "A dog runs.", "Two children play."]
    assert reply["content"] == "\n".join(replies.album(sentences, left_out=1))
    assert not reply.get("components")
    assert len(world.bot_messages()) == 1


async def test_pictures_of_embeds_are_fetched_only_from_the_proxy(world: World) -> None:
    fake = world.fake
    stored = [fake.attachment(photo)["url"].partition("/cdn/")[2] for photo in PHOTOS]
    outside = [f"http://127.0.0.1:{fake.port}/elsewhere/{name}" for name in stored]
    embeds = [
        {"type": "rich", "image": {"url": outside[0], "proxy_url": fake.proxied(outside[0])}},
        {"type": "link", "thumbnail": {"url": outside[1], "proxy_url": fake.proxied(outside[1])}},
        {"type": "rich", "image": {"url": outside[2]}},
        {"type": "rich", "title": "only words"},
    ]
    async with world.running():
        await fake.say("a link", channel_id=PRIVATE, embeds=embeds)
        reply = await fake.sent()

    assert reply["content"] == "\n".join(replies.album(["A dog runs.", "Two children play."]))
    assert len(fake.requests("GET", "/proxy/.*")) == 2
    assert not fake.requests("GET", "/elsewhere/.*")


async def test_a_forwarded_photo_is_answered(world: World) -> None:
    forwarded = world.fake.message(attachments=[world.fake.attachment(PHOTOS[3])])
    async with world.running():
        await world.fake.say(channel_id=PRIVATE, message_snapshots=[{"message": forwarded}])
        reply = await world.fake.sent()

    assert reply["content"] == "A bird flies."


async def test_a_file_that_is_too_large_is_not_fetched(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0], size=200_000)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        reply = await world.fake.sent()

    assert reply["content"] == replies.too_large(0.1)
    assert not reply.get("components")
    assert not world.fake.requests("GET", "/cdn/.*")


async def test_the_download_of_a_file_larger_than_announced_is_ended(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(bytes(200_000), size=10)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await world.fake.sent())["content"] == replies.too_large(0.1)


async def test_a_redirect_to_another_server_is_not_followed(world: World) -> None:
    fake = world.fake
    photo = fake.attachment(PHOTOS[0])
    name = photo["url"].partition("/cdn/")[2]
    fake.moved[name] = f"http://127.0.0.1:{fake.port}/elsewhere/{name}"
    async with world.running():
        await fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await fake.sent())["content"] == replies.UNREACHABLE

    assert not fake.requests("GET", "/elsewhere/.*")


async def test_a_failed_download_and_a_damaged_photo_get_different_answers(world: World) -> None:
    async with world.running():
        lost = world.fake.attachment(PHOTOS[0])
        world.fake.files.clear()
        photos = [lost, world.fake.attachment(BROKEN), world.fake.attachment(PHOTOS[0])]
        await world.fake.say(channel_id=PRIVATE, attachments=photos)
        reply = await world.fake.sent()

    lines = [replies.UNREACHABLE, replies.bad_image(BadImage("damaged")), "A dog runs."]
    assert reply["content"] == "\n".join(replies.album(lines))


async def test_a_file_without_a_type_is_known_by_its_name(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0], "PHOTO.WEBP", content_type=None)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await world.fake.sent())["content"] == "A dog runs."


async def test_a_download_that_fails_is_tried_again(world: World) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0])
        world.fake.fail("GET", "/cdn/.*", 503)
        asked = await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        await world.settled(asked)

    assert [one["content"] for one in world.bot_messages()] == ["A dog runs."]


async def test_a_failed_download_among_several_photos_is_not_tried_again(world: World) -> None:
    async with world.running():
        photos = [world.fake.attachment(PHOTOS[number]) for number in (0, 1)]
        lost = photos[0]["url"].partition("/cdn/")[2]
        world.fake.fail("GET", f"/cdn/{lost}", 503)
        await world.fake.say(channel_id=PRIVATE, attachments=photos)
        reply = await world.fake.sent()

    assert reply["content"] == "\n".join(replies.album([replies.UNREACHABLE, "Two children play."]))


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("photo.jpg", "application/octet-stream"),
        ("PHOTO.HEIC", "application/octet-stream"),
        ("photo.jfif", None),
        ("photo", "IMAGE/JPEG"),
        ("photo", "application/octet-stream"),
        ("photo", None),
    ],
)
async def test_a_type_or_a_name_is_enough_and_a_file_with_neither_is_looked_at(
    world: World, name: str, declared: str | None
) -> None:
    async with world.running():
        photo = world.fake.attachment(PHOTOS[0], name, content_type=declared)
        await world.fake.say(channel_id=PRIVATE, attachments=[photo])
        assert (await world.fake.sent())["content"] == "A dog runs."
        asked = await world.fake.use("caption", {"photo": photo})
        assert (await world.fake.edited(asked))["content"] == "A dog runs."


async def test_a_file_that_may_be_anything_is_fetched_only_if_the_bot_is_asked(
    world: World,
) -> None:
    fake = world.fake
    fake.flags = GRANTED
    await world.chats.set_auto("discord", CHANNEL, True)
    async with world.running():
        unknown = fake.attachment(PHOTOS[1], "notes", content_type=None)
        named = fake.attachment(PHOTOS[0], "a.AVIF", content_type="application/octet-stream")
        await fake.say(attachments=[unknown])
        await fake.say(attachments=[unknown, named])
        automatic = await fake.sent()
        await fake.mention(attachments=[unknown])
        asked = await fake.sent(2)

    assert [automatic["content"], asked["content"]] == ["A dog runs.", "Two children play."]
    assert len(world.bot_messages()) == 2
