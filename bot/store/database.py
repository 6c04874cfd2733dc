"""A small SQLite file that outlives the process, used off the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class DatabaseError(ValueError):
    """The file cannot be used; the message names it and the reason."""


class Database:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path, schema: str) -> None:
        """Name the file, which is created when first opened, and its tables."""
        self.path = path
        self.schema = schema
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            DatabaseError: it cannot be created or read.
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
        """Do some work in one transaction, which is on the disk when this returns.

        Raises:
            sqlite3.Error: the file cannot be read or written.
        """

        def locked() -> T:
            with self._lock, self._connection:
                return work(self._connection)

        return await asyncio.to_thread(locked)

    def _close(self) -> None:
        with self._lock:  # a thread may still work for a task that was cancelled
            self._connection.close()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # no other user may read it
        self._connection = sqlite3.connect(self.path, check_same_thread=False)
        try:
            self._prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            connection.executescript(self.schema)
