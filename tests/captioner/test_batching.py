import asyncio
import os
import sys
import threading
import time
from collections import defaultdict

import pytest

from captioner.batching import Batcher
from captioner.errors import Busy


class Recorder:
    """Doubles numbers, records the batches, and holds a batch until `go` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.threads.add(threading.current_thread().name)
        assert self.go.wait(5)
        return [2 * item for item in items]


class Gated(Recorder):
    """Holds each batch until that batch is released, by its first item."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: defaultdict[int, threading.Event] = defaultdict(threading.Event)

    def __call__(self, items: list[int]) -> list[int]:
        doubled = super().__call__(items)
        assert self.gates[items[0]].wait(5)
        return doubled


async def until_running(forward: Recorder, batches: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(forward.batches) < batches:
            await asyncio.sleep(0.001)


async def test_each_caller_gets_the_result_of_its_own_item() -> None:
    async with Batcher(Recorder(), max_batch=4) as batcher:
        doubled = await asyncio.gather(*map(batcher.submit, range(50)))
        assert list(doubled) == list(range(0, 100, 2))


async def test_items_that_come_during_a_batch_share_the_next_one() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_batch=8, max_wait=0) as batcher, asyncio.TaskGroup() as group:
        group.create_task(batcher.submit(0))
        await until_running(forward)
        for item in range(1, 7):
            group.create_task(batcher.submit(item))
        await asyncio.sleep(0)
        forward.go.set()
    assert forward.batches == [[0], [1, 2, 3, 4, 5, 6]]


async def test_a_batch_never_exceeds_its_limit() -> None:
    forward = Recorder()
    async with Batcher(forward, max_batch=3, max_wait=0.05) as batcher:
        await asyncio.gather(*map(batcher.submit, range(10)))
    assert sorted(map(len, forward.batches)) == [1, 3, 3, 3]


async def test_a_full_batch_does_not_wait() -> None:
    async with Batcher(Recorder(), max_batch=2, max_wait=60) as batcher, asyncio.timeout(5):
        assert [*await asyncio.gather(batcher.submit(1), batcher.submit(2))] == [2, 4]


async def test_the_first_item_waits_for_others_up_to_a_limit() -> None:
    forward = Recorder()
    async with Batcher(forward, max_batch=8, max_wait=0.2) as batcher, asyncio.timeout(5):
        first = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(batcher.submit(2))
        assert [*await asyncio.gather(first, second)] == [2, 4]
        assert await batcher.submit(3) == 6
    assert forward.batches == [[1, 2], [3]]


async def test_a_caller_that_went_away_is_dropped_before_the_forward_pass() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_batch=8, max_wait=0) as batcher:
        running = asyncio.create_task(batcher.submit(0))
        await until_running(forward)
        gone, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
        await asyncio.sleep(0)
        gone.cancel()
        forward.go.set()
        assert [await running, await stays] == [0, 4]
    assert forward.batches == [[0], [2]]
    assert gone.cancelled()


async def test_a_caller_that_goes_away_during_its_batch_harms_nobody() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_batch=8, max_wait=0.02) as batcher:
        gone, stays = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
        await until_running(forward)
        gone.cancel()
        forward.go.set()
        assert await stays == 4
        assert await batcher.submit(3) == 6


async def test_a_full_queue_is_busy_at_once() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_batch=1, max_wait=0, max_queue=2) as batcher:
        running = asyncio.create_task(batcher.submit(0))
        await until_running(forward)
        waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            await asyncio.wait_for(batcher.submit(3), 1)
        assert busy.value.kind == "full"
        waiting[0].cancel()
        await asyncio.sleep(0)
        freed = asyncio.create_task(batcher.submit(4))
        await asyncio.sleep(0)
        forward.go.set()
        assert [await running, await waiting[1], await freed] == [0, 4, 8]


async def test_part_of_what_was_accepted_has_its_place_in_a_full_queue() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_batch=1, max_wait=0, max_queue=1) as batcher:
        running = asyncio.create_task(batcher.submit(0))
        await until_running(forward)
        waiting = [
            asyncio.create_task(batcher.submit(number, accepted=number > 1)) for number in (1, 2, 3)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await batcher.submit(4)
        forward.go.set()
        assert await running == 0
        assert list(await asyncio.gather(*waiting)) == [2, 4, 6]
    with pytest.raises(Busy, match="stopping"):
        await batcher.submit(5, accepted=True)


async def test_a_full_queue_says_when_there_may_be_room_again() -> None:
    forward = Recorder()
    async with Batcher(forward, max_batch=2, max_wait=0, max_queue=6) as batcher:
        forward.go.clear()
        running = asyncio.create_task(batcher.submit(0))
        await until_running(forward)
        await asyncio.sleep(0.5)  # what a batch takes here
        forward.go.set()
        await running
        forward.go.clear()
        waiting = [asyncio.create_task(batcher.submit(1))]
        await until_running(forward, 2)
        waiting += [asyncio.create_task(batcher.submit(item)) for item in range(2, 8)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            await batcher.submit(9)
        assert batcher.waiting == 6
        forward.go.set()
        await asyncio.gather(*waiting)
        assert batcher.waiting == 0
    assert 1.5 <= busy.value.retry_after < 5  # three batches


async def test_what_waits_is_shared_between_all_free_workers() -> None:
    for items, workers, sizes in ((16, 2, [8, 8]), (5, 2, [2, 3]), (3, 4, [1, 1, 1]), (1, 4, [1])):
        forward = Recorder()
        async with Batcher(forward, parallel=workers, max_batch=16, max_wait=0) as batcher:
            doubled = await asyncio.gather(*map(batcher.submit, range(items)))
        assert list(doubled) == [2 * item for item in range(items)]
        assert sorted(map(len, forward.batches)) == sizes
        # The oldest items are in the first batch, in their order.
        assert [item for batch in sorted(forward.batches) for item in batch] == [*range(items)]


async def test_batches_run_side_by_side_but_never_more_than_there_are_workers() -> None:
    together = threading.Barrier(3)
    running = threading.Semaphore(3)

    def forward(items: list[int]) -> list[int]:
        assert running.acquire(blocking=False)
        together.wait(5)
        running.release()
        return items

    async with Batcher(forward, parallel=3, max_batch=1, max_wait=0) as batcher:
        assert [*await asyncio.gather(*map(batcher.submit, range(9)))] == [*range(9)]


async def test_a_busy_worker_finds_its_share_when_it_becomes_free() -> None:
    forward = Gated()
    async with Batcher(forward, parallel=2, max_batch=16, max_wait=0) as batcher:
        tasks = [asyncio.create_task(batcher.submit(item)) for item in (0, 1)]
        await until_running(forward, 2)
        tasks += [asyncio.create_task(batcher.submit(item)) for item in range(2, 16)]
        await asyncio.sleep(0)
        forward.gates[0].set()
        await until_running(forward, 3)
        assert batcher.waiting == 7
        forward.gates[1].set()
        await until_running(forward, 4)
        for gate in range(16):
            forward.gates[gate].set()
        assert [await task for task in tasks] == [2 * item for item in range(16)]
    assert [*map(len, forward.batches[2:4])] == [7, 4]
    assert [item for batch in sorted(forward.batches) for item in batch] == [*range(16)]


async def test_nobody_is_overtaken_while_newcomers_arrive() -> None:
    forward = Gated()
    async with Batcher(forward, parallel=2, max_batch=2, max_wait=0) as batcher:
        tasks = [asyncio.create_task(batcher.submit(item)) for item in range(8)]
        for first in range(0, 40, 2):  # of the batch that ends; the one after it runs beside it
            await until_running(forward, first // 2 + 2)
            for _ in range(2):
                tasks.append(asyncio.create_task(batcher.submit(len(tasks))))
            await asyncio.sleep(0)
            forward.gates[first].set()
            await tasks[first]
        started = [*forward.batches]
        for gate in range(len(tasks)):
            forward.gates[gate].set()
        assert [await task for task in tasks] == [2 * item for item in range(48)]
    assert started[:21] == [[item, item + 1] for item in range(0, 42, 2)]


async def test_items_that_nobody_waits_for_have_no_part_in_the_shares() -> None:
    forward = Gated()
    async with Batcher(forward, parallel=2, max_batch=16, max_wait=0) as batcher:
        running = [asyncio.create_task(batcher.submit(item)) for item in (0, 1)]
        await until_running(forward, 2)
        tasks = [asyncio.create_task(batcher.submit(item)) for item in range(2, 10)]
        await asyncio.sleep(0)
        for gone in tasks[:4]:
            gone.cancel()
        await asyncio.sleep(0)
        for gate in range(10):
            forward.gates[gate].set()
        assert [await task for task in running + tasks[4:]] == [0, 2, 12, 14, 16, 18]
    assert [6, 7] in forward.batches
    assert not {2, 3, 4, 5} & {item for batch in forward.batches for item in batch}


async def test_an_error_spares_the_batch_beside_its_own() -> None:
    together = threading.Barrier(2)

    def forward(items: list[int]) -> list[int]:
        together.wait(5)
        return [1 // item for item in items]

    async with Batcher(forward, parallel=2, max_batch=1, max_wait=0) as batcher:
        failed, fine = await asyncio.gather(
            batcher.submit(0), batcher.submit(1), return_exceptions=True
        )
        assert isinstance(failed, ZeroDivisionError)
        assert fine == 1
        assert [*await asyncio.gather(batcher.submit(1), batcher.submit(1))] == [1, 1]


async def test_more_workers_have_room_again_sooner() -> None:
    promised = []
    for workers in (1, 4):
        forward = Recorder()
        options = {"parallel": workers, "max_batch": 2, "max_queue": 80}
        async with Batcher(forward, max_wait=0, **options) as batcher:
            batcher._item_seconds = 0.1  # of the last batch
            forward.go.clear()
            tasks = [asyncio.create_task(batcher.submit(item)) for item in range(80)]
            await asyncio.sleep(0)
            with pytest.raises(Busy) as busy:
                batcher.admit()
            promised.append(busy.value.retry_after)
            forward.go.set()
            await asyncio.gather(*tasks)
    assert promised == [8, 2]


async def test_an_error_reaches_every_caller_of_its_batch_and_the_next_batch_runs() -> None:
    def forward(items: list[int]) -> list[int]:
        if 0 in items:
            raise RuntimeError("the forward pass failed")
        return items

    async with Batcher(forward, max_batch=2, max_wait=1) as batcher:
        failed = await asyncio.gather(batcher.submit(0), batcher.submit(1), return_exceptions=True)
        assert [str(error) for error in failed] == ["the forward pass failed"] * 2
        assert [*await asyncio.gather(batcher.submit(2), batcher.submit(3))] == [2, 3]


async def test_a_forward_that_loses_a_result_is_an_error() -> None:
    async with Batcher[int, int](lambda items: items[1:], max_wait=0) as batcher:
        with pytest.raises(AssertionError, match="a result for each item"):
            await batcher.submit(1)


@pytest.mark.parametrize("workers", [1, 2])
async def test_closing_finishes_the_submitted_items_and_accepts_no_more(workers: int) -> None:
    forward = Recorder()
    forward.go.clear()
    batcher = Batcher(forward, parallel=workers, max_batch=2, max_wait=60)
    await batcher.__aenter__()
    submitted = [asyncio.create_task(batcher.submit(item)) for item in range(5)]
    await until_running(forward)
    leaving = asyncio.create_task(batcher.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="stopping"):
        await batcher.submit(9)
    forward.go.set()
    await asyncio.wait_for(leaving, 5)
    assert [await task for task in submitted] == [0, 2, 4, 6, 8]


async def test_the_event_loop_runs_on_while_a_batch_does() -> None:
    forward = Recorder()
    forward.go.clear()
    async with Batcher(forward, max_wait=0) as batcher:
        task = asyncio.create_task(batcher.submit(1))
        await until_running(forward)
        started = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - started < 2
        assert not task.done()
        forward.go.set()
        assert await task == 2
    assert len(forward.threads) == 1
    assert threading.current_thread().name not in forward.threads


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own")
async def test_workers_may_give_way_to_the_rest_of_the_program() -> None:
    def priorities(items: list[int]) -> list[int]:
        thread = threading.get_native_id()
        return [os.getpriority(os.PRIO_PROCESS, thread) for _ in items]

    own = os.getpriority(os.PRIO_PROCESS, 0)
    async with Batcher(priorities, niceness=3) as batcher:
        assert await batcher.submit(0) == min(19, own + 3)
    async with Batcher(priorities) as batcher:
        assert await batcher.submit(0) == own
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
