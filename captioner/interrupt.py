"""What a command does on Ctrl-C, which is not an error of the program."""

from collections.abc import Callable

INTERRUPTED = 130  # the exit status of a command that SIGINT ended, as shells report it


def run(main: Callable[[], int]) -> int:
    """Run a command; return its exit status, or `INTERRUPTED` after Ctrl-C, without a traceback."""
    try:
        return main()
    except KeyboardInterrupt:
        return INTERRUPTED
