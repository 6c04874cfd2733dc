"""What people said about captions, in an SQLite file."""

import sqlite3
import time
from pathlib import Path

from bot.store import feedback_rows
from bot.store.feedback_rows import FeedbackRow
from bot.store.sqlite.database import Database

FEEDBACK = """
CREATE TABLE IF NOT EXISTS feedback (
    number INTEGER PRIMARY KEY,        -- the later, the higher
    key BLOB NOT NULL UNIQUE,          -- of the photo and the caption
    photo TEXT NOT NULL,               -- the SHA-256 of its bytes
    caption TEXT NOT NULL,
    language TEXT NOT NULL,
    verdict TEXT NOT NULL,
    correction TEXT,
    given REAL NOT NULL                -- seconds since 1970
)
"""
MIGRATIONS = (lambda db: db.execute(FEEDBACK),)
APPLICATION = int.from_bytes(b"PCfb")  # any number that no other program has
COLUMNS = "photo, caption, language, verdict, correction, given"
# A row that replaces another gets a number of its own.
PUT = f"INSERT OR REPLACE INTO feedback (key, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
TRIM = (
    "DELETE FROM feedback WHERE number <= "
    "(SELECT number FROM feedback ORDER BY number DESC LIMIT 1 OFFSET ?)"
)


class SqliteFeedback(Database):
    """What people said, as `bot.store.feedback_rows.FeedbackRows`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Name the file, and say whether it is only read."""
        super().__init__(path, MIGRATIONS, APPLICATION, read_only=read_only)

    async def put(self, row: FeedbackRow) -> None:
        """Record what was said; it replaces what was said of that photo and caption before."""
        said = (row.photo, row.caption, row.language, row.verdict, row.correction, time.time())

        def put(db: sqlite3.Connection) -> None:
            number = db.execute(PUT, (row.key, *said)).lastrowid or 0
            if number % feedback_rows.TRIMMED_EVERY == 0:
                db.execute(TRIM, (feedback_rows.MOST,))

        await self.run(put)

    async def withdraw(self, photo: str, caption: str) -> None:
        """Forget what was said of a caption of a photo."""
        change = "DELETE FROM feedback WHERE key = ?"
        key = feedback_rows.key(photo, caption)
        await self.run(lambda db: db.execute(change, (key,)))

    async def all(self) -> list[FeedbackRow]:
        """Return every row, oldest first."""
        query = f"SELECT {COLUMNS} FROM feedback ORDER BY number"
        rows = await self.run(lambda db: db.execute(query).fetchall())
        return [FeedbackRow(*row) for row in rows]

    async def forget(self, photo: str | None = None) -> int:
        """Forget what was said of a photo, or everything; return the number of rows."""
        change = "DELETE FROM feedback WHERE ?1 IS NULL OR photo = ?1"
        return await self.run(lambda db: db.execute(change, (photo,)).rowcount)
