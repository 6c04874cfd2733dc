"""What a command prints, where standard output or standard error may be closed, full or left.

A command prints results with `say` and problems with `complain`; `prepare` comes first.
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class OutputError(Exception):
    """Standard output cannot be written to."""


def prepare() -> None:
    """Let every text be printed, and nothing be printed to a stream that is closed."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The bytes of a file's name that are not text are printed as they are; what another
        # encoding lacks is escaped.
        as_it_is = os.name == "posix" and is_utf_8(sys.stdout)
        errors = "surrogateescape" if as_it_is else "backslashreplace"
        sys.stdout.reconfigure(errors=errors)
    if sys.stderr is None:  # `print` would take standard output instead
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, it is for as long as the process runs


def is_utf_8(stream: TextIO) -> bool:
    """Return whether a stream holds every character, as JSON between programs must."""
    return (stream.encoding or "").lower().replace("_", "-") in ("utf-8", "utf8")


def say(line: str) -> None:
    """Print a line to standard output at once; see `flush`."""
    _write(f"{line}\n")


def flush() -> None:
    """Print what is still in the buffer of standard output.

    Where whoever read it has left (`| head`), this process ends, by the signal for that.

    Raises:
        OutputError: it is closed, or what it writes to is full.
    """
    _write("")


@contextmanager
def flushing() -> Iterator[None]:
    """Flush standard output if argparse ends the program inside the block; see `flush`."""
    try:
        yield
    except SystemExit:  # the help is printed, or a wrong argument is named
        if sys.stdout is not None:
            flush()
        raise


def _write(text: str) -> None:
    if sys.stdout is None:
        raise OutputError(os.strerror(errno.EBADF))
    try:
        print(text, end="", flush=True)
    except BrokenPipeError as error:
        _end_with_the_reader()
        raise OutputError(error.strerror) from error
    except OSError as error:
        _discard(sys.stdout)
        raise OutputError(error.strerror or str(error)) from error


def complain(text: str) -> None:
    """Print a line to standard error at once, if that is possible."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _end_with_the_reader() -> None:
    # Python ignores this signal, which must stay so elsewhere: a process that decodes may die while
    # a photo is sent to it, and that must not end the program.
    _discard(sys.stdout)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)


def _discard(stream: TextIO) -> None:
    # What is still in its buffer would fail again when the interpreter ends, with another message.
    with suppress(OSError, ValueError):  # it is not a file of the operating system
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
