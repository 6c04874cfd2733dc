"""The folder DATA_DIR, which one bot at a time may use.

The lock is the operating system's: it ends with the process, however that ends.
"""

import errno
import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from bot.store.errors import DatabaseError
from bot.store.sqlite.errors import READ_ONLY, database_error

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where two bots are not noticed
    fcntl = None  # type: ignore[assignment]

NAME = "bot.lock"
PATIENCE = 1.0  # seconds; `holder` holds the lock for a moment
PAUSE = 0.05
NO_LOCKS = "its file system has no locks; set DATA_DIR to a folder on a local disk"
UNSUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class Holder(NamedTuple):
    """The process that uses a folder."""

    process: str
    machine: str
    since: str

    def __str__(self) -> str:
        """Describe it for an operator."""
        if not self.process:
            return "a process that has not said its name"
        return f"process {self.process} on {self.machine}, since {self.since}"

    @property
    def mark(self) -> str:
        """What tells it from other processes, and tells nothing else."""
        return hashlib.sha256("\t".join(self).encode()).hexdigest()[:16]


class InUse(DatabaseError):
    """Another bot uses the folder."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Use a folder alone; create it if it does not exist.

    Raises:
        InUse: another bot uses it.
        DatabaseError: it cannot be created, written or locked.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise database_error(folder, error) from error
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        _lock(folder, file)
        try:
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), ("\t".join(this_process()) + "\n").encode())
        except OSError as error:
            raise database_error(path, error) from error
        yield


def holder(folder: Path) -> Holder | None:
    """Return which process uses a folder; None if none does, or if that cannot be known."""
    if fcntl is None:
        return None
    try:
        with (folder / NAME).open(encoding="utf-8", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(file)
    except OSError:
        pass
    return None


@cache
def this_process() -> Holder:
    """Return this process, as one that uses a folder since the first call."""
    now = datetime.now(UTC).isoformat(" ", "seconds")
    return Holder(str(os.getpid()), platform.node(), now)


def check(folder: Path) -> None:
    """Verify that a bot could create and use a folder; create nothing.

    Raises:
        DatabaseError: it could not.
    """
    try:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not existing.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        raise database_error(folder, error) from error
    if not os.access(existing, os.W_OK | os.X_OK):
        raise DatabaseError(folder, READ_ONLY)


def _lock(folder: Path, file: IO[str]) -> None:
    if fcntl is None:
        return
    last = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                reason = (
                    f"another bot uses this folder ({_read(file)}). Stop that one, or set another "
                    "DATA_DIR for this one"
                )
                raise InUse(folder, reason) from None
        except OSError as error:
            if error.errno in UNSUPPORTED:
                raise DatabaseError(folder, NO_LOCKS) from error
            raise database_error(folder, error) from error
        else:
            return
        time.sleep(PAUSE)


def _read(file: IO[str]) -> Holder:
    file.seek(0)
    fields = file.readline().rstrip("\n").split("\t")
    return Holder(*fields) if len(fields) == len(Holder._fields) else Holder("", "", "")
