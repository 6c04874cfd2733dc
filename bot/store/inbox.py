"""The inbox: messages that were accepted and are not answered yet, so that a restart loses none.

A message is recorded before its platform may forget it, answered, and marked as answered once the
platform has the answer. A row holds what is needed to find the photo again, never the photo. Only
the key of an answered message is kept, to recognize the message if it comes again.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import structlog

from bot import logs, metrics
from bot.store.errors import DatabaseError
from bot.store.inbox_rows import STATES, InboxRow, InboxRows, Key, State
from bot.store.leases import Leases

log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE = 10.0  # seconds before the second attempt
GROWTH = 4  # each pause is four times the last: five attempts take 14 minutes
# Before an answer that may have arrived is sent once more. By then a slow platform has shown the
# first, and a broken one works again.
UNCONFIRMED_PAUSE = 180.0
MAX_UNCONFIRMED = 2  # answers to one message that may have arrived: one is repeated once
POLL_SECONDS = 2.0  # between two queries for messages that are due again
COUNT_SECONDS = 10.0  # between two counts for the metrics
COUNTS_PER_SWEEP = 360  # about an hour


class Hopeless(Exception):
    """Another attempt cannot succeed; the error's message is for the operator's log."""

    def __init__(self, message: str, *, apologize: bool = False) -> None:
        """Keep the message, and whether the person gets an apology."""
        super().__init__(message)
        self.apologize = apologize


class NotYet(Exception):
    """Another attempt may succeed; the error's message is for the operator's log."""

    def __init__(self, message: str, seconds: float) -> None:
        """Keep the message, and the seconds for which the platform wants no attempt."""
        super().__init__(message)
        self.seconds = seconds


class Unconfirmed(Exception):
    """The answer may have arrived; the error's message is for the operator's log."""


class Inbox:
    """The messages of all platforms, and what becomes of them; several bots may share the rows."""

    def __init__(self, rows: InboxRows, max_attempts: int = 5, keep_days: float = 7) -> None:
        """Handle the messages of some rows.

        Args:
            rows: where the messages are kept.
            max_attempts: attempts before a message is given up.
            keep_days: days after which answered and given-up messages are forgotten.
        """
        self.rows = rows
        self.max_attempts = max_attempts
        self.keep_seconds = keep_days * 86_400
        self._in_flight: set[Key] = set()
        self._leases = Leases(rows)
        self._unrecorded: dict[Key, tuple[State, str | None]] = {}  # final states
        self._answered: dict[Key, int] = {}  # of messages whose answers have arrived in part

    async def __aenter__(self) -> Self:
        """Open the rows; raises `DatabaseError` if they cannot be used."""
        await self.rows.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the rows."""
        await self.rows.__aexit__(kind, error, trace)

    @property
    def shared(self) -> bool:
        """Whether other bots have messages of the same rows."""
        return self.rows.lease is not None

    async def accept(self, key: Key, reference: Any, group: str | None = None) -> bool:
        """Record a message; when this returns, it is on the disk and in flight.

        In flight means that this process is about to handle it, and `due` does not return it.

        Args:
            key: identifies the message.
            reference: what the adapter needs to find it again; it must be JSON.
            group: what messages of a chat that are answered together have in common.

        Returns:
            False if it was recorded before, or if another bot has some of its group: then another
            task, here or there, answers it, now or later.
        """
        if key in self._in_flight:
            return False
        self._in_flight.add(key)  # before it is recorded, so that `due` never returns it
        new = False
        try:
            new = await self.rows.add(key, reference, group)
        finally:
            if not new:
                self._in_flight.discard(key)
        return new

    async def due(self, platform: str) -> list[InboxRow]:
        """Put the messages that are due in flight, and return them, oldest first.

        Raises:
            DatabaseError: the file cannot be read, or a final state cannot be recorded.
        """
        for key, (state, reason) in list(self._unrecorded.items()):
            await self.rows.settle(key, state, reason)
            self._unrecorded.pop(key, None)
        # A message that is answered while the rows are read may still be among them as open: it is
        # busy. One that is accepted meanwhile may be among them too.
        found = await self.rows.claim(platform, frozenset(self._in_flight))
        rows = [row for row in found if row.key not in self._in_flight]
        self._in_flight.update(row.key for row in rows)
        return rows

    async def resume(self, platform: str, retry: Callable[[InboxRow], Awaitable[None]]) -> None:
        """Pass each message to an adapter when it is due again, until cancelled.

        The first ones are those that an earlier process left open.

        Raises:
            DatabaseError: a store of this bot's own cannot be used. A shared one is waited for: it
                is likely to come back by itself, and the connection to the platform is kept.
        """
        while True:
            try:
                await self.hand_out(platform, retry)
            except DatabaseError:
                if not self.shared:
                    raise
            await asyncio.sleep(POLL_SECONDS)

    async def hand_out(self, platform: str, retry: Callable[[InboxRow], Awaitable[None]]) -> None:
        """Pass each message that is due now to an adapter."""
        rows = await self.due(platform)
        try:
            while rows:
                await retry(rows[0])
                del rows[0]
        finally:
            for row in rows:
                self.release(row.key)

    async def handle(
        self,
        key: Key,
        answer: Callable[[], Awaitable[None]],
        apologize: Callable[[], Awaitable[None]],
    ) -> None:
        """Make one attempt to answer a message in flight; only cancellation is raised.

        Args:
            key: of the message.
            answer: returns once the platform has the answer.
            apologize: called when the message is given up.
        """
        with logs.about(key.platform, key.chat):
            try:
                async with asyncio.timeout(None) as running:
                    await self._handle(key, running, answer, apologize)
            except DatabaseError as error:  # the message stays open and due
                log.error("inbox cannot be written", reason=str(error))
            except TimeoutError:  # another bot has it now, or soon
                log.warning("attempt cancelled: the message's lease could not be extended")
            finally:
                self._in_flight.discard(key)
                self._leases.end(key)

    async def answered_pictures(self, key: Key) -> int:
        """Return how many pictures of a message have their answers, from the first.

        An answer in several parts may have arrived in part.

        Raises:
            DatabaseError: it cannot be read now.
        """
        return max(self._answered.get(key, 0), await self.rows.answered_pictures(key))

    async def note_answered(self, key: Key, pictures: int) -> None:
        """Record how many pictures of a message have their answers, before the next part is sent.

        If it cannot be recorded, it is known until the process ends, and the next part is sent.
        """
        self._answered[key] = pictures
        try:
            await self.rows.note_answered(key, pictures)
        except DatabaseError as error:
            log.error("inbox cannot be written", reason=str(error))

    async def settle(self, key: Key, state: State, reason: str | None = None) -> None:
        """Record a message's final state; if that fails, `due` does it, before it returns any.

        A message that was answered while the disk was full is so not answered again.

        Raises:
            DatabaseError: it cannot be recorded now.
        """
        self._unrecorded[key] = state, reason  # also if this is cancelled, as at the lease's end
        if state == "answered":
            self._answered.pop(key, None)
        await self.rows.settle(key, state, reason)
        self._unrecorded.pop(key, None)

    def release(self, key: Key) -> None:
        """Take a message out of flight unanswered; it is due again."""
        self._in_flight.discard(key)

    async def tend(self) -> None:
        """Extend the leases, count the messages and sweep old ones, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._count())
            group.create_task(self._leases.keep(lambda: self._in_flight | self._unrecorded.keys()))

    async def _count(self) -> None:
        for turn in itertools.count():
            try:
                if turn % COUNTS_PER_SWEEP == 0:
                    await self.rows.sweep(self.keep_seconds)
                counts = await self.rows.counts()
                for state in STATES:
                    metrics.INBOX_MESSAGES.labels(state).set(counts.get(state, 0))
            except DatabaseError as error:
                log.warning("inbox cannot be read", reason=str(error))
            await asyncio.sleep(COUNT_SECONDS)

    async def _handle(
        self,
        key: Key,
        running: asyncio.Timeout,
        answer: Callable[[], Awaitable[None]],
        apologize: Callable[[], Awaitable[None]],
    ) -> None:
        # The attempt is counted first, so that a photo that kills the process is given up too.
        attempt = await self._leases.begin(key, running)
        if attempt is None:
            log.info("message is answered, or another bot has it")
            return
        if attempt > self.max_attempts:
            await self._give_up(key, "the process ended at each attempt", apologize)
            return
        try:
            await answer()
        except Hopeless as error:
            await self._give_up(key, str(error), apologize if error.apologize else None)
        except Unconfirmed as error:
            await self._not_confirmed(key, str(error), attempt)
        except Exception as error:
            await self._failed(key, error, attempt, apologize)
        else:
            await self.settle(key, "answered")

    async def _failed(
        self, key: Key, error: Exception, attempt: int, apologize: Callable[[], Awaitable[None]]
    ) -> None:
        if attempt >= self.max_attempts:
            await self._give_up(key, _reason(error), apologize)
            return
        wanted = error.seconds if isinstance(error, NotYet) else 0.0
        pause = max(FIRST_PAUSE * GROWTH ** (attempt - 1), wanted)
        log.warning("attempt failed", attempt=attempt, reason=_reason(error), pause=pause)
        await self.rows.postpone(key, pause, _reason(error))

    async def _not_confirmed(self, key: Key, reason: str, attempt: int) -> None:
        answers = await self.rows.count_unconfirmed(key)
        if answers >= MAX_UNCONFIRMED or attempt >= self.max_attempts:
            await self._give_up(key, f"the answer may have arrived: {reason}")
            return
        log.warning("answer may have arrived", reason=reason, pause=UNCONFIRMED_PAUSE)
        await self.rows.postpone(key, UNCONFIRMED_PAUSE, reason)

    async def _give_up(
        self, key: Key, reason: str, apologize: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        # Without an apology, the bot may not write to the chat, and no operator can change that.
        level = logging.INFO if apologize is None else logging.WARNING
        log.log(level, "message given up", reason=reason)
        # An apology under an answer that did arrive would be wrong.
        if apologize is not None and not await self.rows.unconfirmed(key):
            try:
                await apologize()
            except Exception as error:
                log.warning("apology failed", reason=_reason(error))
        await self.settle(key, "given up", reason)


def _reason(error: Exception) -> str:
    if isinstance(error, Hopeless | NotYet):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
