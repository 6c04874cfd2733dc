"""The turns in which shards begin their sessions: new connections to the gateway.

A shard's lane is its number modulo `max_concurrency`. Discord lets one shard of each lane begin
every five seconds: https://discord.com/developers/docs/events/gateway#rate-limiting

discord.py 2.7 does not read `max_concurrency`: the shards of a process begin one after the other,
five seconds apart, and it knows nothing of the shards of other processes.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import structlog

from bot.discord.identity import PLATFORM
from bot.store.errors import DatabaseError

log = structlog.stdlib.get_logger(__name__)

SECONDS = 5.5  # Discord's five, and half a second by which a network may delay a shard

# Keeps other processes out of a lane while its context is open. It waits until the lane is free, or
# raises DatabaseError if that cannot be known. Cancellation ends the wait and frees the lane.
Lane = Callable[[int], AbstractAsyncContextManager[object]]


def unshared(lane: int) -> AbstractAsyncContextManager[None]:
    """Keep nobody out: this process is the only one, or the others start at another time."""
    return nullcontext()


class Turns:
    """The lanes; each lets one shard of this process begin at a time."""

    def __init__(self, max_concurrency: int = 1, shared: Lane = unshared) -> None:
        """Open the lanes.

        Args:
            max_concurrency: their number, as `/gateway/bot` has it.
            shared: keeps other processes out of a lane.
        """
        self._lanes = [asyncio.Lock() for _ in range(max_concurrency)]
        self._shared = shared
        self._taken: set[asyncio.Task[None]] = set()

    async def take(self, shard: int) -> None:
        """Return when a shard may begin; its lane stays closed to others for some seconds.

        Without the database that processes share, a shard begins at once: if two begin together,
        Discord refuses one of them, which tries again.
        """
        begin = asyncio.Event()
        turn = asyncio.create_task(self._take(shard % len(self._lanes), begin))
        self._taken.add(turn)
        turn.add_done_callback(self._taken.discard)
        try:
            await begin.wait()
        except asyncio.CancelledError:
            turn.cancel()
            raise

    async def close(self) -> None:
        """Open all lanes to others; nobody may wait for a turn any more."""
        turns = list(self._taken)
        for turn in turns:
            turn.cancel()
        await asyncio.gather(*turns, return_exceptions=True)

    async def _take(self, lane: int, begin: asyncio.Event) -> None:
        async with self._lanes[lane]:
            try:
                async with self._shared(lane):
                    begin.set()
                    await asyncio.sleep(SECONDS)
            except DatabaseError as error:
                log.warning(
                    "shards of other processes may connect at the same time",
                    platform=PLATFORM,
                    reason=str(error),
                )
                if not begin.is_set():
                    begin.set()
                    await asyncio.sleep(SECONDS)
            finally:
                begin.set()
