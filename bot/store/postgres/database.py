"""A PostgreSQL database that several bots share; connections that break are restored."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, LiteralString, Self

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import AsyncConnectionPool

from bot.store.errors import DatabaseError
from bot.store.postgres.errors import (
    NO_ADDRESS,
    NO_MACHINE,
    database_error,
    refusal,
    without_password,
)
from bot.store.postgres.migrations import MIGRATIONS, applied, migrate
from bot.store.postgres.requirements import Connection, verify, verify_rights

log = structlog.stdlib.get_logger(__name__)

PROGRAM = "photo-captioner"  # as pg_stat_activity shows it
MOST_CONNECTIONS = 8  # of one bot; a server takes 100 unless told otherwise
START_SECONDS = 60.0  # to bring the tables up to date, or to wait for a bot that does
CONNECT_SECONDS = 5  # that one attempt to connect may take
# To wait for a connection from the pool. A command on Discord must be acknowledged within three
# seconds, so a database that is known to be lost may cost no more than a moment.
WAIT_SECONDS, LOST_WAIT_SECONDS = 2.0, 0.2
RECONNECT_SECONDS = 5.0  # of attempts in the background; the next statement has them begin again
STATEMENT_SECONDS = 10.0  # the longest that any statement here may take
# A connection whose server fell silent ends after 20 seconds or so, less than a lease, unless
# DATABASE_URL says otherwise: https://www.postgresql.org/docs/current/libpq-connect.html
SILENCE = {
    "keepalives_idle": 10,  # seconds, like the next
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}


class Database:
    """The connections of one bot; each statement is a transaction of its own."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """Name the database, and say whether it is only read.

        Args:
            url: as postgresql://user:password@host:port/name.
            read_only: change nothing, and take a database without tables for an empty one.
        """
        self.place = without_password(url)
        self.read_only = read_only
        self.lost: str | None = None  # why the last statement failed; None if it did not
        self.empty = False  # there are no tables, and none are made
        self._url = url
        self._options: dict[str, Any] = {}
        self._checking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, and bring the tables up to date.

        Raises:
            DatabaseError: it cannot be used, or is not the bot's.
        """
        logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # we say it once, and plainly
        try:
            self._options = self._settings()
        except psycopg.ProgrammingError:  # it holds the password
            raise refusal(self.place, NO_ADDRESS) from None
        async with self._connected() as connection:
            if self.read_only:
                self.empty = await applied(connection, self.place) is None
            else:
                await migrate(connection, self.place)
        self._pool = AsyncConnectionPool[Connection](
            self._url,
            kwargs=self._options,
            min_size=1,
            max_size=MOST_CONNECTIONS,
            reconnect_timeout=RECONNECT_SECONDS,
            open=False,
        )
        await self._pool.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        if self._checking is not None:
            self._checking.cancel()
        await self._pool.close()

    async def check(self, *, feedback: bool) -> None:
        """Verify that a bot could use the database; change nothing.

        Args:
            feedback: whether the bot collects feedback.

        Raises:
            DatabaseError: it could not.
        """
        async with self._connected() as connection:
            done = await applied(connection, self.place)
            current = done == len(MIGRATIONS)
            await verify(connection, self.place, tables=done is not None, current=current)
            if current:
                await verify_rights(connection, self.place, feedback=feedback)

    async def connect(self) -> Connection:
        """Open a connection of its own, for what takes long; raises `psycopg.Error`."""
        return await AsyncConnection.connect(self._url, **self._options)

    async def run(
        self, statement: LiteralString, parameters: Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run one statement, which is durable when this returns; return its rows.

        Raises:
            DatabaseError: the database cannot be reached, or refuses.
        """
        return await self.run_in_order((statement, parameters or {}))

    async def run_in_order(
        self, *statements: tuple[LiteralString, Mapping[str, Any]]
    ) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; return the rows of the last one.

        Raises:
            DatabaseError: the database cannot be reached, or refuses.
        """
        if self.empty:
            return []
        wait = WAIT_SECONDS if self.lost is None else LOST_WAIT_SECONDS
        try:
            async with (
                asyncio.timeout(STATEMENT_SECONDS),
                self._pool.connection(wait) as connection,
            ):
                if len(statements) == 1 and not self.read_only:
                    rows = await _rows(connection, *statements[0])
                else:
                    async with connection.transaction():
                        if self.read_only:
                            await connection.execute("SET TRANSACTION READ ONLY")
                        for statement in statements:
                            rows = await _rows(connection, *statement)
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise self._failed(error) from None
        if self.lost is not None:
            self.lost = None
            log.info("the database is back", database=self.place)
        return rows

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        """Open a connection for what a start needs; raises `DatabaseError`."""
        try:
            async with asyncio.timeout(START_SECONDS), await self.connect() as connection:
                yield connection
        except UnicodeError:  # a part of the machine's name is empty, or longer than names can be
            raise refusal(self.place, NO_MACHINE) from None
        except (psycopg.Error, OSError) as error:
            raise database_error(self.place, error) from None

    def _failed(self, error: Exception) -> DatabaseError:
        said = database_error(self.place, error)
        if isinstance(error, psycopg.OperationalError | TimeoutError | OSError):
            if self.lost is None:
                log.error("the database is lost", reason=str(said))
                # The other connections are likely to be broken too; those that are get replaced.
                self._checking = asyncio.create_task(self._pool.check())
            self.lost = str(said)
        return said

    def _settings(self) -> dict[str, Any]:
        given = conninfo_to_dict(self._url)
        defaults = {**SILENCE, "connect_timeout": CONNECT_SECONDS, "application_name": PROGRAM}
        return {
            **{key: value for key, value in defaults.items() if key not in given},
            "autocommit": True,
            "client_encoding": "UTF8",  # whatever the environment says
            # No statement relies on an earlier one of its connection: a pooler can stand between.
            "prepare_threshold": None,
        }


async def _rows(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchall() if cursor.description else []
