"""The progress bar of a command, which may not know yet how many photos there are."""

import sys
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

FEW = 10  # a progress bar for fewer photos would be gone before anyone reads it


class Progress:
    """How many photos are done, with their rate and the time that is left, on a terminal."""

    def __init__(self, count: Callable[[], int] | None) -> None:
        """Show nothing yet.

        Args:
            count: counts all photos, in a thread of its own, because the listing of millions takes
                a while; None shows no bar.
        """
        self._count = count
        self._bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        """Show the bar, where someone can see it."""
        if self._count and sys.stderr is not None and sys.stderr.isatty():
            # The average of the whole run says more about hours than that of the last seconds.
            self._bar = tqdm(unit="photo", smoothing=0, dynamic_ncols=True)
            Thread(target=self._find_total, name="count", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar where it is."""
        if self._bar is not None:
            self._bar.close()

    def add(self) -> None:
        """Count one more photo that was done now."""
        if self._bar is not None:
            self._bar.update()

    def skip(self) -> None:
        """Count one more photo that was done before, which says nothing about the rate."""
        if self._bar is not None:
            self._bar.initial += 1
            self._bar.update()

    def clear(self) -> None:
        """Make room for a line; the bar comes back with the next photo."""
        if self._bar is not None:
            self._bar.clear()

    def _find_total(self) -> None:
        assert self._count
        assert self._bar is not None
        self._bar.total = self._count()


HIDDEN = Progress(None)
