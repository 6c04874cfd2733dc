"""Albums: Telegram sends their photos one by one, with no end mark.

With a webhook they may reach several bots. The store leaves the later ones to the bot that has the
first, which fetches them before it treats the album as complete.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from telegram import Message

from bot.store.inbox import NotYet

ALBUM_SECONDS = 1.0  # an album is complete when this long no photo has joined it

Fetch = Callable[[Message], Awaitable[bool]]


async def nothing_elsewhere(message: Message) -> bool:
    """Return False: no other bot receives messages of an album."""
    return False


@dataclass
class _Album:
    messages: list[Message]
    last: float  # when its newest message arrived, on the loop's clock
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None  # why it was not answered


class Albums:
    """Albums that are still arriving, or that are being answered."""

    def __init__(self, fetch: Fetch = nothing_elsewhere) -> None:
        """Start with none.

        Args:
            fetch: has the messages of an album processed that other bots received; returns whether
                there were any.
        """
        self.fetch = fetch
        self._open: dict[tuple[int, str], _Album] = {}

    @asynccontextmanager
    async def complete(self, message: Message) -> AsyncIterator[list[Message]]:
        """Wait for the other messages of an album.

        Yields:
            All its messages in order, for the one that arrived first. The others get an empty list
            when the first one's context ends, and fail if it failed: all are answered, or none. A
            message outside an album comes back at once.
        """
        if not message.media_group_id:
            yield [message]
            return
        loop, key = asyncio.get_running_loop(), (message.chat.id, message.media_group_id)
        if album := self._open.get(key):
            album.messages.append(message)
            album.last = loop.time()
            await album.done.wait()
            if album.error:
                raise album.error
            yield []
            return
        album = self._open[key] = _Album([message], loop.time())
        try:
            try:
                while (pause := album.last + ALBUM_SECONDS - loop.time()) > 0:
                    await asyncio.sleep(pause)
                    if loop.time() >= album.last + ALBUM_SECONDS and await self.fetch(message):
                        album.last = loop.time()
            finally:
                del self._open[key]
            yield sorted(album.messages, key=lambda message: message.message_id)
        except BaseException as error:
            cancelled = NotYet("the album's answer was cancelled", 0.0)
            album.error = error if isinstance(error, Exception) else cancelled
            raise
        finally:
            album.done.set()
