"""What a command does on Ctrl-C, which is not an error of the program."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130  # the exit status of a command that SIGINT ended, as shells report it


def run(main: Callable[[], int]) -> int:
    """Run a command; return its exit status, or `INTERRUPTED` after Ctrl-C, without a traceback."""
    try:
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED


def end_at_once(line: str = "") -> None:
    """From here on let Ctrl-C end the process, which must have nothing to finish, at once.

    Args:
        line: to write to standard error then.
    """

    def end(*_: object) -> None:
        os.write(2, line.encode())
        os._exit(INTERRUPTED)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else a shell ignores it
        signal.signal(signal.SIGINT, end)


@contextmanager
def ending_at_once(line: str = "") -> Iterator[None]:
    """Let Ctrl-C end the process at once within the block, such as one of imports.

    Libraries in C may turn a `KeyboardInterrupt` during their import into another error.
    """
    before = signal.getsignal(signal.SIGINT)
    end_at_once(line)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
