"""What is set in each chat, kept across restarts in an sqlite file; no other thing is kept."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS chats (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    auto INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID
"""


class ChatsError(ValueError):
    """A file that cannot be used; the message names it and the reason."""


class Chats:
    """The settings of all chats; every method works off the event loop."""

    def __init__(self, path: Path) -> None:
        """Name the file; it is made when first opened."""
        self.path = path
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            ChatsError: it cannot be made or read.
        """
        try:
            await asyncio.to_thread(self._open)
        except (OSError, sqlite3.Error) as error:
            raise ChatsError(f"{self.path}: cannot be used ({error})") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        await asyncio.to_thread(self._connection.close)

    async def auto(self, platform: str, chat: str | int) -> bool:
        """Say whether every photo of a chat is captioned."""
        query = "SELECT auto FROM chats WHERE platform = ? AND chat = ?"
        rows = await self._run(lambda db: db.execute(query, (platform, str(chat))).fetchall())
        return bool(rows and rows[0][0])

    async def set_auto(self, platform: str, chat: str | int, on: bool) -> None:
        """Have every photo of a chat captioned, or only those that are asked for."""
        change = "INSERT OR REPLACE INTO chats VALUES (?, ?, ?)"
        await self._run(lambda db: db.execute(change, (platform, str(chat), int(on))))

    async def move(self, platform: str, old: str | int, new: str | int) -> None:
        """Take a chat's settings to its new id; what the new one has already stays."""
        copy = "INSERT OR IGNORE INTO chats SELECT platform, ?, auto FROM chats WHERE {}"
        where = "platform = ? AND chat = ?"

        def change(db: sqlite3.Connection) -> None:
            db.execute(copy.format(where), (str(new), platform, str(old)))
            db.execute(f"DELETE FROM chats WHERE {where}", (platform, str(old)))

        await self._run(change)

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self.path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        with self._connection:
            self._connection.execute(SCHEMA)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            with self._lock, self._connection:
                return work(self._connection)

        return await asyncio.to_thread(locked)
