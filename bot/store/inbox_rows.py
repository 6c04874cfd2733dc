"""The rows of the inbox: each message's state, and the last read message of each chat."""

from collections.abc import Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol, Self

State = Literal["open", "answered", "given up"]
STATES: tuple[State, ...] = ("open", "answered", "given up")


class Key(NamedTuple):
    """What identifies a message."""

    platform: str
    chat: str
    message: str


@dataclass(frozen=True)
class InboxRow:
    """One message."""

    key: Key
    reference: Any  # JSON, to find the message again; None once it is answered
    state: State
    attempts: int
    accepted: float  # seconds since 1970
    reason: str | None


class InboxRows(Protocol):
    """The messages of all platforms: in a file of this bot's, or in a database of several bots.

    What several bots share has leases. A row that a bot adds or claims is its own for `lease`
    seconds, and for as many more from each `begin` and `extend`; then another bot may claim it.
    Each method but `__aexit__` raises `DatabaseError` if the store cannot be used.
    """

    lease: float | None  # seconds; None if no other bot uses the rows

    async def __aenter__(self) -> Self:
        """Open the store."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the leases back, and close the store."""

    async def add(self, key: Key, reference: Any, group: str | None = None) -> bool:
        """Record a message as open; return whether this bot is to answer it now.

        It is not if the message was recorded before, or if another bot has an open message of the
        same group of that chat: then that bot is to answer both.
        """

    async def claim(self, platform: str, busy: Collection[Key]) -> list[InboxRow]:
        """Lease the messages that may be tried now, except busy ones; return them, oldest first."""

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        """Prolong the leases of some messages; return those that are this bot's, and open."""

    async def begin(self, key: Key) -> int | None:
        """Count an attempt; return its number, from 1, or None if it is not this bot's to make."""

    async def count_unconfirmed(self, key: Key) -> int:
        """Count an answer that may have arrived; return how many there are, from 1."""

    async def unconfirmed(self, key: Key) -> int:
        """Return how many answers to a message may have arrived."""

    async def note_answered(self, key: Key, pictures: int) -> None:
        """Record how many pictures of a message, from the first, were answered by parts."""

    async def answered_pictures(self, key: Key) -> int:
        """Return how many pictures of a message were answered by parts of the whole answer."""

    async def postpone(self, key: Key, pause: float, reason: str) -> None:
        """Put a message off for `pause` seconds, and record why; any bot may have it then."""

    async def settle(self, key: Key, state: State, reason: str | None = None) -> None:
        """Record a message's final state; only the key of an answered one is kept."""

    async def mark_read(self, platform: str, chat: str | int, message: int) -> None:
        """Record that a chat was read up to a message; an older message changes nothing."""

    async def last_read(self, platform: str) -> dict[str, int]:
        """Return the last read message of each chat."""

    async def forget_chat(self, platform: str, chat: str | int) -> None:
        """Forget which message of a chat was read last."""

    async def having(self, *states: State) -> list[InboxRow]:
        """Return the messages in any of some states, oldest first."""

    async def counts(self) -> dict[str, int]:
        """Return how many messages are in each state."""

    async def retry(self, key: Key) -> bool:
        """Reopen a message that was given up; return False if it was not."""

    async def forget(self, key: Key) -> bool:
        """Forget a message that was given up; return False if it was not."""

    async def sweep(self, seconds: float) -> int:
        """Forget messages answered or given up more than `seconds` ago; return their number."""
