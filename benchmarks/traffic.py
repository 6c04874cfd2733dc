"""Sends photos to the web chat's API at different rates, and records their outcomes."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp
import psutil

from bot.replies import replies

OK, UNAVAILABLE = 200, 503
USERS = ("bot", "workers", "client")

Send = Callable[
    [int, float], Coroutine[None, None, None]
]  # given the number of the photo, and when it is due


@dataclass
class Load:
    """The outcomes of the photos of one run."""

    name: str
    offered: float | None  # photos per second; None if callers wait for answers
    captioned: list[float] = field(default_factory=list)  # seconds from when each was due
    refused: list[float] = field(default_factory=list)
    late: int = 0  # given up at the deadline
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first photo to the last answer
    cores: tuple[float, ...] = ()  # used during the run, by each of `USERS`

    @property
    def rate(self) -> float:
        """Captioned photos per second."""
        return len(self.captioned) / self.seconds

    @property
    def share_refused(self) -> float:
        """The share of refusals among all answers."""
        return len(self.refused) / max(1, len(self.refused) + len(self.captioned) + self.late)


@asynccontextmanager
async def sending(
    load: Load, files: Sequence[bytes], url: str, process: psutil.Process
) -> AsyncIterator[Send]:
    """Yield a function that sends photos to a bot; record their outcomes in `load`."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(number: int, due: float) -> None:
            photo = files[number % len(files)]
            try:
                async with session.post(f"{url}/api/caption", data=photo) as answer:
                    body = await answer.json()
            except (aiohttp.ClientError, OSError, ValueError) as error:
                load.lost.append(type(error).__name__)
                return
            took = time.perf_counter() - due
            if answer.status == OK:
                load.captioned.append(took)
            elif body.get("error") == replies.LATE:
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
    """Return the core seconds that each of `USERS` has used so far."""
    ended = sum(process.cpu_times()[2:4])
    alive = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return sum(process.cpu_times()[:2]), ended + alive, time.process_time()


async def ask_in_turn(send: Send, callers: int, seconds: float) -> None:
    """Let each caller send its next photo as soon as the last one is answered."""
    end = time.perf_counter() + seconds
    numbers = count()

    async def call() -> None:
        while (now := time.perf_counter()) < end:
            await send(next(numbers), now)

    await asyncio.gather(*(call() for _ in range(callers)))


async def send_at_random(send: Send, rate: float, seconds: float) -> None:
    """Send photos at the times of a Poisson process, without waiting for answers."""
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
