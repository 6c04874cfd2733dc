"""The connection to Discord: what comes over it, and what is in hand."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import discord
import structlog

from bot import metrics
from bot.discord.buttons import serve_buttons
from bot.discord.errors import REFUSED, TROUBLE, reason
from bot.discord.identity import PLATFORM
from bot.discord.incoming import Incoming
from bot.discord.interactions import Interactions
from bot.discord.messages import Messages
from bot.discord.photos import Photos
from bot.services import Services
from bot.store.inbox_rows import InboxRow, Key

log = structlog.stdlib.get_logger(__name__)

AT_ONCE = 256  # messages in hand; photos have a tighter bound
LONGEST_LIMIT = 60.0  # seconds of a rate limit; a longer one is the inbox's matter


class PhotoClient(discord.Client):
    """A connection that captions what it is asked to."""

    def __init__(
        self,
        photos: Photos,
        services: Services,
        *,
        sees_content: bool,
        shards: int = 1,
    ) -> None:
        """Set up a connection; `sees_content` is whether Discord grants the intent for it."""
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        intents.message_content = sees_content
        super().__init__(
            intents=intents,
            shard_count=shards if shards > 1 else None,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            max_ratelimit_timeout=LONGEST_LIMIT,
        )
        self.services = services
        self.messages = Messages(self, photos, services)
        self.interactions = Interactions(self, photos, services)
        self.stopping = False
        self.connected: Callable[[], None] = lambda: None
        self._up = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._work: set[asyncio.Task[None]] = set()
        serve_buttons(self)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whatever runs in here is finished before leaving; trouble is one line in the log."""
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        try:
            yield
        except TROUBLE as error:
            metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
            tell = log.info if isinstance(error, REFUSED) else log.warning
            tell("an answer did not get through", platform=PLATFORM, reason=reason(error))
        except Exception:
            log.exception("an answer failed", platform=PLATFORM)
        finally:
            self._work.discard(task)

    async def tend(self) -> None:
        """From the first connection on take up what was left open, until this is cancelled."""
        await self._up.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.messages.missed.look_back())
            group.create_task(self.services.inbox.resume(PLATFORM, self._again))

    async def finish(self) -> None:
        """Accept nothing more, and finish what is in hand."""
        self.stopping = True
        if self._work:
            await asyncio.wait(self._work)

    async def leave(self) -> None:
        """Drop what is still in hand, which the inbox keeps, and disconnect."""
        self.stopping = True
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.close()

    async def setup_hook(self) -> None:
        """Find out where to look back, before there is a connection."""
        await self.messages.missed.load()

    async def on_connect(self) -> None:
        """Tell that the gateway accepted the bot; it repeats nothing that came before."""
        self.messages.missed.begin()
        self._up.set()
        self.connected()
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)

    async def on_resumed(self) -> None:
        """Tell that a broken connection is whole again; what it missed is repeated."""
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)

    async def on_disconnect(self) -> None:
        """Tell that the connection is broken; the library makes a new one."""
        metrics.PLATFORM_UP.labels(PLATFORM).set(0)

    async def on_message(self, message: discord.Message) -> None:
        """Answer a message if it asks for that."""
        if not self.stopping:
            with self.at_work():
                await self.messages.receive(Incoming.of(message), self._room)

    async def _again(self, row: InboxRow) -> None:
        """Take up what is due, as soon as there is room for it."""
        await self._room.acquire()
        task = asyncio.create_task(self._take_up(row))
        self._work.add(task)
        task.add_done_callback(partial(self._done, row.key))

    async def _take_up(self, row: InboxRow) -> None:
        with self.at_work():
            if "token" in row.reference:
                await self.interactions.retry(row.key, row.reference)
            else:
                await self.messages.retry(row.key, row.reference["guild"])

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        self._room.release()
        self.services.inbox.release(key)  # it may have been cancelled before it began


class ShardedPhotoClient(PhotoClient, discord.AutoShardedClient):
    """The same over several connections, for a bot that is in thousands of servers."""
