"""A circuit breaker: calls to a server that keeps failing are refused at once, and not sent.

The pattern is from M. Nygard, *Release It!* (2007). A call that fails here has been sent several
times, so a few of them in a row mean that the server is down, and not that one replica has died.
"""

import asyncio
import logging
import time

FAILURES = 3  # calls in a row, after which the circuit opens
SOONEST = 1.0  # seconds from opening to the first probe
LATEST = 15.0  # seconds between probes: they double up to this

log = logging.getLogger(__name__)


class Circuit:
    """Counts the calls that fail in a row, and knows when the next probe is due."""

    def __init__(self, name: str) -> None:
        """Start closed; `name` is what the log calls the server."""
        self._name = name
        self._failures = 0
        self._pause = SOONEST
        self._due = 0.0
        self.problem: str | None = None  # why it is open; None while it is closed
        self.opened = asyncio.Event()  # set while it is open

    @property
    def seconds_left(self) -> float:
        """Seconds until the next probe of an open circuit."""
        return max(0.0, self._due - time.monotonic())

    def failed(self, problem: str) -> None:
        """Count a call that failed; the last of several opens the circuit."""
        self._failures += 1
        if self.problem is None and self._failures >= FAILURES:
            self.open(problem)

    def open(self, problem: str) -> None:
        """Refuse calls until a probe succeeds, this one having failed.

        Only the first problem in a row is logged.
        """
        if self.problem is None:
            log.warning("%s: %s; it is asked again until it answers", self._name, problem)
            self._pause = SOONEST
        else:
            self._pause = min(LATEST, 2 * self._pause)
        self.problem = problem
        self._due = time.monotonic() + self._pause
        self.opened.set()

    def succeeded(self) -> None:
        """Accept calls."""
        self._failures = 0
        if self.problem is not None:
            log.warning("%s answers again", self._name)
        self.problem = None
        self.opened.clear()
