"""Answers on Telegram that are too long for one message: all of it is said, and nothing twice."""

import asyncio
from pathlib import Path

import pytest

from bot.replies import replies
from bot.store import inbox
from bot.telegram import sending
from captioner import Caption, Options
from captioner.result import Word
from tests.bot.telegram.chat import PHOTOS, Store, killed, open_store, running, settled, telegram
from tests.bot.telegram.fake_telegram import FakeTelegram, Json, Taken, failure
from tests.conftest import photo_bytes

# The library warns about its own use of RetryAfter.
pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")

DOG = "\N{DOG FACE}"  # two of what Telegram counts


class Model:
    """Describes each photo at length."""

    def __init__(self, characters: int = 2500) -> None:
        self.characters = characters
        self.asked: list[int] = []

    async def caption(self, photo: bytes, options: Options) -> Caption:
        number = PHOTOS[photo]
        self.asked.append(number)
        return Caption(said(number, self.characters), -0.1, 0.9, (Word("photo", -0.1, None),))


def said(number: int, characters: int = 2500) -> str:
    return f"Photo {number} {'long ' * ((characters - 10) // 5)}"


async def album(fake: FakeTelegram, photos: int) -> list[Json]:
    made = [
        fake.message(photo=[fake.photo(photo_bytes(number))], media_group_id="a")
        for number in range(photos)
    ]
    for message in made:
        await fake.update(message=message)
    return made


async def test_an_album_is_answered_in_as_many_messages_as_it_needs(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, Model(1300).caption, max_photos=4)):
        messages = await album(fake, 5)
        await settled(store, answered=5)

    sent = fake.of("sendMessage")
    entries = replies.album([said(number, 1300) for number in range(4)], left_out=1)
    assert [one["text"] for one in sent] == ["\n".join(entries[:3]), entries[3]]
    assert all(len(one["text"]) <= 4096 for one in sent)
    quoted = {one["reply_parameters"]["message_id"] for one in sent}
    assert quoted == {messages[0]["message_id"]}


async def test_telegram_counts_a_character_outside_the_basic_plane_twice(
    fake: FakeTelegram, store: Store
) -> None:
    async def dogs(photo: bytes, options: Options) -> Caption:
        return Caption(DOG * 1500, -0.1, 0.9, (Word("dog", -0.1, None),))

    async with running(telegram(fake, store, dogs)):
        await album(fake, 2)
        await settled(store, answered=2)

    assert [one["text"] for one in fake.of("sendMessage")] == [
        f"1. {DOG * 1500}",
        f"2. {DOG * 1500}",
    ]


async def test_after_a_kill_between_two_messages_only_the_rest_is_said(
    fake: FakeTelegram, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)
    model = Model()
    # Telegram wants a pause before the second message; meanwhile the bot is killed.
    fake.failures["sendMessage"] = [None, failure(429, "Too Many Requests", retry_after=30)]

    async with killed(telegram(fake, store, model.caption)):
        await album(fake, 3)
        await fake.nth("sendMessage", 2)
    assert sorted(model.asked) == [0, 1, 2]
    async with (
        open_store(tmp_path) as restarted,
        running(telegram(fake, restarted, model.caption)),
    ):
        await settled(restarted, answered=3)

    texts = [one["text"] for one in fake.of("sendMessage")]
    assert texts == [f"{number + 1}. {said(number)}" for number in (0, 1, 1, 2)]
    assert sorted(model.asked[3:]) == [1, 2]


async def test_a_message_that_may_have_arrived_is_sent_once_more_without_those_before(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(inbox, "UNCONFIRMED_PAUSE", 0.05)
    fake.failures["sendMessage"] = [None, Taken()]

    async with running(telegram(fake, store, Model().caption)):
        await album(fake, 3)
        await settled(store, answered=3)

    texts = [one["text"] for one in fake.of("sendMessage")]
    assert texts == [f"{number + 1}. {said(number)}" for number in (0, 1, 1, 2)]


async def test_photos_that_were_answered_in_part_count_once_towards_a_rate(
    fake: FakeTelegram, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.01)
    flood = failure(429, "Too Many Requests", retry_after=sending.LONGEST_FLOOD + 1)
    fake.failures["sendMessage"] = [None, flood]
    bot = telegram(fake, store, Model().caption, photos_per_person="2/minute")

    async with running(bot):
        await album(fake, 2)
        await fake.nth("sendMessage", 2)
        await asyncio.sleep(0.1)
        await store.rows.run(lambda db: db.execute("UPDATE entries SET due = 0"))
        await settled(store, answered=2)

    assert [one["text"][:10] for one in fake.of("sendMessage")][2:] == ["2. Photo 1"]


async def test_a_caption_that_is_too_long_alone_has_its_buttons_under_its_end(
    fake: FakeTelegram, store: Store
) -> None:
    async with running(telegram(fake, store, Model(5000).caption)):
        await fake.send(photo=[fake.photo(photo_bytes(0))])
        await settled(store, answered=1)

    first, last = fake.of("sendMessage")
    assert f"{first['text']} {last['text']}" == said(0, 5000)
    assert "reply_markup" not in first
    assert "reply_markup" in last
