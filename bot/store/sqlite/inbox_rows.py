"""The rows of the inbox in an SQLite file."""

import json
import sqlite3
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from bot.store.inbox_rows import InboxRow, Key, State
from bot.store.sqlite.database import Database

ENTRIES = """
CREATE TABLE IF NOT EXISTS entries (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    message TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    reference TEXT,                    -- JSON; NULL once it is answered
    attempts INTEGER NOT NULL DEFAULT 0,
    accepted REAL NOT NULL,            -- seconds since 1970, like the next two
    due REAL NOT NULL,                 -- when the next attempt may be made
    changed REAL NOT NULL,
    reason TEXT,                       -- why the last attempt failed
    PRIMARY KEY (platform, chat, message)
)
"""
OPEN = "CREATE INDEX IF NOT EXISTS open_entries ON entries (platform, due) WHERE state = 'open'"
SEEN = """
CREATE TABLE IF NOT EXISTS seen (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID
"""
# Answers that may have arrived.
UNCONFIRMED = "ALTER TABLE entries ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0"
# Pictures of a message that parts of its answer were about.
ANSWERED_PICTURES = "ALTER TABLE entries ADD COLUMN answered_pictures INTEGER NOT NULL DEFAULT 0"
APPLICATION = int.from_bytes(b"PCin")  # any number that no other program has
# Seconds. A row that was changed later than this from now is from a clock that was ahead: its time
# would come when that clock's does.
CLOCK_SLACK = 60.0
KEY = "platform = ? AND chat = ? AND message = ?"
COLUMNS = "platform, chat, message, reference, state, attempts, accepted, reason"


def _first(connection: sqlite3.Connection) -> None:
    for statement in (ENTRIES, OPEN, SEEN):
        connection.execute(statement)


def _with_column(connection: sqlite3.Connection, name: str, change: str) -> None:
    # The first releases did not write down which migrations were done.
    columns = {column[1] for column in connection.execute("PRAGMA table_info(entries)")}
    if name not in columns:
        connection.execute(change)


MIGRATIONS = (
    _first,
    partial(_with_column, name="unconfirmed", change=UNCONFIRMED),
    partial(_with_column, name="answered_pictures", change=ANSWERED_PICTURES),
)


class SqliteRows(Database):
    """The messages of all platforms, as `bot.store.inbox_rows.InboxRows`; one bot has the file."""

    lease: float | None = None

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Name the file, and say whether it is only read."""
        super().__init__(path, MIGRATIONS, APPLICATION, read_only=read_only)

    async def add(self, key: Key, reference: Any, group: str | None = None) -> bool:
        """Record a message as open; return False if it was recorded before."""
        change = (
            "INSERT OR IGNORE INTO entries (platform, chat, message, reference, accepted, due, "
            "changed) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        now = time.time()
        values = (*key, json.dumps(reference), now, now, now)
        return await self.run(lambda db: db.execute(change, values).rowcount == 1)

    async def claim(self, platform: str, busy: Collection[Key]) -> list[InboxRow]:
        """Return the messages that may be tried now, except busy ones, oldest first."""
        query = (
            f"SELECT {COLUMNS} FROM entries WHERE platform = ? AND state = 'open' "
            "AND (due <= ? OR changed > ?) ORDER BY accepted"
        )
        now = time.time()
        values = (platform, now, now + CLOCK_SLACK)
        rows = map(_row, await self.run(lambda db: db.execute(query, values).fetchall()))
        return [row for row in rows if row.key not in busy]

    async def extend(self, keys: Collection[Key]) -> set[Key]:
        """Return the messages: no other bot has them."""
        return set(keys)

    async def begin(self, key: Key) -> int | None:
        """Count an attempt; return its number, from 1, or None if the message is not open."""
        where = f"{KEY} AND state = 'open'"
        change = f"UPDATE entries SET attempts = attempts + 1, changed = ? WHERE {where}"
        query = f"SELECT attempts FROM entries WHERE {where}"

        def begin(db: sqlite3.Connection) -> int | None:
            db.execute(change, (time.time(), *key))
            found = db.execute(query, key).fetchone()
            return found[0] if found else None

        return await self.run(begin)

    async def count_unconfirmed(self, key: Key) -> int:
        """Count an answer that may have arrived; return how many there are, from 1."""
        change = f"UPDATE entries SET unconfirmed = unconfirmed + 1, changed = ? WHERE {KEY}"

        def count(db: sqlite3.Connection) -> int:
            db.execute(change, (time.time(), *key))
            return _unconfirmed(db, key)

        return await self.run(count)

    async def unconfirmed(self, key: Key) -> int:
        """Return how many answers to a message may have arrived."""
        return await self.run(lambda db: _unconfirmed(db, key))

    async def note_answered(self, key: Key, pictures: int) -> None:
        """Record how many pictures of a message, from the first, were answered by parts."""
        change = f"UPDATE entries SET answered_pictures = ?, changed = ? WHERE {KEY}"
        await self.run(lambda db: db.execute(change, (pictures, time.time(), *key)))

    async def answered_pictures(self, key: Key) -> int:
        """Return how many pictures of a message were answered by parts of the whole answer."""
        query = f"SELECT answered_pictures FROM entries WHERE {KEY}"
        found = await self.run(lambda db: db.execute(query, key).fetchone())
        return found[0] if found else 0

    async def postpone(self, key: Key, pause: float, reason: str) -> None:
        """Put a message off for `pause` seconds, and record why."""
        change = f"UPDATE entries SET due = ?, changed = ?, reason = ? WHERE {KEY}"
        now = time.time()
        await self.run(lambda db: db.execute(change, (now + pause, now, reason, *key)))

    async def settle(self, key: Key, state: State, reason: str | None = None) -> None:
        """Record a message's final state; only the key of an answered one is kept."""
        keep = "reference" if state == "given up" else "NULL"
        change = (
            f"UPDATE entries SET state = ?, reason = ?, changed = ?, reference = {keep} WHERE {KEY}"
        )
        await self.run(lambda db: db.execute(change, (state, reason, time.time(), *key)))

    async def mark_read(self, platform: str, chat: str | int, message: int) -> None:
        """Record that a chat was read up to a message; an older message changes nothing."""
        change = (
            "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET message = max(message, excluded.message)"
        )
        await self.run(lambda db: db.execute(change, (platform, str(chat), message)))

    async def last_read(self, platform: str) -> dict[str, int]:
        """Return the last read message of each chat."""
        query = "SELECT chat, message FROM seen WHERE platform = ?"
        return dict(await self.run(lambda db: db.execute(query, (platform,)).fetchall()))

    async def forget_chat(self, platform: str, chat: str | int) -> None:
        """Forget which message of a chat was read last."""
        change = "DELETE FROM seen WHERE platform = ? AND chat = ?"
        await self.run(lambda db: db.execute(change, (platform, str(chat))))

    async def having(self, *states: State) -> list[InboxRow]:
        """Return the messages in any of some states, oldest first."""
        query = (
            f"SELECT {COLUMNS} FROM entries WHERE state IN ({', '.join('?' * len(states))}) "
            "ORDER BY accepted"
        )
        return list(map(_row, await self.run(lambda db: db.execute(query, states).fetchall())))

    async def counts(self) -> dict[str, int]:
        """Return how many messages are in each state."""
        query = "SELECT state, count(*) FROM entries GROUP BY state"
        return dict(await self.run(lambda db: db.execute(query).fetchall()))

    async def retry(self, key: Key) -> bool:
        """Reopen a message that was given up; return False if it was not."""
        now = time.time()
        change = (
            "UPDATE entries SET state = 'open', attempts = 0, unconfirmed = 0, due = ?, "
            f"changed = ? WHERE {KEY} AND state = 'given up'"
        )
        return await self.run(lambda db: db.execute(change, (now, now, *key)).rowcount == 1)

    async def forget(self, key: Key) -> bool:
        """Forget a message that was given up; return False if it was not."""
        change = f"DELETE FROM entries WHERE {KEY} AND state = 'given up'"
        return await self.run(lambda db: db.execute(change, key).rowcount == 1)

    async def sweep(self, seconds: float) -> int:
        """Forget messages answered or given up more than `seconds` ago; return their number."""
        change = "DELETE FROM entries WHERE state != 'open' AND changed < ?"
        before = time.time() - seconds
        return await self.run(lambda db: db.execute(change, (before,)).rowcount)


def _unconfirmed(db: sqlite3.Connection, key: Key) -> int:
    query = f"SELECT unconfirmed FROM entries WHERE {KEY}"
    number: int = db.execute(query, key).fetchone()[0]
    return number


def _row(columns: tuple[Any, ...]) -> InboxRow:
    platform, chat, message, reference, *rest = columns
    return InboxRow(Key(platform, chat, message), json.loads(reference or "null"), *rest)
