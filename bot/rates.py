"""How many photos may come in a while.

Time is that of the monotonic clock: setting the machine's clock changes no rate.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from limits import parse_many

Clock = Callable[[], float]


class Limit(NamedTuple):
    """At most `amount` photos in any window of `seconds`, for a name."""

    name: str
    amount: int
    seconds: float


class Left(NamedTuple):
    """What is left of a limit."""

    photos: int
    seconds: float  # until there is more; 0 if all of it is left


# Counts photos towards some limits and returns 0, or returns the seconds after which they will be
# within all of them, and counts nothing. A number above the amount uses up the whole limit.
Spend = Callable[[Sequence[Limit], int], Awaitable[float]]


@dataclass
class _Window:
    events: deque[tuple[float, int]] = field(default_factory=deque)  # time and cost, oldest first
    used: int = 0  # the sum of the costs


class Rate:
    """At most `amount` in any window of `seconds`, for each name.

    A name that does not come back is forgotten once its window is over.
    """

    def __init__(self, amount: int, seconds: float, clock: Clock = time.monotonic) -> None:
        """Start with nothing counted."""
        self.amount = amount
        self.seconds = seconds
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()  # the last used comes last

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return len(self._windows)

    def wait(self, name: str, cost: int) -> float:
        """Return the seconds after which `cost` more will be within the rate; 0 if they are now.

        A cost above the amount uses up the whole rate.
        """
        now = self._clock()
        self._forget(now)
        window = self._windows.get(name)
        if window is None:
            return 0.0
        _expire(window, now - self.seconds)
        excess = window.used + min(cost, self.amount) - self.amount
        wait = 0.0
        for when, spent in window.events:
            if excess <= 0:
                break
            excess -= spent
            wait = when + self.seconds - now
        return wait

    def left(self, name: str) -> Left:
        """Return how much more is within the rate now."""
        now = self._clock()
        self._forget(now)
        window = self._windows.get(name)
        if window is None:
            return Left(self.amount, 0.0)
        _expire(window, now - self.seconds)
        seconds = window.events[0][0] + self.seconds - now if window.events else 0.0
        return Left(self.amount - window.used, seconds)

    def count(self, name: str, cost: int) -> None:
        """Count what `wait` allowed."""
        window = self._windows.setdefault(name, _Window())
        self._windows.move_to_end(name)
        spent = min(cost, self.amount)
        window.events.append((self._clock(), spent))
        window.used += spent

    def _forget(self, now: float) -> None:
        while self._windows:
            name, window = next(iter(self._windows.items()))
            _expire(window, now - self.seconds)
            if window.events:
                return
            del self._windows[name]


def _expire(window: _Window, before: float) -> None:
    while window.events and window.events[0][0] <= before:
        _, spent = window.events.popleft()
        window.used -= spent


class Alone:
    """Counts in the memory of this process, as `Spend` says; a restart forgets all counts."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Start with nothing counted."""
        self._clock = clock
        self._rates: dict[tuple[int, float], Rate] = {}

    async def __call__(self, limits: Sequence[Limit], photos: int) -> float:
        """Count photos and return 0, or return the seconds to wait."""
        wait = max(self._rate(limit).wait(limit.name, photos) for limit in limits)
        if wait <= 0:
            for limit in limits:
                self._rate(limit).count(limit.name, photos)
        return wait

    def left(self, limit: Limit) -> Left:
        """Return what is left of a limit."""
        return self._rate(limit).left(limit.name)

    def _rate(self, limit: Limit) -> Rate:
        key = (limit.amount, limit.seconds)
        if key not in self._rates:
            self._rates[key] = Rate(*key, self._clock)
        return self._rates[key]


def alone(clock: Clock = time.monotonic) -> Alone:
    """Return a function that counts in the memory of this process."""
    return Alone(clock)


def parsed(text: str) -> list[tuple[int, float]]:
    """Return the amounts and seconds of a setting such as "5/minute;20/hour"; each of them holds.

    Raises:
        ValueError: it is no such text.
    """
    return [(item.amount, float(item.get_expiry())) for item in parse_many(text)]
