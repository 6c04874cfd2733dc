"""Lanes in which several bots take turns."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import LiteralString

import psycopg

from bot.store.postgres.database import Database
from bot.store.postgres.errors import database_error

# Any number that no other program has: advisory locks are the whole database's.
LANES = int.from_bytes(b"PCl\0")
TAKE: LiteralString = "SELECT pg_advisory_xact_lock(%s, %s)"  # ends with its transaction


def lanes(database: Database) -> Callable[[int], AbstractAsyncContextManager[None]]:
    """Return a function that keeps other bots out of a lane while its context is open.

    It waits until the lane is free, however long, and raises `DatabaseError` if that cannot be
    known. The lane is free again when the context ends or the bot dies.
    """

    @asynccontextmanager
    async def lane(number: int) -> AsyncIterator[None]:
        try:
            # A connection of its own: those of the pool are for what is quick.
            async with await database.connect() as connection, connection.transaction():
                await connection.execute(TAKE, (LANES, number))
                yield
        except (psycopg.Error, OSError) as error:
            raise database_error(database.place, error) from None

    return lane
