"""What people said about captions, in a PostgreSQL database; the times are the database's."""

from typing import Any, LiteralString

from bot.store import feedback_rows
from bot.store.feedback_rows import FeedbackRow
from bot.store.postgres.database import Database

# A row that replaces another gets a number of its own.
PUT: LiteralString = """
INSERT INTO captioner_feedback (key, photo, caption, language, verdict, correction)
VALUES (%(key)s, %(photo)s, %(caption)s, %(language)s, %(verdict)s, %(correction)s)
ON CONFLICT (key) DO UPDATE SET number = excluded.number, language = excluded.language,
    verdict = excluded.verdict, correction = excluded.correction, given = excluded.given
RETURNING number
"""
TRIM: LiteralString = """
DELETE FROM captioner_feedback WHERE number <= (
    SELECT number FROM captioner_feedback ORDER BY number DESC LIMIT 1 OFFSET %(most)s
)
"""
WITHDRAW: LiteralString = "DELETE FROM captioner_feedback WHERE key = %(key)s"
ALL: LiteralString = """
SELECT photo, caption, language, verdict, correction, extract(epoch FROM given)::float8
FROM captioner_feedback ORDER BY number
"""
FORGET: LiteralString = """
DELETE FROM captioner_feedback WHERE %(photo)s::text IS NULL OR photo = %(photo)s RETURNING true
"""


class PostgresFeedback:
    """What people said, as `bot.store.feedback_rows.FeedbackRows`."""

    def __init__(self, database: Database) -> None:
        """Use the tables of an open database."""
        self.database = database

    async def put(self, row: FeedbackRow) -> None:
        """Record what was said; it replaces what was said of that photo and caption before."""
        said: dict[str, Any] = {
            "key": row.key,
            "photo": row.photo,
            "caption": row.caption,
            "language": row.language,
            "verdict": row.verdict,
            "correction": row.correction,
        }
        [(number,)] = await self.database.run(PUT, said)
        if number % feedback_rows.TRIMMED_EVERY == 0:
            await self.database.run(TRIM, {"most": feedback_rows.MOST})

    async def withdraw(self, photo: str, caption: str) -> None:
        """Forget what was said of a caption of a photo."""
        await self.database.run(WITHDRAW, {"key": feedback_rows.key(photo, caption)})

    async def all(self) -> list[FeedbackRow]:
        """Return every row, oldest first."""
        return [FeedbackRow(*row) for row in await self.database.run(ALL)]

    async def forget(self, photo: str | None = None) -> int:
        """Forget what was said of a photo, or everything; return the number of rows."""
        return len(await self.database.run(FORGET, {"photo": photo}))
