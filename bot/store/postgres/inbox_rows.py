"""The rows of the inbox in a PostgreSQL database, where several bots lease them.

Every time is the database's: the clocks of the bots' machines may differ.
"""

import json
import os
import platform
import secrets
from collections.abc import Collection
from datetime import timedelta
from types import TracebackType
from typing import Any, LiteralString, Self

import structlog

from bot.store.errors import DatabaseError
from bot.store.inbox_rows import InboxRow, Key, State
from bot.store.postgres.database import Database

log = structlog.stdlib.get_logger(__name__)

# Seconds after which another bot takes over the messages of a bot that died. It is several times as
# long as a server takes to restart, because no bot can extend a lease meanwhile.
LEASE = 30.0
# Messages that are claimed at once: as many as an adapter works on. The rest is for other bots.
MOST = 256
KEY: LiteralString = "platform = %(platform)s AND chat = %(chat)s AND message = %(message)s"
COLUMNS: LiteralString = (
    "platform, chat, message, reference, state, attempts, "
    "extract(epoch FROM accepted)::double precision, reason"
)
HELD: LiteralString = "owner = %(owner)s, held_until = now() + %(lease)s"
MINE: LiteralString = "state = 'open' AND owner = %(owner)s"
KEYS: LiteralString = (
    "SELECT * FROM unnest(%(platforms)s::text[], %(chats)s::text[], %(messages)s::text[])"
)
ADD: LiteralString = """
INSERT INTO captioner_inbox (platform, chat, message, reference, album, owner, held_until)
VALUES (%(platform)s, %(chat)s, %(message)s, %(reference)s, %(album)s,
    coalesce(
        (SELECT owner FROM captioner_inbox WHERE platform = %(platform)s AND chat = %(chat)s
            AND album = %(album)s AND state = 'open' AND held_until > clock_timestamp() LIMIT 1),
        %(owner)s
    ),
    clock_timestamp() + %(lease)s)
ON CONFLICT DO NOTHING RETURNING owner = %(owner)s
"""
# Two bots that get photos of one album at once: the second one sees what the first one wrote.
ONE_BY_ONE: LiteralString = (
    "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', %(platform)s::text, "
    "%(chat)s::text, %(album)s::text), 0))"
)
CLAIM: LiteralString = f"""
WITH due AS (
    SELECT platform, chat, message FROM captioner_inbox
    WHERE platform = %(platform)s AND state = 'open' AND due <= now()
        AND (held_until IS NULL OR held_until <= now() OR owner = %(owner)s)
        AND (platform, chat, message) NOT IN ({KEYS})
    ORDER BY accepted LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
UPDATE captioner_inbox AS entry SET {HELD} FROM due
WHERE (entry.platform, entry.chat, entry.message) = (due.platform, due.chat, due.message)
RETURNING {", ".join("entry." + name for name in ("platform", "chat", "message"))},
    reference, state, attempts, extract(epoch FROM accepted)::double precision, reason
"""


class PostgresRows:
    """The messages of all platforms, as `bot.store.inbox_rows.InboxRows`."""

    def __init__(self, database: Database, lease: float | None = None) -> None:
        """Use the tables of an open database.

        Args:
            database: holds the tables.
            lease: seconds; `LEASE` if it is None.
        """
        lease = LEASE if lease is None else lease
        self.database = database
        self.lease: float | None = lease
        # An operator recognizes the process by it; the random part tells it from one that died.
        self.owner = f"{platform.node()} {os.getpid()} {secrets.token_hex(4)}"
        self._mine = {"owner": self.owner, "lease": timedelta(seconds=lease)}

    async def __aenter__(self) -> Self:
        """Return the rows: the database is open."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the leases back, so that other bots need not wait until they run out."""
        if self.database.read_only:
            return
        change: LiteralString = f"UPDATE captioner_inbox SET held_until = NULL WHERE {MINE}"
        try:
            await self.database.run(change, self._mine)
        except DatabaseError as error:
            log.warning("leases run out instead of ending now", reason=str(error))

    async def add(self, key: Key, reference: Any, group: str | None = None) -> bool:
        """Record a message as open; return whether this bot is to answer it now."""
        values = {**key._asdict(), **self._mine, "album": group, "reference": json.dumps(reference)}
        if group is None:
            added = await self.database.run(ADD, values)
        else:
            added = await self.database.run_in_order((ONE_BY_ONE, values), (ADD, values))
        return added == [(True,)]

    async def claim(self, platform: str, busy: Collection[Key]) -> list[InboxRow]:
        """Lease the messages that may be tried now, except busy ones; return them, oldest first."""
        values = {**_columns(busy), **self._mine, "platform": platform, "most": MOST}
        rows = map(_row, await self.database.run(CLAIM, values))
        return sorted(rows, key=lambda row: row.accepted)

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        """Prolong the leases of some messages; return those that are this bot's, and open."""
        change: LiteralString = (
            f"UPDATE captioner_inbox SET {HELD} WHERE {MINE} "
            f"AND (platform, chat, message) IN ({KEYS}) RETURNING platform, chat, message"
        )
        found = await self.database.run(change, {**_columns(keys), **self._mine})
        return {Key(*columns) for columns in found}

    async def begin(self, key: Key) -> int | None:
        """Count an attempt; return its number, from 1, or None if it is not this bot's to make."""
        change: LiteralString = (
            f"UPDATE captioner_inbox SET attempts = attempts + 1, changed = now(), {HELD} "
            f"WHERE {KEY} AND {MINE} RETURNING attempts"
        )
        return _only(await self.database.run(change, {**key._asdict(), **self._mine}))

    async def count_unconfirmed(self, key: Key) -> int:
        """Count an answer that may have arrived; return how many there are, from 1."""
        change: LiteralString = (
            "UPDATE captioner_inbox SET unconfirmed = unconfirmed + 1, changed = now() "
            f"WHERE {KEY} RETURNING unconfirmed"
        )
        return _only(await self.database.run(change, key._asdict())) or 0

    async def unconfirmed(self, key: Key) -> int:
        """Return how many answers to a message may have arrived."""
        query: LiteralString = f"SELECT unconfirmed FROM captioner_inbox WHERE {KEY}"
        return _only(await self.database.run(query, key._asdict())) or 0

    async def note_answered(self, key: Key, pictures: int) -> None:
        """Record how many pictures of a message, from the first, were answered by parts."""
        # What this bot said is said, even if another bot has the message by now.
        change: LiteralString = (
            "UPDATE captioner_inbox SET answered_pictures = %(pictures)s, changed = now() "
            f"WHERE {KEY}"
        )
        await self.database.run(change, {**key._asdict(), "pictures": pictures})

    async def answered_pictures(self, key: Key) -> int:
        """Return how many pictures of a message were answered by parts of the whole answer."""
        query: LiteralString = f"SELECT answered_pictures FROM captioner_inbox WHERE {KEY}"
        return _only(await self.database.run(query, key._asdict())) or 0

    async def postpone(self, key: Key, pause: float, reason: str) -> None:
        """Put a message off for `pause` seconds, and record why; any bot may have it then."""
        change: LiteralString = (
            "UPDATE captioner_inbox SET due = now() + %(pause)s, changed = now(), "
            f"reason = %(reason)s, held_until = NULL WHERE {KEY} AND {MINE}"
        )
        values = {"pause": timedelta(seconds=pause), "reason": as_text(reason)}
        await self.database.run(change, {**key._asdict(), **self._mine, **values})

    async def settle(self, key: Key, state: State, reason: str | None = None) -> None:
        """Record a message's final state; only the key of an answered one is kept."""
        # What this bot answered is answered, even if another bot has the message by now.
        change: LiteralString = (
            "UPDATE captioner_inbox SET state = %(state)s, reason = %(reason)s, changed = now(), "
            "owner = NULL, held_until = NULL, "
            "reference = CASE WHEN %(state)s = 'given up' THEN reference END "
            f"WHERE {KEY} AND (state = 'open' OR %(state)s = 'answered')"
        )
        values = {"state": state, "reason": None if reason is None else as_text(reason)}
        await self.database.run(change, {**key._asdict(), **values})

    async def mark_read(self, platform: str, chat: str | int, message: int) -> None:
        """Record that a chat was read up to a message; an older message changes nothing."""
        change: LiteralString = (
            "INSERT INTO captioner_read AS known VALUES (%(platform)s, %(chat)s, %(message)s) "
            "ON CONFLICT (platform, chat) DO UPDATE SET message = excluded.message "
            "WHERE known.message < excluded.message"
        )
        values = {"platform": platform, "chat": str(chat), "message": message}
        await self.database.run(change, values)

    async def last_read(self, platform: str) -> dict[str, int]:
        """Return the last read message of each chat."""
        query: LiteralString = (
            "SELECT chat, message FROM captioner_read WHERE platform = %(platform)s"
        )
        return dict(await self.database.run(query, {"platform": platform}))

    async def forget_chat(self, platform: str, chat: str | int) -> None:
        """Forget which message of a chat was read last."""
        change: LiteralString = (
            "DELETE FROM captioner_read WHERE platform = %(platform)s AND chat = %(chat)s"
        )
        await self.database.run(change, {"platform": platform, "chat": str(chat)})

    async def having(self, *states: State) -> list[InboxRow]:
        """Return the messages in any of some states, oldest first."""
        query: LiteralString = (
            f"SELECT {COLUMNS} FROM captioner_inbox WHERE state = ANY(%(states)s) ORDER BY accepted"
        )
        return [
            _row(columns) for columns in await self.database.run(query, {"states": list(states)})
        ]

    async def counts(self) -> dict[str, int]:
        """Return how many messages are in each state."""
        query: LiteralString = "SELECT state, count(*) FROM captioner_inbox GROUP BY state"
        return dict(await self.database.run(query))

    async def retry(self, key: Key) -> bool:
        """Reopen a message that was given up; return False if it was not."""
        change: LiteralString = (
            "UPDATE captioner_inbox SET state = 'open', attempts = 0, unconfirmed = 0, "
            f"due = now(), changed = now() WHERE {KEY} AND state = 'given up' RETURNING true"
        )
        return bool(await self.database.run(change, key._asdict()))

    async def forget(self, key: Key) -> bool:
        """Forget a message that was given up; return False if it was not."""
        change: LiteralString = (
            f"DELETE FROM captioner_inbox WHERE {KEY} AND state = 'given up' RETURNING true"
        )
        return bool(await self.database.run(change, key._asdict()))

    async def sweep(self, seconds: float) -> int:
        """Forget messages answered or given up more than `seconds` ago; return their number."""
        change: LiteralString = (
            "DELETE FROM captioner_inbox WHERE state <> 'open' AND changed < now() - %(age)s "
            "RETURNING true"
        )
        swept = len(await self.database.run(change, {"age": timedelta(seconds=seconds)}))
        # With them goes what was counted towards a rate and is needed for none any more.
        await self.database.run("DELETE FROM captioner_spent WHERE over < now()")
        return swept


def _columns(keys: Collection[Key]) -> dict[str, list[str]]:
    return {
        "platforms": [key.platform for key in keys],
        "chats": [key.chat for key in keys],
        "messages": [key.message for key in keys],
    }


def _only(rows: list[tuple[Any, ...]]) -> int | None:
    return int(rows[0][0]) if rows else None


def _row(columns: tuple[Any, ...]) -> InboxRow:
    platform, chat, message, reference, *rest = columns
    return InboxRow(Key(platform, chat, message), json.loads(reference or "null"), *rest)


def as_text(said: str) -> str:
    """Return text as PostgreSQL takes it: in UTF-8, without the character of number 0."""
    return said.encode("utf-8", "replace").decode().replace("\0", "")
