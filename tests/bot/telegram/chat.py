"""What the tests of Telegram share: a bot to run, and messages to send to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from bot import languages
from bot.access import Access
from bot.answers import Answers, CaptionPhoto, CaptionVideo
from bot.services import Services
from bot.settings import Settings
from bot.store.chat_settings import ChatSettings
from bot.store.inbox import Inbox
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.inbox_rows import SqliteRows
from bot.telegram import adapter, albums, menu, sending
from bot.telegram.adapter import Telegram
from bot.telegram.identity import PLATFORM
from captioner import BadImage, Caption, Options
from captioner.result import Word
from tests.bot.stories import tell
from tests.bot.telegram.fake_telegram import ANN, TIMEOUT, TOKEN, FakeTelegram, Json
from tests.conftest import photo_bytes, pixels

PHOTOS = {photo_bytes(seed): seed for seed in range(6)}
DOG, CAT, CAR = list(PHOTOS)[:3]
LOOK = np.full((2, 2), 0.25, np.float32)


def isolate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the settings of this machine, and shorten the bot's pauses."""
    monkeypatch.chdir(folder)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(albums, "ALBUM_SECONDS", 0.4)
    monkeypatch.setattr(sending, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(adapter, "POLL_PAUSE", 0.01)
    monkeypatch.setattr(menu, "TRANSLATED", ())  # each language is four calls at each start


class AnyStore(ChatSettings, Protocol):
    """The chat settings and the inbox, in a file or a database."""

    inbox: Inbox


class Store(SqliteChatSettings):
    """The chat settings and the inbox."""

    inbox: Inbox

    @property
    def rows(self) -> SqliteRows:
        """The file of the inbox."""
        assert isinstance(self.inbox.rows, SqliteRows)
        return self.inbox.rows


@asynccontextmanager
async def open_store(folder: Path, **fields: Any) -> AsyncIterator[Store]:
    """Open the store in a folder; the fields are those of `Inbox`."""
    async with (
        Store(folder / "chats.sqlite") as store,
        Inbox(SqliteRows(folder / "inbox.sqlite"), **fields) as store.inbox,
    ):
        yield store


async def settled(store: Store, **counts: int) -> None:
    """Wait until the inbox holds as many messages in each state."""
    async with asyncio.timeout(TIMEOUT):
        while await store.inbox.rows.counts() != counts:
            await asyncio.sleep(0.01)


async def caption_photo(photo: bytes, options: Options) -> Caption:
    if photo not in PHOTOS:
        raise BadImage("damaged")
    text = f"Photo {PHOTOS[photo]}." if not options.sample else f"Turn {options.seed}."
    return Caption(text, -0.1, 0.9, (Word("photo", -0.1, LOOK if options.attention else None),))


async def stats() -> str:
    return "Some figures."


def telegram(
    fake: FakeTelegram,
    store: AnyStore,
    caption: CaptionPhoto = caption_photo,
    caption_video: CaptionVideo = tell,
    **keys: Any,
) -> Telegram:
    settings = Settings(**{"telegram_bot_token": TOKEN, "telegram_api_url": fake.url, **keys})
    access = Access(
        settings.photos_per_person,
        settings.photos_per_chat,
        allowed=settings.allowed,
        blocked=settings.blocked,
        operators=settings.operators,
    )
    spoken = tuple(languages.NAMES)
    answers = Answers(caption, caption_video, pixels, PLATFORM, languages=spoken)
    about = "I am a small model."
    return Telegram(Services(settings, answers, store, store.inbox, access, lambda: about, stats))


@asynccontextmanager
async def running(bot: Telegram) -> AsyncIterator[asyncio.Task[None]]:
    """Run the bot; when the context ends, stop it and wait for its last replies."""
    stop = asyncio.Event()
    task = asyncio.create_task(bot.run(stop))
    try:
        yield task
        stop.set()
        await asyncio.wait_for(asyncio.shield(task), TIMEOUT)
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def killed(bot: Telegram) -> AsyncIterator[None]:
    """Run the bot, and kill it when the context ends: nothing is finished."""
    task = asyncio.create_task(bot.run(asyncio.Event()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def command(text: str) -> Json:
    name = text.split()[0]
    return {
        "text": text,
        "entities": [{"type": "bot_command", "offset": 0, "length": len(name)}],
    }


def captioned(text: str, part: str, kind: str = "mention", **fields: Any) -> Json:
    entity = {"type": kind, "offset": text.index(part), "length": len(part), **fields}
    return {"caption": text, "caption_entities": [entity]}


def labels(sent: Json) -> list[str]:
    rows = sent.get("reply_markup", {}).get("inline_keyboard", [])
    return [button["text"] for row in rows for button in row]


def sticker(fake: FakeTelegram, **fields: Any) -> Json:
    sticker = {"type": "regular", "width": 512, "height": 512, "is_animated": False}
    return fake.file(DOG, **sticker | {"is_video": False} | fields)


async def send_album(fake: FakeTelegram, seeds: list[int], **fields: Any) -> list[Json]:
    """Send an album whose messages arrive out of order."""
    album = [
        fake.message(
            photo=[fake.photo(photo_bytes(seed))], media_group_id="a", **{**fields, "from": ANN}
        )
        for seed in seeds
    ]
    for message in album[1:] + album[:1]:
        await fake.update(message=message)
    return album
