"""Photos that come to the web chat's API, in one way or another, and what became of them."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import psutil

from bot import replies

OK, UNAVAILABLE = 200, 503
USERS = ("bot", "workers", "client")

Send = Callable[
    [int, float], Coroutine[None, None, None]
]  # the photo of such a number, due at such a time


@dataclass
class Load:
    """What became of the photos of one run."""

    name: str
    offered: float | None  # photos a second; None if callers wait for answers
    captioned: list[float] = field(default_factory=list)  # seconds from when it was due
    refused: list[float] = field(default_factory=list)
    late: int = 0  # given up at the deadline
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first photo to the last answer
    cores: tuple[float, ...] = ()  # used meanwhile, by each of `USERS`

    @property
    def rate(self) -> float:
        """Photos a second that were captioned."""
        return len(self.captioned) / self.seconds

    @property
    def share_refused(self) -> float:
        """Of all photos that were answered."""
        return len(self.refused) / max(1, len(self.refused) + len(self.captioned) + self.late)


@asynccontextmanager
async def sending(
    load: Load, files: Sequence[bytes], url: str, process: psutil.Process
) -> AsyncIterator[Send]:
    """Note in `load` what becomes of all that is sent to a bot in the meantime."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(number: int, due: float) -> None:
            photo = files[number % len(files)]
            try:
                async with session.post(f"{url}/api/caption", data=photo) as answer:
                    said = await answer.json()
            except (aiohttp.ClientError, OSError, ValueError) as error:
                load.lost.append(type(error).__name__)
                return
            took = time.perf_counter() - due
            if answer.status == OK:
                load.captioned.append(took)
            elif said.get("error") == replies.LATE:
                load.late += 1
            elif answer.status == UNAVAILABLE and "Retry-After" in answer.headers:
                load.refused.append(took)
            else:
                load.lost.append(f"status {answer.status}")

        used, started = _used(process), time.perf_counter()
        yield send
        load.seconds = time.perf_counter() - started
        load.cores = tuple(
            (after - before) / load.seconds
            for before, after in zip(used, _used(process), strict=True)
        )


def _used(process: psutil.Process) -> tuple[float, ...]:
    """Return the seconds of a core that each of `USERS` took so far."""
    ended = sum(process.cpu_times()[2:4])
    alive = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return sum(process.cpu_times()[:2]), ended + alive, time.process_time()


async def ask_in_turn(send: Send, callers: int, seconds: float) -> None:
    """Have each caller send its next photo once the one before is answered."""
    end = time.perf_counter() + seconds
    numbers = count()

    async def call() -> None:
        while (now := time.perf_counter()) < end:
            await send(next(numbers), now)

    await asyncio.gather(*(call() for _ in range(callers)))


async def come_by_chance(send: Send, rate: float, seconds: float) -> None:
    """Send photos at times of a Poisson process, whatever becomes of them."""
    chance = random.Random(0)
    started = time.perf_counter()
    due = started + chance.expovariate(rate)
    async with asyncio.TaskGroup() as group:
        for number in count():
            if due > started + seconds:
                break
            await asyncio.sleep(due - time.perf_counter())
            group.create_task(send(number, due))
            due += chance.expovariate(rate)
