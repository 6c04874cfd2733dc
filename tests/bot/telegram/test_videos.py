"""Videos and animations on Telegram: told as a story, or by their preview."""

import io

import pytest
from PIL import Image

from bot.replies import replies
from bot.telegram.photos import VIDEOS_AT_ONCE
from bot.wording import as_preview
from captioner import Captioner
from tests.bot.stories import STORY, UNREADABLE, Slow, gif, video_file
from tests.bot.telegram.chat import CAR, DOG, Store, labels, running, sticker, telegram
from tests.bot.telegram.fake_telegram import (
    ANN,
    CHANNEL,
    GROUP,
    FakeTelegram,
    Json,
    failure,
)
from tests.conftest import Trained, on_cpu

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def moving(fake: FakeTelegram, data: bytes | None = None, **fields: object) -> Json:
    """Store a video, and return its entry in a message."""
    stored = video_file() if data is None else data
    return fake.file(stored, width=96, height=80, duration=2, **fields)


@pytest.mark.parametrize(
    "kind",
    [
        "animation",
        "video",
        "video note",
        "video sticker",
        "video document",
        "video by its name",
        "GIF document",
        "video of no type",
    ],
)
async def test_every_kind_of_video_is_told(fake: FakeTelegram, store: Store, kind: str) -> None:
    cover = fake.photo(DOG, side=320)
    webm = video_file("webm", "libvpx-vp9")
    made: dict[str, Json] = {
        "animation": {
            "animation": moving(fake, thumbnail=cover),
            "document": fake.file(video_file(), mime_type="video/mp4"),
        },
        "video": {"video": moving(fake, thumbnail=cover, cover=[cover])},
        "video note": {
            "video_note": fake.file(video_file(), length=9, duration=2, thumbnail=cover)
        },
        "video sticker": {"sticker": sticker(fake) | fake.file(webm) | {"is_video": True}},
        "video document": {
            "document": fake.file(video_file(), mime_type="video/mp4", thumbnail=cover)
        },
        "video by its name": {"document": fake.file(webm, file_name="A.WEBM")},
        "GIF document": {"document": fake.file(gif(), mime_type="image/gif", thumbnail=cover)},
        "video of no type": {"document": fake.file(video_file())},
    }

    async with running(telegram(fake, store)):
        sent = await fake.send(**made[kind])
        answer = await fake.nth("sendMessage")

    assert (answer["text"], labels(answer)) == (STORY, [replies.ALT_TEXT, replies.LOOK])
    assert answer["reply_parameters"]["message_id"] == sent["message_id"]
    assert fake.of("sendChatAction")


@pytest.mark.parametrize("kind", ["photo", "sticker", "animated sticker", "document"])
async def test_what_does_not_move_is_captioned_as_a_photo(
    fake: FakeTelegram, store: Store, kind: str
) -> None:
    still = fake.photo(DOG)
    made: dict[str, Json] = {
        "photo": {"photo": [still]},
        "sticker": {"sticker": sticker(fake)},
        "animated sticker": {"sticker": sticker(fake, is_animated=True, thumbnail=still)},
        "document": {"document": fake.file(DOG, mime_type="image/jpeg")},
    }

    async with running(telegram(fake, store)):
        await fake.send(**made[kind])
        answer = await fake.nth("sendMessage")

    assert answer["text"] == "Photo 0."
    assert len(labels(answer)) == 3


@pytest.mark.parametrize("why", ["too large", "too large for Telegram", "unreadable", "gone"])
async def test_of_a_video_that_cannot_be_read_the_preview_is_captioned_and_that_is_said(
    fake: FakeTelegram, store: Store, why: str
) -> None:
    cover = fake.photo(DOG, side=320)
    data = UNREADABLE if why == "unreadable" else video_file()
    size = {"file_size": 3 * 2**20} if why == "too large" else {}
    video = moving(fake, data, thumbnail=cover, **size)
    if why == "too large for Telegram":
        fake.failures["getFile"] = [failure(400, "Bad Request: file is too big")]
    if why == "gone":
        fake.failures["file"] = [failure(404)]

    async with running(telegram(fake, store, max_video_mb=2)):
        await fake.send(video=video)
        answer = await fake.nth("sendMessage")

    assert answer["text"] == as_preview("Photo 0.")
    assert len(labels(answer)) == 3


async def test_a_video_that_cannot_be_read_and_has_no_preview_gets_the_reason(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, max_video_mb=2)):
        await fake.send(video=moving(fake, file_size=3 * 2**20))
        large = await fake.nth("sendMessage")
        await fake.send(video=moving(fake, UNREADABLE))
        unreadable = await fake.nth("sendMessage", 2)

    assert (large["text"], labels(large)) == (replies.too_large(2), [])
    assert unreadable["text"] == "I found no picture in this video. Please send another one."
    assert fake.fetched == ["file1"]


async def test_the_buttons_under_a_preview_are_about_the_preview(
    fake: FakeTelegram, store: Store
) -> None:
    video = moving(fake, UNREADABLE, thumbnail=fake.photo(DOG, side=320))

    async with running(telegram(fake, store)):
        await fake.send(video=video)
        await fake.until(lambda: "reply_markup" in fake.latest())
        shown = fake.latest()
        await fake.press("look", shown)
        sheet = await fake.nth("sendPhoto")
        await fake.press("alt", shown)
        alt_text = await fake.nth("sendMessage", 2)
        await fake.press("another:1", shown)
        await fake.nth("editMessageText")
        await fake.nth("answerCallbackQuery", 3)

    assert sheet["caption"] == replies.LOOKED
    assert alt_text["text"] == "Photo 0."
    assert shown["text"] == as_preview("Turn 1.")


async def test_the_alt_text_of_a_story_is_the_story_without_doubt(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(animation=moving(fake))
        await fake.until(lambda: "reply_markup" in fake.latest())
        await fake.press("alt", fake.latest())
        sent = await fake.nth("sendMessage", 2)

    assert sent["text"] == "First a dog runs. Then a bird flies."


@pytest.mark.parametrize("kind", ["video", "GIF document"])
async def test_a_story_shows_the_frames_that_it_is_about(
    fake: FakeTelegram, store: Store, kind: str
) -> None:
    document = {"document": fake.file(gif(), mime_type="image/gif")}

    async with running(telegram(fake, store)):
        await fake.send(**({"video": moving(fake)} if kind == "video" else document))
        await fake.until(lambda: "reply_markup" in fake.latest())
        await fake.press("scenes", fake.latest())
        sheet = await fake.nth("sendPhoto")
        told = await fake.nth("answerCallbackQuery")

    assert sheet["caption"] == replies.LOOKED_AT_SCENES
    assert sheet["photo"].startswith(b"\xff\xd8")
    assert "text" not in told


async def test_the_frames_of_a_video_that_is_gone_are_not_shown(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        await fake.send(video=moving(fake))
        await fake.until(lambda: "reply_markup" in fake.latest())
        fake.failures["file"] = [failure(404)]
        await fake.press("scenes", fake.latest())
        told = await fake.nth("answerCallbackQuery")

    assert (told["text"], told["show_alert"]) == (replies.UNREACHABLE, True)


async def test_in_an_album_each_item_has_its_line(fake: FakeTelegram, store: Store) -> None:
    album = [
        fake.message(photo=[fake.photo(CAR)], media_group_id="a"),
        fake.message(video=moving(fake), media_group_id="a"),
        fake.message(video=moving(fake, UNREADABLE, thumbnail=fake.photo(DOG)), media_group_id="a"),
    ]

    async with running(telegram(fake, store)):
        for message in album:
            await fake.update(message=message)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "\n".join(replies.album(["Photo 2.", STORY, as_preview("Photo 0.")]))


async def test_videos_are_told_automatically_too_but_not_stickers(
    fake: FakeTelegram, store: Store
) -> None:
    for chat in (GROUP, CHANNEL):
        await store.set_auto("telegram", chat["id"], True)

    async with running(telegram(fake, store)):
        await fake.send(GROUP, sticker=sticker(fake) | moving(fake) | {"is_video": True})
        await fake.send(GROUP, animation=moving(fake))
        in_group = await fake.nth("sendMessage")
        await fake.post(video=moving(fake))
        in_channel = await fake.nth("sendMessage", 2)
        await fake.send(GROUP, photo=[fake.photo(DOG)])
        photo = await fake.nth("sendMessage", 3)

    assert [one["chat_id"] for one in (in_group, in_channel)] == [GROUP["id"], CHANNEL["id"]]
    assert [one["text"] for one in (in_group, in_channel, photo)] == [STORY, STORY, "Photo 0."]
    assert len(fake.of("sendMessage")) == 3


async def test_a_gif_of_a_group_is_told_to_whoever_asks(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        shown = fake.message(GROUP, animation=moving(fake))
        entity = {"type": "bot_command", "offset": 0, "length": 8}
        await fake.send(GROUP, ANN, text="/caption", entities=[entity], reply_to_message=shown)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == STORY
    assert sent["reply_parameters"]["message_id"] == shown["message_id"]


async def test_photos_do_not_wait_behind_videos(fake: FakeTelegram, store: Store) -> None:
    slow = Slow()
    async with running(telegram(fake, store, caption_video=slow.tell)):
        for _ in range(VIDEOS_AT_ONCE + 2):
            await fake.send(video=moving(fake))
        await slow.begun(VIDEOS_AT_ONCE)
        await fake.send(photo=[fake.photo(DOG)])
        captioned = await fake.nth("sendMessage")
        fetched = len(fake.fetched) - 1
        slow.may.set()
        await fake.nth("sendMessage", VIDEOS_AT_ONCE + 3)

    assert captioned["text"] == "Photo 0."
    assert fetched == slow.at_once.most == VIDEOS_AT_ONCE


async def test_a_real_video_is_told_by_a_real_model(
    fake: FakeTelegram, store: Store, tiny: Trained
) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        told = await captioner.caption_video(video_file())
        bot = telegram(fake, store, captioner.caption, captioner.caption_video)
        async with running(bot):
            await fake.send(animation=moving(fake), document=fake.file(video_file()))
            sent = await fake.nth("sendMessage")
            await fake.until(lambda: "reply_markup" in fake.latest())
            await fake.press("scenes", fake.latest())
            sheet = await fake.nth("sendPhoto")

    assert sent["text"] == told.text
    assert sheet["caption"] == replies.LOOKED_AT_SCENES
    assert Image.open(io.BytesIO(sheet["photo"])).format == "JPEG"
