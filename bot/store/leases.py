"""The leases of the messages in work, where several bots share the rows of an inbox."""

import asyncio
from collections.abc import Callable

from bot.store.errors import DatabaseError
from bot.store.inbox_rows import InboxRows, Key

# How often a lease is extended before it would run out. An attempt is cancelled one such part of
# the lease before its end, so that it is over when another bot may have the message.
EXTENSIONS = 6


class Leases:
    """Has each attempt end before another bot may have its message."""

    def __init__(self, rows: InboxRows) -> None:
        """Start with no attempt."""
        self.rows = rows
        self._attempts: dict[Key, asyncio.Timeout] = {}

    async def begin(self, key: Key, attempt: asyncio.Timeout) -> int | None:
        """Begin an attempt, which ends with its lease.

        Returns:
            its number, from 1, or None if it is not this bot's to make.

        Raises:
            DatabaseError: the rows cannot be used.
        """
        until = self._deadline()
        number = await self.rows.begin(key)
        if number is not None:
            attempt.reschedule(until)
            self._attempts[key] = attempt
        return number

    def end(self, key: Key) -> None:
        """Note that an attempt has ended, if there was one."""
        self._attempts.pop(key, None)

    async def keep(self, keys: Callable[[], set[Key]]) -> None:
        """Extend the leases of some messages again and again, until cancelled.

        Args:
            keys: returns those that need one now.
        """
        while self.rows.lease is not None:
            await asyncio.sleep(self.rows.lease / EXTENSIONS)
            wanted, until = keys(), self._deadline()
            try:
                held = await self.rows.extend(wanted) if wanted else set()
            except DatabaseError:
                continue  # each attempt ends with its lease
            for key in wanted & self._attempts.keys():
                if not self._attempts[key].expired():
                    self._attempts[key].reschedule(until if key in held else 0.0)

    def _deadline(self) -> float | None:
        """Return when an attempt must end if its lease begins now, on the loop's clock."""
        if self.rows.lease is None:
            return None
        return asyncio.get_running_loop().time() + self.rows.lease * (1 - 1 / EXTENSIONS)
