"""Photos that were sent while the bot was away, found in the history of watched channels."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import repeat

import discord
import structlog

from bot import logs
from bot.discord.errors import DISCORD_ERRORS, REFUSED, reason
from bot.discord.identity import PLATFORM, Place, place_of
from bot.discord.incoming import Incoming, embeds_only
from bot.discord.photos import pictures_of
from bot.discord.shards import Shards
from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox

log = structlog.stdlib.get_logger(__name__)

MAX_MESSAGES = 500  # read of one channel's history; Discord returns up to 100 per request
# Before the last read message. The bot may have ended after it read a link, and before Discord
# embedded what is behind it.
REREAD_SECONDS = 60
RETRY_SECONDS = 60.0  # before a channel that could not be read is tried again
LOST_SECONDS = 5.0  # before a shared database that is lost is tried again

CaptionsAll = Callable[[Place], Awaitable[bool]]
Record = Callable[[Incoming], Awaitable[bool]]


class Backfill:
    """Knows the watched channels, and the last message that was read in each.

    After a short break the gateway repeats what was missed; after a longer one it repeats nothing.
    Until a channel is backfilled, its last read message advances only in memory, not in the inbox:
    after a crash the gap must still be known.

    Of a bot with several shards, each process backfills only the channels of its own shards. So the
    inbox names their channels with the server, whose id determines the shard.
    """

    def __init__(
        self,
        client: discord.Client,
        shards: Shards,
        inbox: Inbox,
        hours: float,
        captions_all: CaptionsAll,
        record: Record,
    ) -> None:
        """Backfill for a client.

        Args:
            client: reads the channels.
            shards: those whose channels are read.
            inbox: keeps the last read message of each channel.
            hours: the age up to which a message is read.
            captions_all: returns whether everything in a place is captioned.
            record: records a missed message in the inbox; returns False if it needs no answer or
                was recorded before.
        """
        self.client, self.shards, self.inbox, self.hours = client, shards, inbox, hours
        self.captions_all, self.record = captions_all, record
        self._watched: dict[int, int | None] = {}  # and their servers; None if private or unknown
        self._pending: dict[int, int] = {}  # last read message of channels not backfilled yet
        self._requested = asyncio.Event()

    async def load(self) -> None:
        """Load the channels that were watched before."""
        # Rows from a time when the bot had one shard name no servers: shard 0 reads those.
        names = [_parsed(chat) for chat in await self.inbox.rows.last_read(PLATFORM)]
        servers = {channel: guild for channel, guild in names if guild is not None}
        for channel, _ in names:
            guild = servers.get(channel)
            if self.shards.of_guild(guild) in self.shards.ids:
                self._watched[channel] = guild

    def watches(self, channel: int) -> bool:
        """Return whether a channel is watched."""
        return channel in self._watched

    async def mark_read(self, channel: int, message: int, guild: int | None) -> None:
        """Note that every message up to this one is recorded or needs no answer.

        The channel, of a server or in private, is watched from then on.
        """
        self._watched[channel] = guild
        if channel in self._pending:
            self._pending[channel] = max(self._pending[channel], message)
        else:
            await self._store(channel, message)

    async def unwatch(self, channel: int) -> None:
        """Stop watching a channel."""
        guild = self._watched.pop(channel, None)
        self._pending.pop(channel, None)
        for chat in {str(channel), _named(channel, guild)}:
            await self.inbox.rows.forget_chat(PLATFORM, chat)

    def request(self, shard: int | None = None) -> None:
        """Request a backfill of a shard's channels, or of all: a new session repeats nothing."""
        for channel, guild in self._watched.items():
            if shard is None or self.shards.of_guild(guild) == shard:
                self._pending[channel] = 0
        self._requested.set()

    async def run(self) -> None:
        """Backfill each time it is requested, until cancelled."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            try:
                rows = await self.inbox.rows.last_read(PLATFORM)
                await self._backfill(sorted(self._pending), _by_channel(rows))
            except DatabaseError as error:
                if not self.inbox.shared:
                    raise
                log.warning("missed photos are looked for later", reason=str(error))
                await asyncio.sleep(LOST_SECONDS)
                self._requested.set()
                continue
            if self._pending:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._requested.wait(), RETRY_SECONDS)
                self._requested.set()

    async def _backfill(self, channels: Iterable[int], last_read: Mapping[int, int]) -> None:
        oldest = datetime.fromtimestamp(time.time() - self.hours * 3600, UTC)
        since = discord.utils.time_snowflake(oldest)
        for channel in channels:
            with logs.about(PLATFORM, channel):
                try:
                    last = await self._read(channel, max(last_read.get(channel, 0), since))
                except REFUSED as error:
                    log.info("channel no longer watched", reason=reason(error))
                    await self.unwatch(channel)
                except DISCORD_ERRORS as error:
                    log.warning("channel history unavailable", reason=reason(error))
                else:
                    if self._requested.is_set():
                        return  # more messages may have been missed since it was read
                    newest = max(last, self._pending.pop(channel, 0))
                    if newest:
                        await self._store(channel, newest)

    async def _read(self, channel: int, since: int) -> int:
        """Record what was missed in a channel; return the last message read, or 0."""
        earlier = max(0, since - (REREAD_SECONDS * 1000 << 22))  # an id holds milliseconds
        history = self.client.get_partial_messageable(channel).history(
            limit=MAX_MESSAGES, after=discord.Object(earlier), oldest_first=True
        )
        read = [message async for message in history]
        messages = [one for one in read if one.id > since or embeds_only(one)]
        pictures = [pictures_of(message) for message in messages]
        if not any(pictures):
            return messages[-1].id if messages else 0
        # Only now is it worth a request to learn whether the channel is private or a thread.
        place = place_of(await self.client.fetch_channel(channel))
        if not await self.captions_all(place):
            await self.unwatch(channel)
            return 0
        missed = map(Incoming, messages, repeat(place), pictures)
        recorded = sum([await self.record(incoming) for incoming in missed])
        if recorded:
            log.info("missed photos found", messages=recorded)
        if len(read) == MAX_MESSAGES:
            log.warning("channel history cut short", messages=MAX_MESSAGES)
        return messages[-1].id

    async def _store(self, channel: int, message: int) -> None:
        guild = self._watched.get(channel) if self.shards.count > 1 else None
        await self.inbox.rows.mark_read(PLATFORM, _named(channel, guild), message)


def _named(channel: int, guild: int | None) -> str:
    """Return the name of a channel in the inbox."""
    return str(channel) if guild is None else f"{guild}/{channel}"


def _parsed(chat: str) -> tuple[int, int | None]:
    """Return the channel and the server of a name in the inbox."""
    guild, _, channel = chat.rpartition("/")
    return int(channel), int(guild) if guild else None


def _by_channel(rows: Mapping[str, int]) -> dict[int, int]:
    last: dict[int, int] = {}
    for chat, message in rows.items():
        channel, _ = _parsed(chat)
        last[channel] = max(last.get(channel, 0), message)
    return last
