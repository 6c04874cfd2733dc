"""Photos that came while nobody listened: how far each chat was seen, and the look back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import repeat

import discord
import structlog

from bot import logs
from bot.discord.errors import REFUSED, TROUBLE, reason
from bot.discord.identity import PLATFORM, Place, place_of
from bot.discord.incoming import Incoming
from bot.discord.photos import pictures_of
from bot.store.inbox import Inbox

log = structlog.stdlib.get_logger(__name__)

MOST = 500  # messages of one channel that are looked at; Discord hands out 100 at once
RETRY_SECONDS = 60.0  # after which a channel that could not be read is tried again

Watch = Callable[[Place], Awaitable[bool]]
Record = Callable[[Incoming], Awaitable[bool]]


class Missed:
    """Knows the chats to look back in, and the newest message seen in each.

    The gateway repeats what a short break missed, and nothing after a longer one. While a channel
    is to be looked back in, its mark stays where it is: what came since is known only here.
    """

    def __init__(
        self, client: discord.Client, inbox: Inbox, hours: float, watch: Watch, record: Record
    ) -> None:
        """Look back for a client.

        Args:
            client: reads the channels.
            inbox: keeps the marks.
            hours: how old a message may be.
            watch: says whether every photo of a place is captioned.
            record: puts a message that was missed on the disk; returns False if that is not to be,
                or was done before.
        """
        self.client, self.inbox, self.hours = client, inbox, hours
        self.watch, self.record = watch, record
        self._watched: set[int] = set()
        self._newest: dict[int, int] = {}  # of the channels that are yet to be looked back in
        self._begun = asyncio.Event()

    async def load(self) -> None:
        """Find out which chats were watched before."""
        self._watched = {int(chat) for chat in await self.inbox.seen(PLATFORM)}

    def watches(self, channel: int) -> bool:
        """Say whether a channel is looked back in."""
        return channel in self._watched

    async def saw(self, channel: int, message: int) -> None:
        """Note that all messages of a channel up to this one are on the disk, or nobody's matter.

        From the first time on the channel is watched.
        """
        self._watched.add(channel)
        if channel in self._newest:
            self._newest[channel] = max(self._newest[channel], message)
        else:
            await self.inbox.saw(PLATFORM, channel, message)

    async def forget(self, channel: int) -> None:
        """Watch a channel no more."""
        self._watched.discard(channel)
        self._newest.pop(channel, None)
        await self.inbox.forget_chat(PLATFORM, channel)

    def begin(self) -> None:
        """Hold all marks, as a session of the gateway begins that repeats nothing."""
        self._newest = dict.fromkeys(self._watched, 0)
        self._begun.set()

    async def look_back(self) -> None:
        """Look back each time that it was begun, until this is cancelled."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            marks = await self.inbox.seen(PLATFORM)
            await self._look_into(sorted(self._newest), marks)
            if self._newest:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._begun.wait(), RETRY_SECONDS)
                self._begun.set()

    async def _look_into(self, channels: Iterable[int], marks: dict[str, int]) -> None:
        oldest = datetime.fromtimestamp(time.time() - self.hours * 3600, UTC)
        since = discord.utils.time_snowflake(oldest)
        for channel in channels:
            with logs.about(PLATFORM, channel):
                try:
                    last = await self._look(channel, max(marks.get(str(channel), 0), since))
                except REFUSED as error:
                    log.info("a chat is watched no more", reason=reason(error))
                    await self.forget(channel)
                except TROUBLE as error:
                    log.warning("a chat cannot be looked back in", reason=reason(error))
                else:
                    if self._begun.is_set():
                        return  # more may have been missed since it was read
                    newest = max(last, self._newest.pop(channel, 0))
                    if newest:
                        await self.inbox.saw(PLATFORM, channel, newest)

    async def _look(self, channel: int, since: int) -> int:
        """Record what was missed; return the last message that was looked at, if any."""
        history = self.client.get_partial_messageable(channel).history(
            limit=MOST, after=discord.Object(since), oldest_first=True
        )
        messages = [message async for message in history]
        carried = [pictures_of(message) for message in messages]
        if not any(carried):
            return messages[-1].id if messages else 0
        # Only now is it worth a request to know if it is private, or a thread, and whose.
        place = place_of(await self.client.fetch_channel(channel))
        if not await self.watch(place):
            await self.forget(channel)
            return 0
        incoming = map(Incoming, messages, repeat(place), carried)
        found = sum([await self.record(one) for one in incoming])
        if found:
            log.info("photos were missed", messages=found)
        if len(messages) == MOST:
            log.warning("more was missed than is looked at", messages=MOST)
        return messages[-1].id
