"""A small sqlite file that outlives the process, worked on off the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class DatabaseError(ValueError):
    """A file that cannot be used; the message names it and the reason."""


class Database:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path, schema: str) -> None:
        """Name the file, which is made when first opened, and the tables that it holds."""
        self.path = path
        self.schema = schema
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            DatabaseError: it cannot be made or read.
        """
        try:
            await asyncio.to_thread(self._open)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseError(f"{self.path}: cannot be used ({error})") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        await asyncio.to_thread(self._close)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work in one transaction, which is on the disk when this returns."""

        def locked() -> T:
            with self._lock, self._connection:
                return work(self._connection)

        return await asyncio.to_thread(locked)

    def _close(self) -> None:
        with self._lock:  # work goes on in its thread when whoever waited for it was cancelled
            self._connection.close()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # chats are nobody else's business
        self._connection = sqlite3.connect(self.path, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._connection:
            self._connection.executescript(self.schema)
