"""What can be wrong with the folder DATA_DIR and the files in it, and what helps."""

import errno
import os
import sqlite3
from pathlib import Path

from bot.store.errors import DatabaseError

FULL = "the disk is full; free some space on it"
NOT_FULL = "the disk, or a limit on its use, lets nothing more be written; free some space"
READ_ONLY = "it cannot be written; let the user that runs the bot write there"
OPENED = "it cannot be opened; let the user that runs the bot read and write there"
LOCKED = "another program has locked it; close that program"
DAMAGED = "it is damaged, or not a file of the bot; move it away, or restore a copy"
DISK = "the disk reports an error"

OS_ERRORS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: NOT_FULL,
    errno.EFBIG: NOT_FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: OPENED,
    errno.EPERM: OPENED,
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "it is a file, not a folder",
    errno.ENAMETOOLONG: "the name is too long",
}
# The last byte of SQLite's codes, which is their kind: https://sqlite.org/rescode.html
SQLITE_ERRORS = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: OPENED,
    sqlite3.SQLITE_CANTOPEN: OPENED,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_IOERR: DISK,
}
# What a write past a quota, or past the largest size of a file, is to SQLite.
REFUSED_WRITES = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}


def database_error(path: Path, error: OSError | sqlite3.Error) -> DatabaseError:
    """Describe what the system or SQLite raised about a file or folder."""
    if isinstance(error, OSError):
        known = OS_ERRORS.get(error.errno or 0)
        return DatabaseError(path, known or f"it cannot be used ({error.strerror or error})")
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return DatabaseError(path, f"it cannot be used ({error})")
    if code in REFUSED_WRITES:
        return DatabaseError(path, FULL if _is_full(path.parent) else NOT_FULL)
    known = SQLITE_ERRORS.get(code & 0xFF)
    return DatabaseError(path, f"{known} ({error})" if known else f"it cannot be used ({error})")


def _is_full(folder: Path) -> bool:
    try:
        return os.statvfs(folder).f_bavail == 0
    except (AttributeError, OSError):  # Windows has no such call
        return False
