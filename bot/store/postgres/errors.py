"""What can be wrong with the database DATABASE_URL, and what helps."""

import re

import psycopg
from psycopg import errors

from bot.store.errors import DatabaseError

NO_ADDRESS = "the driver does not understand this address; correct DATABASE_URL"
NO_MACHINE = "there is no such machine; correct DATABASE_URL"
UNREACHABLE = "it cannot be reached"
SLOW = "it did not answer in time; see what keeps it busy"
REFUSED = "it refuses the connection"
READ_ONLY = (
    "it is read-only, as a standby is; name the primary server, or switch "
    "default_transaction_read_only off"
)
# What is said before there is a connection, by PostgreSQL and by its library. It has no code then:
# the driver hands on the words alone. Words that are not here are shown as they are.
CONNECTING = {
    "password authentication failed": "the name or the password is wrong; correct DATABASE_URL",
    "no password supplied": "it requires a password; put it into DATABASE_URL, or into ~/.pgpass",
    "no pg_hba.conf entry": "no rule of its pg_hba.conf allows this user from this machine",
    "permission denied for database": "the user may not connect to it; grant it that right",
    'role ".*" does not exist': "there is no such user; create it, or correct DATABASE_URL",
    'database ".*" does not exist': "there is no such database; create it, or correct DATABASE_URL",
    'role ".*" is not permitted to log in': (
        "the user may not log in; ALTER ROLE it with LOGIN, or correct DATABASE_URL"
    ),
    "is not currently accepting connections": (
        "it is closed; ALTER DATABASE it with ALLOW_CONNECTIONS true, or correct DATABASE_URL"
    ),
    "too many connections for role": (
        "the user has no free connection; raise its CONNECTION LIMIT, or run fewer bots"
    ),
    "too many connections for database": (
        "it has no free connection; raise its CONNECTION LIMIT, or run fewer bots"
    ),
    "too many clients|connection slots": (
        "its server has no free connection; raise max_connections, or run fewer bots"
    ),
    "system is (starting|shutting|not yet|in recovery)": (
        "its server starts or stops; try again in a moment"
    ),
    "configuration parameter|for parameter|set parameter|^parameter|requires a value"
    "|invalid command-line argument": (
        "it does not accept a parameter of the address; correct what is after the ? in DATABASE_URL"
    ),
    "does not support SSL": (
        "its server has no TLS, which sslmode demands; switch ssl on there, or correct sslmode in "
        "DATABASE_URL"
    ),
    "root certificate file|certificate verify failed|server certificate for": (
        "its certificate cannot be verified; correct sslrootcert or sslmode in DATABASE_URL"
    ),
    "session is (not )?read-only|server is (not )?in hot standby": (
        "it is not what target_session_attrs asks for; correct DATABASE_URL"
    ),
    "invalid .* value: |invalid port number": NO_ADDRESS,
    "resolve host|translate host name": NO_MACHINE,
}
CODES: dict[type[psycopg.Error], str] = {
    errors.InsufficientPrivilege: "the user may not do that; grant it the rights to the schema",
    errors.ReadOnlySqlTransaction: READ_ONLY,
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
        words = _fatal(said)
        known = [reason for pattern, reason in CONNECTING.items() if re.search(pattern, words)]
        unknown = REFUSED if said.startswith("connection failed") and words != said else UNREACHABLE
        reason = known[0] if known else unknown
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
