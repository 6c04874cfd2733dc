"""Measure how many messages a second the inbox records and settles, in SQLite and in PostgreSQL.

    python benchmarks/store.py
    python benchmarks/store.py --database-url postgresql://bot:password@db.example/bot

Each message costs the store what a photo does: it is accepted, an attempt at it is counted, and it
is settled as answered. Each of these is on the disk before the next one begins. `--at-once`
messages are in work at a time in each bot, and each bot is a process. With SQLite two bots have a
folder each, as one bot at a time may use one; with PostgreSQL they share the database. Without
`--database-url` a server is started here, with its own defaults, in a temporary folder; the disk
matters most.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests know how to start a server

from machine import machine  # noqa: E402
from table import markdown  # noqa: E402

from bot import stores  # noqa: E402
from bot.settings import Settings  # noqa: E402
from bot.store.inbox import Inbox  # noqa: E402
from bot.store.inbox_rows import Key  # noqa: E402
from tests.bot.postgres import serving  # noqa: E402

REFERENCE = {"message": {"text": "x" * 600}}  # bytes that an update of Telegram with a photo has


async def _answer() -> None:
    pass


async def _one(inbox: Inbox, key: Key) -> float:
    started = time.perf_counter()
    assert await inbox.accept(key, REFERENCE)
    await inbox.handle(key, _answer, _answer)
    return time.perf_counter() - started


async def _bot(keys: dict[str, Any], name: str, messages: int, at_once: int, start: Barrier) -> Any:
    async with stores.opened(Settings(**keys)) as store:
        tending = asyncio.create_task(store.inbox.tend())
        slots, took = asyncio.Semaphore(at_once), []

        async def one(number: int) -> None:
            async with slots:
                took.append(await _one(store.inbox, Key("telegram", name, str(number))))

        await one(-1)  # the first connection
        took.clear()
        await asyncio.to_thread(start.wait)
        started = time.perf_counter()
        await asyncio.gather(*map(one, range(messages)))
        seconds = time.perf_counter() - started
        tending.cancel()
        return seconds, took


def _process(results: "Queue[Any]", *given: Any) -> None:
    results.put(asyncio.run(_bot(*given)))


def measure(settings: list[dict[str, Any]], messages: int, at_once: int) -> tuple[float, float]:
    """Run a bot for each settings at the same time.

    Returns:
        messages a second of all bots together, and the median seconds of a message.
    """
    context = multiprocessing.get_context("spawn")
    results, start = context.Queue(), context.Barrier(len(settings))
    processes = [
        context.Process(
            target=_process,
            args=(results, keys, f"{number} {time.time()}", messages, at_once, start),
        )
        for number, keys in enumerate(settings)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    slowest = max(seconds for seconds, _ in found)
    median = statistics.median([second for _, took in found for second in took])
    return len(settings) * messages / slowest, median


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    with serving(settings=()) as server, server.database() as address:
        yield address


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database-url", metavar="URL", help="measure this database")
    parser.add_argument("--messages", type=int, default=3000, help="of each bot")
    parser.add_argument("--at-once", type=int, default=32, help="messages in work in each bot")
    args = parser.parse_args()
    print(machine())
    rows = []
    with _database(args.database_url) as url, tempfile.TemporaryDirectory(dir=".") as folder:
        for name in ("sqlite", "PostgreSQL"):
            for bots in (1, 2):
                folders = [{"data_dir": Path(folder) / f"{bots} {bot}"} for bot in range(bots)]
                keys = folders if name == "sqlite" else [{"database_url": url}] * bots
                rate, median = measure(keys, args.messages, args.at_once)
                rows.append((name, str(bots), f"{rate:.0f}", f"{1000 * median:.1f}"))
    print(markdown(("store", "bots", "messages a second", "median ms of a message"), rows))


if __name__ == "__main__":
    main()
