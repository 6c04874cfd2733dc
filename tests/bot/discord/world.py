"""What the tests of the bot on Discord share: a small Discord, a bot, and its data."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from bot import languages
from bot.access import Access
from bot.answers import Answers, CaptionVideo
from bot.discord.adapter import Discord
from bot.discord.identity import PLATFORM
from bot.replies import replies
from bot.services import Services
from bot.settings import Settings
from bot.store.inbox import Inbox
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.inbox_rows import SqliteRows
from captioner import BadImage, Caption, Options
from captioner.result import Word
from tests.bot.discord.fake_discord import SECONDS, FakeDiscord
from tests.bot.discord.fake_payloads import PRIVATE, TOKEN, Json
from tests.bot.stories import tell
from tests.conftest import photo_bytes, pixels

PHOTOS = [photo_bytes(seed) for seed in range(4)]
BROKEN, LONG = b"no picture", b"a long story"
SENTENCES = ["A dog runs.", "Two children play.", "A man sits.", "A bird flies."]
ABOUT, STATS = "I am a tiny model.", "I am well."
ROW = [("another:1", replies.ANOTHER), ("look", replies.LOOK), ("alt", replies.ALT_TEXT)]


def sentence(text: str, confidence: float = 0.9, *, attention: bool = False) -> Caption:
    maps = np.full((2, 2), 0.25, np.float32) if attention else None
    words = tuple(Word(word, -0.1, maps) for word in text.split())
    return Caption(text, -0.1 * len(words), confidence, words)


@dataclass
class Model:
    """Captions four photos that it knows; waits while `open` is not set."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    _entered: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    asked: list[Options] = field(default_factory=list)
    problem: Exception | None = None
    confidence: float = 0.9

    def __post_init__(self) -> None:
        self.open.set()

    async def reached(self, photos: int = 1) -> None:
        """Wait until it has been asked for n more captions."""
        for _ in range(photos):
            await asyncio.wait_for(self._entered.acquire(), SECONDS)

    async def caption(self, photo: bytes, options: Options) -> Caption:
        self.asked.append(options)
        self._entered.release()
        await self.open.wait()
        if self.problem is not None:
            raise self.problem
        if photo == BROKEN:
            raise BadImage("damaged")
        if photo == LONG:
            return sentence("long " * 300)
        text = SENTENCES[PHOTOS.index(photo)]
        caption = sentence(text, self.confidence, attention=options.attention)
        if options.sample:
            others = (sentence(f"Put differently, {options.seed}."),)
            return replace(caption, alternatives=others[: options.alternatives])
        return caption


async def stats() -> str:
    return STATS


@dataclass
class World:
    """A small Discord, a bot, and its data."""

    fake: FakeDiscord
    model: Model
    chats: SqliteChatSettings
    inbox: Inbox
    opened: AsyncExitStack
    settings: Settings
    access: Access = field(default_factory=lambda: Access("1000/minute", "1000/minute"))
    caption_video: CaptionVideo = tell

    def services(self, **changes: Any) -> Services:
        answers = Answers(
            self.model.caption,
            self.caption_video,
            pixels,
            PLATFORM,
            languages=tuple(languages.NAMES),
        )
        settings = self.settings.model_copy(update=changes)
        return Services(
            settings, answers, self.chats, self.inbox, self.access, lambda: ABOUT, stats
        )

    @property
    def rows(self) -> SqliteRows:
        """The file of the inbox."""
        assert isinstance(self.inbox.rows, SqliteRows)
        return self.inbox.rows

    def bot(self, **changes: Any) -> Discord:
        return Discord(self.services(**changes))

    @asynccontextmanager
    async def running(self, bot: Discord | None = None, **changes: Any) -> AsyncIterator[Discord]:
        bot, stop = bot or self.bot(**changes), asyncio.Event()
        settings = bot.services.settings
        shards = len(settings.shard_ids) or settings.shard_count or self.fake.shards
        connections = len(self.fake.identified) + shards
        task = asyncio.create_task(bot.run(stop))
        ready = asyncio.create_task(self.fake.connected(connections))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
        await ready
        try:
            yield bot
        finally:
            stop.set()
            await asyncio.wait_for(task, SECONDS)

    @asynccontextmanager
    async def killed(self, **changes: Any) -> AsyncIterator[None]:
        """Run a bot, and kill it: nothing is finished, and its memory is lost."""
        task = asyncio.create_task(self.bot(**changes).run(asyncio.Event()))
        await self.fake.connected(len(self.fake.identified) + 1)
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, SECONDS)
        self.inbox = await self.opened.enter_async_context(_inbox(self.rows.path.parent))

    async def states(self) -> dict[str, str]:
        """Return the state of each message in the inbox."""
        rows = await self.inbox.rows.having("open", "answered", "given up")
        return {row.key.message: row.state for row in rows}

    async def settled(self, *messages: Json, state: str = "answered") -> None:
        """Wait until some messages are in a state."""
        async with asyncio.timeout(SECONDS):
            while {(await self.states()).get(one["id"]) for one in messages} != {state}:
                await asyncio.sleep(0.01)

    async def photo(self, number: int = 0, **fields: Any) -> Json:
        """Send a photo in private."""
        return await self.fake.say(
            channel_id=PRIVATE, attachments=[self.fake.attachment(PHOTOS[number])], **fields
        )

    async def captioned(self, number: int = 0) -> Json:
        """Send a photo in private, and return the bot's message."""
        before = len(self.fake.requests("POST", f"/channels/{PRIVATE}/messages"))
        await self.photo(number)
        await self.fake.sent(before + 1, PRIVATE)
        return self.bot_messages()[-1]

    def bot_messages(self) -> list[Json]:
        """Return what the bot has sent, in order."""
        return [one for one in self.fake.messages.values() if one["author"] == self.fake.me]


@asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[World]:
    """Start a small Discord, and open the data of a bot in a folder."""
    async with (
        FakeDiscord() as fake,
        SqliteChatSettings(folder / "chats.sqlite3") as chats,
        AsyncExitStack() as opened,
    ):
        inbox = await opened.enter_async_context(_inbox(folder))
        settings = Settings(
            discord_bot_token=SecretStr(TOKEN),
            discord_api_url=fake.api,
            discord_gateway_url=fake.gateway,
            max_photo_mb=0.1,
            max_photos=3,
        )
        yield World(fake, Model(), chats, inbox, opened, settings)
        bodies = [
            call.body.get("data", call.body)
            for call in fake.calls
            if call.body and not isinstance(call.body, list)
        ]
        assert all(pings_nobody(body) for body in bodies if "content" in body)


@contextmanager
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test that leaves a traceback in the log, or a token or a person's name."""
    caplog.set_level(logging.DEBUG)
    yield
    records = caplog.get_records("call")
    assert not [record for record in records if record.exc_info]
    text = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in records)
    assert not [secret for secret in (TOKEN, "lovelace", "secret-of") if secret in text]


def reasons(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    """Return the reasons in the log that contain a text."""
    all_ = [str(record.__dict__.get("reason", "")) for record in caplog.records]
    return [reason for reason in all_ if text in reason]


def _inbox(folder: Path) -> Inbox:
    return Inbox(SqliteRows(folder / "inbox.sqlite3"), max_attempts=3)


def quoted(world: World) -> list[str]:
    """Return the ids of the messages that the bot replied to, in order."""
    return [one["message_reference"]["message_id"] for one in world.bot_messages()]


def row(components: list[Json]) -> list[tuple[str, str]]:
    return [
        (button["custom_id"], button["label"])
        for line in components
        for button in line["components"]
    ]


def pings_nobody(body: Json) -> bool:
    mentions = body["allowed_mentions"]
    return mentions["parse"] == [] and not mentions.get("replied_user")
