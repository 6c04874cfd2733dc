"""What a bot needs of its database, asked before it changes anything: at its start, and by --check.

A user who may not create tables can run a bot all the same, once another has made them.
"""

from typing import Any, LiteralString

from psycopg import AsyncConnection

from bot.store.postgres.errors import READ_ONLY, refusal

Connection = AsyncConnection[tuple[Any, ...]]

NO_UTF8 = (
    "its encoding is {}, which cannot store every language; create another database with ENCODING "
    "'UTF8' TEMPLATE template0"
)
NO_SCHEMA = (
    "the user may use no schema of its search_path; create one, grant USAGE on it, or correct "
    "DATABASE_URL"
)
NO_CREATE = (
    "the user may not create tables in its schema {0}; grant CREATE ON SCHEMA {0}, or make it the "
    "owner of the database"
)
NOT_OWNER = "the user must own its table {} to bring it up to date; start a bot as the owner first"
NO_RIGHT = "the user lacks a right to its table {1}; grant {0} ON {1}"

ASKED: LiteralString = """
SELECT current_setting('server_encoding'), current_setting('transaction_read_only') = 'on',
    current_schema(), has_schema_privilege(current_schema(), 'CREATE')
"""
OF_OTHERS: LiteralString = """
SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = current_schema() AND relname LIKE 'captioner\\_%' AND relkind IN ('r', 'p')
    AND NOT pg_has_role(relowner, 'USAGE')
ORDER BY relname
"""
MISSING: LiteralString = """
SELECT "right", name FROM unnest(%(names)s::text[], %(rights)s::text[]) AS needed (name, "right")
WHERE NOT has_table_privilege(name, "right") ORDER BY name, "right"
"""
ALL = ("SELECT", "INSERT", "UPDATE", "DELETE")
RIGHTS = {
    "captioner_inbox": ALL,
    "captioner_read": ALL,
    "captioner_chats": ALL,
    "captioner_spent": ("SELECT", "INSERT", "DELETE"),
}
FEEDBACK_RIGHTS = {"captioner_feedback": ALL}


async def verify(connection: Connection, place: str, *, tables: bool, current: bool) -> None:
    """Verify that a database takes what a bot writes, and any tables that it still must make.

    Args:
        connection: to the database, as the bot's user.
        place: as `bot.store.postgres.errors.without_password` returns it.
        tables: whether there are tables of the bot.
        current: whether they are up to date.

    Raises:
        DatabaseError: it does not.
        psycopg.Error: the database cannot be used.
    """
    [(encoding, read_only, schema, may_create)] = await _rows(connection, ASKED)
    if encoding != "UTF8":
        raise refusal(place, NO_UTF8.format(encoding))
    if read_only:
        raise refusal(place, READ_ONLY)
    if schema is None:
        raise refusal(place, NO_SCHEMA)
    if current:
        return
    if not may_create:
        raise refusal(place, NO_CREATE.format(schema))
    if tables and (others := await _rows(connection, OF_OTHERS)):
        raise refusal(place, NOT_OWNER.format(others[0][0]))


async def verify_rights(connection: Connection, place: str, *, feedback: bool) -> None:
    """Verify that the user may read and write tables that are up to date.

    Args:
        connection: as for `verify`, like the next.
        place: for the error.
        feedback: whether the bot collects feedback.

    Raises:
        DatabaseError: the user may not.
        psycopg.Error: the database cannot be used, or a table is gone.
    """
    needed = RIGHTS | (FEEDBACK_RIGHTS if feedback else {})
    pairs = [(name, right) for name, rights in needed.items() for right in rights]
    names, rights = map(list, zip(*pairs, strict=True))
    missing = await _rows(connection, MISSING, {"names": names, "rights": rights})
    if missing:
        raise refusal(place, NO_RIGHT.format(*missing[0]))


async def _rows(
    connection: Connection, query: LiteralString, values: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query, values)).fetchall()
