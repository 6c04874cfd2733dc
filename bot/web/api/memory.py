"""How many bytes of bodies are in memory at a time, over all requests."""

from collections.abc import Iterator
from contextlib import contextmanager

from captioner import Busy

RETRY = 10.0  # seconds


class Memory:
    """Counts the bytes of bodies from their arrival until their request is answered."""

    def __init__(self, most: int) -> None:
        """Allow up to `most` bytes at a time."""
        self._most = most
        self._held = 0

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Give a count for one body, which ends with the context."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self._held -= reservation.size

    def _take(self, size: int) -> None:
        if self._held + size > self._most:
            raise Busy("full", RETRY)
        self._held += size


class Reservation:
    """Counts one body."""

    def __init__(self, memory: Memory) -> None:
        """Start with none of it."""
        self._memory = memory
        self.size = 0

    def grow(self, size: int) -> None:
        """Count `size` more bytes.

        Raises:
            Busy: other requests hold too many.
        """
        self._memory._take(size)
        self.size += size
