"""What was accepted and is not answered yet, in an sqlite file, so that a restart loses nothing.

A message is recorded before its platform may forget it, answered, and marked as answered after the
platform has taken the answer. InboxRows hold what is needed to find a photo again, never the photo,
and of an answered one only its key is left, by which the same message is known if it comes again.
"""

import asyncio
import itertools
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from bot import logs, metrics
from bot.store.inbox_rows import STATES, InboxRow, InboxRows, Key

log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE = 10.0  # seconds before the second attempt
GROWTH = 4  # each further pause is so many times as long: five attempts last 14 minutes
LOOK_SECONDS = 2.0  # between two looks for what is due again
COUNT_SECONDS = 10.0  # between two counts for the metrics
SWEEP_LOOKS = 360  # counts between two sweeps, about an hour


class Hopeless(Exception):
    """Another attempt would change nothing; the message is for the operator's log."""

    def __init__(self, message: str, *, apologize: bool = False) -> None:
        """Keep the message, and whether the person can and should be told."""
        super().__init__(message)
        self.apologize = apologize


class NotYet(Exception):
    """The platform wants a pause; the message is for the operator's log."""

    def __init__(self, message: str, seconds: float) -> None:
        """Keep the message, and how long the pause is."""
        super().__init__(message)
        self.seconds = seconds


class Inbox(InboxRows):
    """The messages of all platforms."""

    def __init__(self, path: Path, max_attempts: int = 5, keep_days: float = 7) -> None:
        """Name the file.

        Args:
            path: of the file.
            max_attempts: how often a message is tried before it is given up.
            keep_days: after which answered and given up messages are forgotten.
        """
        super().__init__(path)
        self.max_attempts = max_attempts
        self.keep_seconds = keep_days * 86_400
        self._in_hand: set[Key] = set()

    async def accept(self, key: Key, reference: Any) -> bool:
        """Record a message; when this returns it is on the disk, and in this process's hands.

        Args:
            key: what it is known by.
            reference: by which the adapter finds it again, as JSON can hold it.

        Returns:
            False if it was recorded before: then it is or will be answered elsewhere.
        """
        if key in self._in_hand:
            return False
        self._in_hand.add(key)  # before it is there, so that nobody else finds it due
        new = False
        try:
            new = await self.add(key, reference)
        finally:
            if not new:
                self._in_hand.discard(key)
        return new

    async def due(self, platform: str) -> list[InboxRow]:
        """Take what is open and due, and not in this process's hands, oldest first."""
        held = set(self._in_hand)  # what is answered meanwhile may still be found open
        found = await self.open_now(platform)
        held |= self._in_hand
        rows = [row for row in found if row.key not in held]
        self._in_hand.update(row.key for row in rows)
        return rows

    async def resume(self, platform: str, again: Callable[[InboxRow], Awaitable[None]]) -> None:
        """Give an adapter whatever is due, first what was left open, until this is cancelled."""
        while True:
            rows = await self.due(platform)
            try:
                while rows:
                    await again(rows[0])
                    del rows[0]
            finally:
                for row in rows:
                    self.release(row.key)
            await asyncio.sleep(LOOK_SECONDS)

    async def handle(
        self,
        key: Key,
        answer: Callable[[], Awaitable[None]],
        apologize: Callable[[], Awaitable[None]],
    ) -> None:
        """Try to answer a message that is in hand, once; nothing but cancellation is raised.

        Args:
            key: of the message.
            answer: returns when the platform has taken the answer.
            apologize: is called instead of a further attempt, when the last one has failed.
        """
        with logs.about(key.platform, key.chat):
            try:
                await self._handle(key, answer, apologize)
            except sqlite3.Error as error:  # it stays open, and is due again
                log.error("inbox cannot be written", reason=str(error))
            finally:
                self._in_hand.discard(key)

    def release(self, key: Key) -> None:
        """Give a message out of this process's hands unanswered; it is due again."""
        self._in_hand.discard(key)

    async def tend(self) -> None:
        """Count what there is for the metrics, and sweep now and then, until cancelled."""
        for look in itertools.count():
            try:
                if look % SWEEP_LOOKS == 0:
                    await self.sweep(self.keep_seconds)
                counts = await self.counts()
                for state in STATES:
                    metrics.INBOX_MESSAGES.labels(state).set(counts.get(state, 0))
            except sqlite3.Error as error:
                log.warning("inbox cannot be tended", reason=str(error))
            await asyncio.sleep(COUNT_SECONDS)

    async def _handle(
        self,
        key: Key,
        answer: Callable[[], Awaitable[None]],
        apologize: Callable[[], Awaitable[None]],
    ) -> None:
        # Counted before it is made: a photo that ends the process must not do so for ever.
        attempt = await self.begin(key)
        if attempt > self.max_attempts:
            await self._give_up(key, "the process ended at each attempt", apologize)
            return
        try:
            await answer()
        except Hopeless as error:
            await self._give_up(key, str(error), apologize if error.apologize else None)
        except Exception as error:
            await self._failed(key, error, attempt, apologize)
        else:
            await self.settle(key, "answered")

    async def _failed(
        self, key: Key, error: Exception, attempt: int, apologize: Callable[[], Awaitable[None]]
    ) -> None:
        if attempt >= self.max_attempts:
            await self._give_up(key, _said(error), apologize)
            return
        wanted = error.seconds if isinstance(error, NotYet) else 0.0
        pause = max(FIRST_PAUSE * GROWTH ** (attempt - 1), wanted)
        log.warning("attempt failed", attempt=attempt, reason=_said(error), pause=pause)
        await self.postpone(key, pause, _said(error))

    async def _give_up(
        self, key: Key, reason: str, apologize: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        # That a chat is closed to the bot is nothing that an operator could change.
        level = logging.INFO if apologize is None else logging.WARNING
        log.log(level, "message given up", reason=reason)
        if apologize is not None:
            try:
                await apologize()
            except Exception as error:
                log.warning("apology failed", reason=_said(error))
        await self.settle(key, "given up", reason)


def _said(error: Exception) -> str:
    if isinstance(error, Hopeless | NotYet):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
