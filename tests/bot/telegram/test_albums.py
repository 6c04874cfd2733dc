"""Albums: one reply for all their photos."""

import asyncio
from datetime import UTC, datetime

import pytest
from telegram import Chat, Message

from bot.replies import replies
from bot.telegram import albums as albums_module
from bot.telegram.albums import Albums
from tests.bot.telegram.chat import (
    CAT,
    DOG,
    Store,
    captioned,
    labels,
    running,
    send_album,
    telegram,
)
from tests.bot.telegram.fake_telegram import (
    GROUP,
    TIMEOUT,
    FakeTelegram,
)
from tests.conftest import photo_bytes

WAIT = 1000.0  # so long that the time of the test itself does not matter


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.ahead, real = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)

    async def forward(self, seconds: float) -> None:
        self.ahead += seconds
        await settled()


async def settled() -> None:
    for _ in range(5):  # tasks that are due wake up, and check the time
        await asyncio.sleep(0)


def photo(number: int, album: str | None) -> Message:
    chat = Chat(1, Chat.PRIVATE)
    return Message(number, datetime.now(UTC), chat, media_group_id=album)


async def numbers(albums: Albums, message: Message) -> list[int]:
    async with albums.complete(message) as messages:
        return [message.message_id for message in messages]


async def test_an_album_is_complete_when_no_more_of_it_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(albums_module, "ALBUM_SECONDS", WAIT)
    clock, albums, tasks = Clock(monkeypatch), Albums(), []

    for number in (2, 1, 3):
        tasks.append(asyncio.create_task(numbers(albums, photo(number, "slow"))))
        await settled()
        await clock.forward(0.6 * WAIT)  # two of these are longer than the wait
    assert not any(task.done() for task in tasks)
    await clock.forward(0.6 * WAIT)

    assert await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT) == [[1, 2, 3], [], []]


async def test_a_photo_that_arrives_after_that_is_an_album_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(albums_module, "ALBUM_SECONDS", WAIT)
    clock, albums = Clock(monkeypatch), Albums()

    for number in (1, 2):
        task = asyncio.create_task(numbers(albums, photo(number, "late")))
        await settled()
        await clock.forward(1.1 * WAIT)
        assert await asyncio.wait_for(task, TIMEOUT) == [number]


async def test_a_photo_outside_an_album_does_not_wait() -> None:
    assert await numbers(Albums(), photo(1, None)) == [1]


async def test_an_album_gets_one_reply_in_its_order(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        album = await send_album(fake, [3, 1, 2])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 3.\n2. Photo 1.\n3. Photo 2."
    assert sent["reply_parameters"]["message_id"] == album[0]["message_id"]
    assert labels(sent) == []
    assert len(fake.of("sendMessage")) == 1


async def test_only_the_first_pictures_of_a_large_album_are_captioned(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, max_photos=2)):
        await send_album(fake, [3, 1, 2])
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "\n".join(replies.album(["Photo 3.", "Photo 1."], 1))
    assert len(fake.fetched) == 2


async def test_two_albums_at_once_get_a_reply_each(fake: FakeTelegram, store: Store) -> None:
    async with running(telegram(fake, store)):
        for seed in (1, 2, 3, 4):
            group = "odd" if seed % 2 else "even"
            await fake.send(photo=[fake.photo(photo_bytes(seed))], media_group_id=group)
        await fake.nth("sendMessage", 2)

    texts = sorted(sent["text"] for sent in fake.of("sendMessage"))
    assert texts == ["1. Photo 1.\n2. Photo 3.", "1. Photo 2.\n2. Photo 4."]


async def test_a_mention_in_any_caption_of_an_album_counts_for_all_of_it(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store)):
        first = await fake.send(GROUP, photo=[fake.photo(DOG)], media_group_id="a")
        mention = captioned("@captions_bot", "@captions_bot")
        await fake.send(GROUP, photo=[fake.photo(CAT)], media_group_id="a", **mention)
        sent = await fake.nth("sendMessage")

    assert sent["text"] == "1. Photo 0.\n2. Photo 1."
    assert sent["reply_parameters"]["message_id"] == first["message_id"]
