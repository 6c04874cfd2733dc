"""The settings of each chat, kept across restarts in an SQLite file."""

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
APPLICATION = int.from_bytes(b"PCst")  # any number that no other program has
KEY = "platform = ? AND chat = ?"


class ChatSettings(Database):
    """The settings of all chats."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Name the file, and say whether it is only read."""
        super().__init__(path, SCHEMA, APPLICATION, read_only=read_only)

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Return whether every photo of a chat is captioned."""
        query = f"SELECT auto FROM chats WHERE {KEY}"
        rows = await self.run(lambda db: db.execute(query, (platform, str(chat))).fetchall())
        return bool(rows and rows[0][0])

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Set whether every photo of a chat is captioned, or only on request."""
        change = "INSERT OR REPLACE INTO chats VALUES (?, ?, ?)"
        await self.run(lambda db: db.execute(change, (platform, str(chat), int(on))))

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Move a chat's settings to its new id, unless that has settings already."""
        copy = f"INSERT OR IGNORE INTO chats SELECT platform, ?, auto FROM chats WHERE {KEY}"
        delete = f"DELETE FROM chats WHERE {KEY}"

        def move(db: sqlite3.Connection) -> None:
            db.execute(copy, (str(new), platform, str(old)))
            db.execute(delete, (platform, str(old)))

        await self.run(move)
