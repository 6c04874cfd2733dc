"""The connection to Discord: the events it brings, and the work that they start."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import discord
import structlog
import yarl

from bot import metrics
from bot.discord.buttons import serve_buttons
from bot.discord.errors import DISCORD_ERRORS, REFUSED, reason
from bot.discord.identity import PLATFORM
from bot.discord.incoming import Incoming
from bot.discord.interactions import Interactions
from bot.discord.messages import Messages
from bot.discord.photos import Photos
from bot.discord.shards import Shards
from bot.discord.turns import Turns
from bot.services import Services
from bot.store.errors import DatabaseError
from bot.store.inbox_rows import InboxRow, Key

log = structlog.stdlib.get_logger(__name__)

MESSAGES_AT_ONCE = 256  # in progress; photos have a tighter limit
MAX_RATE_LIMIT = 60.0  # seconds that the library waits out; a longer pause is left to the inbox


class PhotoClient(discord.Client):
    """A connection to Discord that answers what arrives."""

    def __init__(
        self,
        photos: Photos,
        services: Services,
        *,
        message_content: bool,
        shards: Shards,
        turns: Turns,
    ) -> None:
        """Prepare a connection.

        Args:
            photos: answers pictures.
            services: what the adapter was given.
            message_content: whether Discord grants the bot the message content intent.
            shards: the connections to the gateway.
            turns: when each of them begins.
        """
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        intents.message_content = message_content
        super().__init__(
            intents=intents,
            shard_count=shards.count if shards.count > 1 else None,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            max_ratelimit_timeout=MAX_RATE_LIMIT,
        )
        self.services, self.own_shards, self.turns = services, shards, turns
        self.messages = Messages(self, photos, services, shards)
        self.interactions = Interactions(self, photos, services)
        self.stopping = False
        self.connected: Callable[[], None] = lambda: None
        self._begun = asyncio.Event()
        self._slots = asyncio.Semaphore(MESSAGES_AT_ONCE)
        self._work: set[asyncio.Task[None]] = set()
        serve_buttons(self)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have `finish` wait for what runs inside; an error there becomes a line in the log."""
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        try:
            yield
        except DISCORD_ERRORS as error:
            metrics.ERRORS.labels(PLATFORM, "undelivered").inc()
            write = log.info if isinstance(error, REFUSED) else log.warning
            write("answer not delivered", platform=PLATFORM, reason=reason(error))
        except DatabaseError as error:
            log.error("answer failed", platform=PLATFORM, reason=str(error))
            # What could not be recorded is looked for again in the channels' history.
            self.messages.backfill.request()
        except Exception:
            log.exception("answer failed", platform=PLATFORM)
        finally:
            self._work.discard(task)

    async def catch_up(self) -> None:
        """Once connected, answer what was missed or left unanswered, until cancelled."""
        await self._begun.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.messages.backfill.run())
            group.create_task(self.services.inbox.resume(PLATFORM, self._resume))

    async def finish(self) -> None:
        """Accept nothing new, and finish the work in progress."""
        self.stopping = True
        if self._work:
            await asyncio.wait(self._work)

    async def disconnect(self) -> None:
        """Cancel the work in progress, which the inbox keeps, and close the connection."""
        self.stopping = True
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.close()

    async def setup_hook(self) -> None:
        """Load the watched channels before there is a connection."""
        await self.messages.backfill.load()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait for the turn of a session that replaces a lost one; the first have had theirs."""
        await super().before_identify_hook(shard_id, initial=initial)
        if not initial:
            await self.turns.take(shard_id or 0)

    async def on_connect(self) -> None:
        """Start: the gateway has accepted the bot, and repeats nothing from before."""
        self.messages.backfill.request()
        self._begin()

    async def on_resumed(self) -> None:
        """Note that a broken connection is restored; Discord repeats what it missed."""
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)

    async def on_disconnect(self) -> None:
        """Note that the connection is broken; the library reconnects."""
        metrics.PLATFORM_UP.labels(PLATFORM).set(0)

    async def on_message(self, message: discord.Message) -> None:
        """Answer a message if it asks for it."""
        if not self.stopping:
            with self.at_work():
                await self.messages.receive(Incoming.of(message), self._slots)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a message in which Discord has embedded a picture since it was sent."""
        if not self.stopping:
            with self.at_work():
                await self.messages.receive_embeds(Incoming.of(payload.message), self._slots)

    def _begin(self) -> None:
        self._begun.set()
        self.connected()
        metrics.PLATFORM_UP.labels(PLATFORM).set(1)

    async def _resume(self, row: InboxRow) -> None:
        """Answer what is due in the inbox, as soon as a slot is free."""
        await self._slots.acquire()
        task = asyncio.create_task(self._retry(row))
        self._work.add(task)
        task.add_done_callback(partial(self._done, row.key))

    async def _retry(self, row: InboxRow) -> None:
        with self.at_work():
            if "token" in row.reference:
                await self.interactions.retry(row.key, row.reference)
            else:
                await self.messages.retry(row.key, row.reference, again=row.attempts > 0)

    def _done(self, key: Key, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        self._slots.release()
        self.services.inbox.release(key)  # it may have been cancelled before it started


class ShardedPhotoClient(PhotoClient, discord.AutoShardedClient):
    """The same client over several connections, for a bot in thousands of servers."""

    def __init__(
        self,
        photos: Photos,
        services: Services,
        *,
        message_content: bool,
        shards: Shards,
        turns: Turns,
    ) -> None:
        """Prepare the connections; see `PhotoClient`."""
        super().__init__(
            photos, services, message_content=message_content, shards=shards, turns=turns
        )
        self.shard_ids = list(shards.ids)

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect a shard in its turn.

        Only then is it connected: a connection on which nobody reads while it waits would end. The
        first one's turn was taken before.
        """
        if not initial:
            await self.turns.take(shard_id)
        await super().launch_shard(gateway, shard_id, initial=True)

    async def on_connect(self) -> None:
        """Start: the gateway has accepted a shard; `on_shard_connect` looks for what it missed."""
        self._begin()

    async def on_shard_connect(self, shard_id: int) -> None:
        """Look for what the shard missed: a new session repeats nothing from before."""
        self.messages.backfill.request(shard_id)
