"""Worker threads that process items in batches, formed from whatever is waiting.

The first item starts the clock; items that arrive within `max_wait` join its batch. While batches
run, the next ones gather. Nothing here knows about photos.
"""

import asyncio
import math
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from captioner.errors import Busy

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Entry(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]
    due: float  # when its batch starts at the latest, on the loop's clock


class Batcher(Generic[Item, Result]):
    """Turns `forward(list) -> list` into `await submit(item)`, for many callers at once."""

    def __init__(
        self,
        forward: Callable[[list[Item]], Sequence[Result]],
        *,
        parallel: int = 1,
        max_batch: int = 16,
        max_wait: float = 0.005,
        max_queue: int = 128,
        niceness: int = 0,
    ) -> None:
        """Prepare; nothing runs before `async with`.

        Args:
            forward: runs in a worker thread; returns one result per item.
            parallel: how many batches may run at a time, each in a thread of its own.
            max_batch: the most items in a batch.
            max_wait: seconds that the first item of a batch waits for others.
            max_queue: the most items that may wait, in addition to the running batches.
            niceness: by how much the worker threads give way to the rest of the program, from 0 to
                19, where threads have priorities of their own (Linux).
        """
        self._forward, self._parallel, self._niceness = forward, parallel, niceness
        self.max_batch, self.max_wait, self.max_queue = max_batch, max_wait, max_queue
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._free = parallel  # worker threads without a batch
        self._item_seconds = 0.0  # of a worker, for each item of the last batch
        self._changed = asyncio.Event()  # an item arrived, or a worker became free
        self._filled = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Start the workers."""
        self._workers = ThreadPoolExecutor(self._parallel, "batcher", _give_way, (self._niceness,))
        self._runner = asyncio.create_task(self._run(), name="batcher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was submitted, then stop the workers."""
        self._closing = True
        self._changed.set()
        self._filled.set()
        try:
            await self._runner
        finally:
            self._workers.shutdown(wait=False)

    def admit(self, others: int = 0) -> None:
        """Check that there is room for one more item, besides `others` that are on their way.

        Raises:
            Busy: the queue is full, or the batcher is stopping.
        """
        if self._closing:
            raise Busy("stopping")
        if len(self._waiting) + others >= self.max_queue:
            self._drop_cancelled()  # they free their places
        if len(self._waiting) + others >= self.max_queue:
            seconds = self.max_queue * self._item_seconds / self._parallel
            raise Busy("full", retry_after=max(1.0, seconds))

    @property
    def waiting(self) -> int:
        """Number of items that wait for their batch; cancelled items do not count."""
        return sum(not entry.result.done() for entry in self._waiting)

    async def submit(self, item: Item, *, accepted: bool = False) -> Result:
        """Wait for an item's result.

        If the caller is cancelled meanwhile, the item is dropped before its batch runs.

        Args:
            item: what `forward` gets.
            accepted: it is part of what was accepted before, and has its place although the queue
                is full; the caller sees to it that these are few.

        Raises:
            Busy: the queue is full, or the batcher is stopping.
            Exception: whatever `forward` raised for the batch.
        """
        if not accepted or self._closing:
            self.admit()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Entry(item, result, loop.time() + self.max_wait))
        self._changed.set()
        if len(self._waiting) >= self.max_batch:
            self._filled.set()
        return await result

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as running:
            while await self._ready():
                for batch in self._shares():
                    self._free -= 1
                    running.create_task(self._process(batch))

    async def _ready(self) -> bool:
        """Wait until a batch may start; False means that everything has started."""
        while not (self._waiting and self._free):
            if self._closing and not self._waiting:
                return False
            self._changed.clear()
            await self._changed.wait()
        await self._wait_for_others(self._waiting[0].due)
        return True

    def _shares(self) -> list[list[_Entry[Item, Result]]]:
        """Take a batch for each free worker, the oldest items first.

        A worker gets its share among all workers, so that those that are still busy find theirs
        when they become free: guided self-scheduling (C. D. Polychronopoulos and D. J. Kuck, IEEE
        Transactions on Computers, 1987).
        """
        self._drop_cancelled()
        size = min(self.max_batch, math.ceil(len(self._waiting) / self._parallel))
        batches = []
        for _ in range(self._free):
            count = min(size, len(self._waiting))
            if count:
                batches.append([self._waiting.popleft() for _ in range(count)])
        return batches

    def _drop_cancelled(self) -> None:
        """Remove the items that nobody waits for."""
        self._waiting = deque(entry for entry in self._waiting if not entry.result.done())

    async def _process(self, batch: list[_Entry[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        items = [entry.item for entry in batch]
        started = loop.time()
        try:
            results = await loop.run_in_executor(self._workers, self._forward, items)
            assert len(results) == len(items), "forward must return a result for each item"
        except Exception as error:
            for entry in batch:
                if not entry.result.done():
                    entry.result.set_exception(error)
        else:
            self._item_seconds = (loop.time() - started) / len(batch)
            for entry, result in zip(batch, results, strict=True):
                if not entry.result.done():
                    entry.result.set_result(result)
        finally:
            self._free += 1
            self._changed.set()

    async def _wait_for_others(self, due: float) -> None:
        remaining = due - asyncio.get_running_loop().time()
        if remaining <= 0 or self._closing or len(self._waiting) >= self.max_batch:
            return
        self._filled.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), remaining)


def _give_way(niceness: int) -> None:
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, now + niceness)  # 19 at most, without an error
