"""Albums by a clock that is set forward, for their end is nothing but time that went by."""

import asyncio
from datetime import UTC, datetime

import pytest
from telegram import Chat, Message

from bot.telegram import albums as albums_module
from bot.telegram.albums import Albums
from tests.bot.telegram.fake_telegram import TIMEOUT

WAIT = 1000.0  # so long that what the test itself takes does not count


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.ahead, real = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)

    async def forward(self, seconds: float) -> None:
        self.ahead += seconds
        await settled()


async def settled() -> None:
    for _ in range(5):  # whoever is due wakes up, and looks at the time
        await asyncio.sleep(0)


def photo(number: int, album: str | None) -> Message:
    chat = Chat(1, Chat.PRIVATE)
    return Message(number, datetime.now(UTC), chat, media_group_id=album)


async def numbers(albums: Albums, message: Message) -> list[int]:
    async with albums.complete(message) as messages:
        return [message.message_id for message in messages]


async def test_an_album_is_whole_when_nothing_more_of_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(albums_module, "ALBUM_SECONDS", WAIT)
    clock, albums, tasks = Clock(monkeypatch), Albums(), []

    for number in (2, 1, 3):
        tasks.append(asyncio.create_task(numbers(albums, photo(number, "slow"))))
        await settled()
        await clock.forward(0.6 * WAIT)  # two of them last longer than the wait
    assert not any(task.done() for task in tasks)
    await clock.forward(0.6 * WAIT)

    assert await asyncio.wait_for(asyncio.gather(*tasks), TIMEOUT) == [[1, 2, 3], [], []]


async def test_what_comes_after_that_is_an_album_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(albums_module, "ALBUM_SECONDS", WAIT)
    clock, albums = Clock(monkeypatch), Albums()

    for number in (1, 2):
        task = asyncio.create_task(numbers(albums, photo(number, "late")))
        await settled()
        await clock.forward(1.1 * WAIT)
        assert await asyncio.wait_for(task, TIMEOUT) == [number]


async def test_a_photo_in_no_album_waits_for_nobody() -> None:
    assert await numbers(Albums(), photo(1, None)) == [1]
