"""What can be wrong with the database DATABASE_URL, and what helps."""

import re

import psycopg
from psycopg import errors

from bot.store.errors import DatabaseError

NO_ADDRESS = "the driver does not understand this address; correct DATABASE_URL"
NO_MACHINE = "there is no such machine; correct DATABASE_URL"
UNREACHABLE = "it cannot be reached"
SLOW = "it did not answer in time; see what keeps it busy"
# What PostgreSQL says before there is a connection, which has no code then.
CONNECTING = {
    "password authentication failed": "the name or the password is wrong; correct DATABASE_URL",
    "no password supplied": "it requires a password; put it into DATABASE_URL, or into ~/.pgpass",
    "no pg_hba.conf entry": "no rule of its pg_hba.conf allows this user from this machine",
    "permission denied for database": "the user may not connect to it; grant it that right",
    'role "': "there is no such user; create it, or correct DATABASE_URL",
    'database "': "there is no such database; create it, or correct DATABASE_URL",
    "too many clients": "it has no free connection; raise its max_connections, or run fewer bots",
    "connection slots": "it has no free connection; raise its max_connections, or run fewer bots",
    "resolve host": NO_MACHINE,
    "translate host name": NO_MACHINE,
}
CODES: dict[type[psycopg.Error], str] = {
    errors.InsufficientPrivilege: "the user may not do that; grant it the rights to the schema",
    errors.ReadOnlySqlTransaction: "it is read-only, as a standby is; name the primary server",
    errors.DiskFull: "its disk is full; free some space on it",
    errors.UndefinedTable: "a table of the bot is gone; restore a copy, or start the bot again",
    errors.UndefinedFunction: "a function of the bot is gone; restore a copy",
}


def without_password(url: str) -> str:
    """Return the address of a database without password and parameters, so it can be shown."""
    before, at, after = url.partition("?")[0].rpartition("@")
    user = re.fullmatch(r"(\w+://[^:]*).*", before)
    return f"{user[1] if user else ''}{at}{after}"


def database_error(place: str, error: BaseException) -> DatabaseError:
    """Describe what psycopg raised.

    Args:
        place: as `without_password` returns it.
        error: what was raised.
    """
    said = _one_line(error)
    if isinstance(error, TimeoutError):
        return _error(place, SLOW)
    for kind, reason in CODES.items():
        if isinstance(error, kind):
            return _error(place, f"{reason} ({said})")
    if isinstance(error, psycopg.OperationalError | OSError):
        known = [reason for words, reason in CONNECTING.items() if words in _fatal(said)]
        reason = known[0] if known else UNREACHABLE
        return _error(place, f"{reason} ({said})" if said else reason)
    return _error(place, f"it cannot be used ({said})")


def refusal(place: str, reason: str) -> DatabaseError:
    """Return the error of a database that is not, or not yet, the bot's."""
    return _error(place, reason)


def _error(place: str, reason: str) -> DatabaseError:
    return DatabaseError(f"DATABASE_URL: {place}", reason)


def _fatal(said: str) -> str:
    """Return the server's own words where it refused a connection."""
    found = re.search(r"FATAL: +(.*)", said)
    return found[1] if found else said


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line)
