"""Imports of libraries that only the bot needs, one of which may not be installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from captioner.interrupt import ending_at_once


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries of the bot; end the program with one line if one is missing."""
    try:
        with ending_at_once():  # they take a second
            yield
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. The bot needs: pip install -e '.[bot]'")
