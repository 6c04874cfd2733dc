"""A small SQLite file that outlives the process, used off the event loop."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bot.store.errors import DatabaseError
from bot.store.sqlite.errors import database_error

T = TypeVar("T")
Migration = Callable[[sqlite3.Connection], object]

# Of the files; the first releases wrote none. Migrations only add tables and columns, so an earlier
# version can use the file too: this number changes when that is no longer so.
VERSION = 1
# How many migrations a file has had. Files of version 0.2 and earlier lack the table.
MIGRATED = "CREATE TABLE IF NOT EXISTS migrations (number INTEGER NOT NULL)"
FOREIGN = "it belongs to another program; move it away, or set another DATA_DIR"
NEWER = "a newer version of the bot wrote it; install that version, or set another DATA_DIR"


class Database:
    """One connection, used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        migrations: Sequence[Migration],
        application: int,
        *,
        read_only: bool = False,
    ) -> None:
        """Describe the file.

        Args:
            path: of the file, which is created when first opened.
            migrations: make its tables, each once, in this order. Files of versions that counted
                none may have had some, so the first ones make only what is missing.
            application: the number by which the file is recognized.
            read_only: change nothing, and take a file that does not exist for an empty one.
        """
        self.path = path
        self.migrations = migrations
        self.application = application
        self.read_only = read_only
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            DatabaseError: it cannot be created or read, or is not the bot's.
        """
        try:
            await asyncio.to_thread(self._open)
        except (OSError, sqlite3.Error) as error:
            raise database_error(self.path, error) from error
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
            DatabaseError: the file cannot be read or written.
        """

        def locked() -> T:
            try:
                with self._lock, self._connection:
                    return work(self._connection)
            except sqlite3.Error as error:
                raise database_error(self.path, error) from error

        return await asyncio.to_thread(locked)

    def _close(self) -> None:
        with self._lock:  # a thread may still work for a task that was cancelled
            self._connection.close()

    def _open(self) -> None:
        self._connection = self._connect()
        try:
            self._recognize(self._connection)
            if not self.read_only:
                self._prepare(self._connection)
        except BaseException:
            self._connection.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        if not self.read_only:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # no other user may read it
            return sqlite3.connect(self.path, check_same_thread=False)
        if self.path.exists() and self.path.stat().st_size:
            address = f"{self.path.absolute().as_uri()}?mode=ro"
            return sqlite3.connect(address, uri=True, check_same_thread=False)
        empty = sqlite3.connect(":memory:", check_same_thread=False)
        self._prepare(empty)
        return empty

    def _recognize(self, connection: sqlite3.Connection) -> None:
        """Raise `DatabaseError` if the file is another program's, or a newer version's."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application == self.application:
            if version > VERSION:
                raise DatabaseError(self.path, NEWER)
        elif application or version or not self._has_our_tables_only(connection):
            raise DatabaseError(self.path, FOREIGN)

    def _has_our_tables_only(self, connection: sqlite3.Connection) -> bool:
        with closing(sqlite3.connect(":memory:")) as ours:
            self._migrate(ours)
            known = _columns(ours)
        return _columns(connection) <= known

    def _prepare(self, connection: sqlite3.Connection) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        self._migrate(connection)
        with connection:
            if connection.execute("PRAGMA application_id").fetchone() != (self.application,):
                connection.execute(f"PRAGMA application_id = {self.application}")
                connection.execute(f"PRAGMA user_version = {VERSION}")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("BEGIN IMMEDIATE")  # of two that open the file, one waits
            connection.execute(MIGRATED)
            (done,) = connection.execute(
                "SELECT coalesce(max(number), 0) FROM migrations"
            ).fetchone()
            for number, migrate in enumerate(self.migrations[done:], done + 1):
                migrate(connection)
                connection.execute("INSERT INTO migrations VALUES (?)", (number,))


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    query = (
        "SELECT tables.name, columns.name FROM sqlite_schema AS tables, "
        "pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'"
    )
    return set(connection.execute(query))
