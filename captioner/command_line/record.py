"""The file of `--resume`, with a line for each photo that is done, and the settings beside it.

A line is written whole or, if the process or the machine ends in the middle, cut off by whoever
opens the file next. The file beside it, with `BESIDE` after the name, holds the settings that made
the captions. It is locked while a process writes; the lock is the operating system's, and ends with
the process.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from captioner.command_line.lines import json_line, name_of
from captioner.command_line.names import Names
from captioner.command_line.settings import Settings, differences
from captioner.files import replacing
from captioner.result import Caption
from captioner.video.result import VideoCaption

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where two processes are not noticed
    fcntl = None  # type: ignore[assignment]

BESIDE = ".made"
FORMAT = "photo-captioner-captions-1"
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class RecordError(Exception):
    """A file that cannot be continued."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the file and the reason."""
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        """Return both."""
        return f"{self.path}: {self.reason}"


class Record:
    """The photos that are done, and how they ended."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Read what a file holds, and cut off a line that was not written whole.

        Args:
            path: its name.
            descriptor: the file, open to append.

        Raises:
            RecordError: a line is not one of `add`.
            OSError: it cannot be read or cut.
        """
        self._path, self._descriptor, self._size = path, descriptor, 0
        self._begun = Names()
        self.failed = 0  # photos that could not be captioned
        for line, name, failed in _lines(path):
            self._size += len(line)
            self._begun.add(name)
            self.failed += failed
        if os.fstat(descriptor).st_size > self._size:
            os.ftruncate(descriptor, self._size)

    def begin(self, name: str) -> bool:
        """Return whether a photo is neither done nor in progress; from now on it is."""
        return self._begun.add(name)

    def add(self, name: str, result: Caption | VideoCaption | str) -> None:
        """Write the line of a photo, all of it or, on an error, nothing.

        Args:
            name: of the photo.
            result: its caption, or a sentence on what is wrong.

        Raises:
            RecordError: the file cannot be written; the disk is full, for example.
        """
        line = f"{json_line(name, result, escaped=False)}\n".encode()
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            with suppress(OSError):  # then the next run cuts it off
                os.ftruncate(self._descriptor, self._size)
            raise _unusable(self._path, error) from error
        self._size += written
        self.failed += isinstance(result, str)


@contextmanager
def opened(path: Path, settings: Settings, *, retry_failed: bool = False) -> Iterator[Record]:
    """Continue a file, or make it; nobody else can meanwhile.

    Args:
        path: the file.
        settings: what its captions depend on, as JSON holds it.
        retry_failed: remove the lines of photos that failed, so that they are not done.

    Raises:
        RecordError: another process writes it, other settings or another program made it, or it
            cannot be read or written.
    """
    with ExitStack() as stack:
        try:
            _check_origin(path)
            made = stack.enter_context(open(_beside(path), "a+", encoding="utf-8"))
            _lock(path, made)
            _check_settings(path, made, settings)
            if retry_failed and path.exists():
                _remove_failed(path)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            stack.callback(os.close, descriptor)
            record = Record(path, descriptor)
        except OSError as error:
            raise _unusable(path, error) from error
        yield record
        try:
            os.fsync(descriptor)  # only now some file systems notice that there is no room
        except OSError as error:
            raise _unusable(path, error) from error


def _lines(path: Path) -> Iterator[tuple[bytes, str, bool]]:
    """Yield each whole line with the name of its photo, and whether that failed."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):  # the last one, which was cut off
                return
            try:
                fields = json.loads(line)
                name = name_of(fields)
                os.fsencode(name)
                failed = "error" in fields
            except (KeyError, TypeError, ValueError, RecursionError) as error:
                reason = f"line {number} is not one that this program writes; name another file"
                raise RecordError(path, reason) from error
            yield line, name, failed


def _remove_failed(path: Path) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        file.writelines(line for line, _, failed in _lines(path) if not failed)
        file.flush()
        os.fsync(file.fileno())


def _beside(path: Path) -> Path:
    return path.with_name(path.name + BESIDE)


def _check_origin(path: Path) -> None:
    """Refuse a file of another program before anything is written."""
    if path.exists() and not path.is_file():
        raise RecordError(path, "it is not a file")
    if _beside(path).is_dir():
        reason = f"{_beside(path).name}, where it says what made it, is a folder"
        raise RecordError(path, f"{reason}; name another file")
    if not _is_empty(path) and _is_empty(_beside(path)):
        reason = f"{_beside(path).name}, which says what made it, is not beside it"
        raise RecordError(path, f"{reason}; name another file")


def _is_empty(path: Path) -> bool:
    return not path.exists() or path.stat().st_size == 0


def _lock(path: Path, made: IO[str]) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(made, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        reason = "another process writes it; wait for that one, or name another file"
        raise RecordError(path, reason) from error
    except OSError as error:
        if error.errno in NO_LOCKS:
            reason = "its file system has no locks; name a file on a local disk"
            raise RecordError(path, reason) from error
        raise


def _check_settings(path: Path, made: IO[str], settings: Settings) -> None:
    """Compare the settings with those that made the file, or keep them if it is empty."""
    now = {"format": FORMAT, **settings}
    if _is_empty(path):
        made.truncate(0)
        made.write(f"{json.dumps(now, indent=1)}\n")
        made.flush()
        os.fsync(made.fileno())
        return
    made.seek(0)
    try:
        before = dict(json.load(made))
    except (TypeError, ValueError) as error:
        reason = f"{_beside(path).name}, which says what made it, is damaged; name another file"
        raise RecordError(path, reason) from error
    if changes := differences(before, now):
        reason = f"other settings made it: {changes}. Use the same ones, or name another file"
        raise RecordError(path, reason)


def _unusable(path: Path, error: OSError) -> RecordError:
    return RecordError(path, error.strerror or str(error))
