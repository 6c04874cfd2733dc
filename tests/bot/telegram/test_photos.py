"""Which file of a Telegram message is captioned, and the replies to the others."""

from typing import Any

import pytest

from bot.replies import replies
from bot.wording import as_preview
from captioner import BadImage
from tests.bot.telegram.chat import (
    CAR,
    CAT,
    DOG,
    Store,
    labels,
    running,
    sticker,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    GROUP,
    FakeTelegram,
    Json,
    failure,
)

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


def moving(fake: FakeTelegram, **fields: Any) -> Json:
    return fake.file(b"video", width=9, height=9, duration=1, **fields)


async def test_the_largest_size_within_the_limit_is_fetched(
    fake: FakeTelegram, store: Store
) -> None:
    sizes = [
        fake.photo(CAT, side=90),
        fake.photo(DOG, side=800),
        fake.photo(CAR, side=4000, file_size=3 * 2**20),
    ]

    async with running(telegram(fake, store, max_photo_mb=2)):
        await fake.send(photo=sizes)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert fake.fetched == ["file1"]


@pytest.mark.parametrize(
    "kind",
    [
        "image document",
        "image by its name",
        "image of no type",
        "IMAGE document",
        "neither type nor name",
        "GIF document",
        "video document",
        "sticker",
        "animated sticker",
        "animation",
        "video",
        "video with a cover",
        "video note",
    ],
)
async def test_every_kind_of_picture_is_captioned(
    fake: FakeTelegram, store: Store, kind: str
) -> None:
    cover = fake.photo(DOG, side=320)
    note = fake.file(b"video", length=9, duration=1, thumbnail=cover)
    made: dict[str, Json] = {
        "image document": {"document": fake.file(DOG, mime_type="image/png")},
        "image by its name": {"document": fake.file(DOG, file_name="a.JPG")},
        "image of no type": {
            "document": fake.file(DOG, file_name="A.JFIF", mime_type="application/octet-stream")
        },
        "IMAGE document": {"document": fake.file(DOG, mime_type="IMAGE/JPEG")},
        "neither type nor name": {"document": fake.file(DOG)},
        "GIF document": {"document": fake.file(DOG, mime_type="image/gif")},
        "video document": {"document": fake.file(b"", mime_type="video/mp4", thumbnail=cover)},
        "sticker": {"sticker": sticker(fake)},
        "animated sticker": {"sticker": sticker(fake, is_animated=True, thumbnail=cover)},
        "animation": {
            "animation": moving(fake, thumbnail=cover),
            "document": fake.file(b"video", mime_type="video/mp4"),
        },
        "video": {"video": moving(fake, thumbnail=cover)},
        "video with a cover": {
            "video": moving(fake, thumbnail=fake.photo(CAT), cover=[fake.photo(CAR, 9), cover])
        },
        "video note": {"video_note": note},
    }

    async with running(telegram(fake, store)):
        await fake.send(**made[kind])
        sent = await fake.nth("sendMessage")

    moves = kind in ("video document", "animation", "video", "video with a cover", "video note")
    assert sent["text"] == (as_preview("Photo 0.") if moves else "Photo 0.")
    assert labels(sent)


async def test_a_file_that_cannot_be_captioned_gets_a_sentence_and_no_buttons(
    fake: FakeTelegram, store: Store
) -> None:
    cases: list[tuple[Json, str]] = [
        ({"animation": moving(fake)}, replies.bad_image(BadImage("damaged"))),
        ({"sticker": sticker(fake, is_animated=True)}, replies.NO_PREVIEW),
        ({"document": fake.file(b"%PDF", mime_type="application/pdf")}, replies.NEEDS_ATTACHMENT),
        ({"photo": [fake.photo(DOG, file_size=2**22)]}, replies.too_large(2)),
        ({"document": fake.file(bytes(2**22), mime_type="image/png")}, replies.too_large(2)),
        ({"document": fake.file(b"noise")}, replies.bad_image(BadImage("damaged"))),
        ({"photo": [fake.photo(b"noise")]}, replies.bad_image(BadImage("damaged"))),
    ]

    async with running(telegram(fake, store, max_photo_mb=2)):
        for number, (fields, text) in enumerate(cases, 1):
            await fake.send(**fields)
            sent = await fake.nth("sendMessage", number)
            assert (sent["text"], labels(sent)) == (text, [])


async def test_a_file_whose_size_is_known_late_is_not_fetched_either(
    fake: FakeTelegram, store: Store
) -> None:
    large = fake.file(bytes(2**22), mime_type="image/png")
    del large["file_size"]

    async with running(telegram(fake, store, max_photo_mb=2)):
        await fake.send(document=large)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.too_large(2)
    assert fake.fetched == []


async def test_a_file_too_large_for_telegram_to_hand_out_gets_the_limit(
    fake: FakeTelegram, store: Store
) -> None:
    fake.failures["getFile"].append(failure(400, "Bad Request: file is too big"))

    async with running(telegram(fake, store, max_photo_mb=50)):
        await fake.send(document=fake.file(DOG, mime_type="image/png", file_size=30 * 2**20))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == replies.too_large(20)


@pytest.mark.parametrize("call", ["getFile", "file"])
async def test_a_photo_that_cannot_be_fetched_gets_a_sentence(
    fake: FakeTelegram, store: Store, call: str
) -> None:
    nowhere = {"ok": True, "result": {"file_id": "file0", "file_unique_id": "u"}}
    fake.failures["getFile"] = [nowhere] if call == "getFile" else []
    fake.failures["file"] = [failure(404)]

    async with running(telegram(fake, store)):
        await fake.send(photo=[fake.photo(DOG)])
        sent = await fake.nth("sendMessage")

    assert (sent["text"], labels(sent)) == (replies.UNREACHABLE, [])


async def test_a_group_with_automatic_captions_gets_those_of_files_that_say_they_are_pictures(
    fake: FakeTelegram, store: Store
) -> None:
    await store.set_auto("telegram", GROUP["id"], True)
    by_name = {"file_name": "A.HEIC", "mime_type": "application/octet-stream"}

    async with running(telegram(fake, store)):
        await fake.send(GROUP, document=fake.file(CAT))  # it may be anything
        await fake.send(GROUP, document=fake.file(CAR, mime_type="application/pdf"))
        await fake.send(GROUP, document=fake.file(DOG, **by_name))
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "Photo 0."
    assert len(fake.of("sendMessage")) == 1
