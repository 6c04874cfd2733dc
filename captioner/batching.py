"""One worker thread that processes items in batches, formed from whatever is waiting.

The first item starts the clock; items that arrive within `max_wait` join its batch. While a batch
runs, the next one gathers. Nothing here knows about photos.
"""

import asyncio
import math
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
        max_batch: int = 16,
        max_wait: float = 0.005,
        max_queue: int = 128,
    ) -> None:
        """Prepare; nothing runs before `async with`.

        Args:
            forward: runs in one worker thread, one batch at a time; returns one result per item.
            max_batch: the most items in a batch.
            max_wait: seconds that the first item of a batch waits for others.
            max_queue: the most items that may wait, in addition to the running batch.
        """
        self._forward = forward
        self.max_batch, self.max_wait, self.max_queue = max_batch, max_wait, max_queue
        self._waiting: deque[_Entry[Item, Result]] = deque()
        self._batch_seconds = 0.0  # of the last batch
        self._arrived = asyncio.Event()
        self._filled = asyncio.Event()
        self._closing = False

    async def __aenter__(self) -> Self:
        """Start the worker."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="batcher")
        self._runner = asyncio.create_task(self._run(), name="batcher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was submitted, then stop the worker."""
        self._closing = True
        self._arrived.set()
        self._filled.set()
        try:
            await self._runner
        finally:
            self._worker.shutdown(wait=False)

    def admit(self, others: int = 0) -> None:
        """Check that there is room for one more item, besides `others` that are on their way.

        Raises:
            Busy: the queue is full, or the batcher is stopping.
        """
        if self._closing:
            raise Busy("stopping")
        if len(self._waiting) + others >= self.max_queue:
            # Cancelled items free their places.
            self._waiting = deque(entry for entry in self._waiting if not entry.result.done())
        if len(self._waiting) + others >= self.max_queue:
            batches = math.ceil(self.max_queue / self.max_batch)
            raise Busy("full", retry_after=max(1.0, batches * self._batch_seconds))

    @property
    def waiting(self) -> int:
        """Number of items that wait for their batch; cancelled items do not count."""
        return sum(not entry.result.done() for entry in self._waiting)

    async def submit(self, item: Item) -> Result:
        """Wait for an item's result.

        If the caller is cancelled meanwhile, the item is dropped before its batch runs.

        Raises:
            Busy: the queue is full, or the batcher is stopping.
            Exception: whatever `forward` raised for the batch.
        """
        self.admit()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Entry(item, result, loop.time() + self.max_wait))
        self._arrived.set()
        if len(self._waiting) >= self.max_batch:
            self._filled.set()
        return await result

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := await self._gather():
            items = [entry.item for entry in batch]
            started = loop.time()
            try:
                results = await loop.run_in_executor(self._worker, self._forward, items)
                assert len(results) == len(items), "forward must return a result for each item"
            except Exception as error:
                for entry in batch:
                    if not entry.result.done():
                        entry.result.set_exception(error)
            else:
                self._batch_seconds = loop.time() - started
                for entry, result in zip(batch, results, strict=True):
                    if not entry.result.done():
                        entry.result.set_result(result)

    async def _gather(self) -> list[_Entry[Item, Result]]:
        """Wait for the next batch; an empty batch means that everything is done."""
        batch: list[_Entry[Item, Result]] = []
        while not batch:
            while not self._waiting:
                if self._closing:
                    return []
                self._arrived.clear()
                await self._arrived.wait()
            await self._wait_for_others(self._waiting[0].due)
            while self._waiting and len(batch) < self.max_batch:
                entry = self._waiting.popleft()
                # Nobody waits for a cancelled item.
                if not entry.result.done():
                    batch.append(entry)
        return batch

    async def _wait_for_others(self, due: float) -> None:
        remaining = due - asyncio.get_running_loop().time()
        if remaining <= 0 or self._closing or len(self._waiting) >= self.max_batch:
            return
        self._filled.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._filled.wait(), remaining)
