"""What is set in each chat, kept across restarts in an sqlite file."""

import sqlite3
from pathlib import Path

from bot.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    auto INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID;
"""


class ChatSettings(Database):
    """The settings of all chats."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        super().__init__(path, SCHEMA)

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Say whether every photo of a chat is captioned."""
        query = "SELECT auto FROM chats WHERE platform = ? AND chat = ?"
        rows = await self.run(lambda db: db.execute(query, (platform, str(chat))).fetchall())
        return bool(rows and rows[0][0])

    async def all_auto(self, platform: str) -> list[str]:
        """Return the chats of which every photo is captioned."""
        query = "SELECT chat FROM chats WHERE platform = ? AND auto"
        rows = await self.run(lambda db: db.execute(query, (platform,)).fetchall())
        return [chat for (chat,) in rows]

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Have every photo of a chat captioned, or only those that are asked for."""
        change = "INSERT OR REPLACE INTO chats VALUES (?, ?, ?)"
        await self.run(lambda db: db.execute(change, (platform, str(chat), int(on))))

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Take a chat's settings to its new id; what the new one has already stays."""
        copy = "INSERT OR IGNORE INTO chats SELECT platform, ?, auto FROM chats WHERE {}"
        where = "platform = ? AND chat = ?"

        def change(db: sqlite3.Connection) -> None:
            db.execute(copy.format(where), (str(new), platform, str(old)))
            db.execute(f"DELETE FROM chats WHERE {where}", (platform, str(old)))

        await self.run(change)
