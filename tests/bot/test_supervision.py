"""A platform that fails is started again; one that does not finish is cancelled."""

import asyncio
import logging
from pathlib import Path

import pytest

from bot.platforms import DISCORD, TELEGRAM, WEB
from bot.store.errors import DatabaseError
from bot.supervision import PlatformError, keep_running


class Flaky:
    """A platform that ends in the given ways, one after the other, and then stops the process."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends, self.tries = ends, 0

    async def run(self, stop: asyncio.Event) -> None:
        self.tries += 1
        if self.tries > len(self.ends):
            stop.set()
        elif error := self.ends[self.tries - 1]:
            raise error


async def until_stopped(stop: asyncio.Event) -> None:
    await stop.wait()


async def test_a_platform_that_fails_is_tried_again_after_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky = Flaky(*[PlatformError("Telegram: the token is wrong")] * 3)

    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(keep_running(TELEGRAM, flaky.run, asyncio.Event(), 1, pause=0.01), 5)

    assert flaky.tries == 4
    assert asyncio.get_running_loop().time() - started >= 0.01 + 0.02 + 0.04
    told = [vars(record) for record in caplog.records if record.message == "a platform is down"]
    assert {(one["platform"], one["reason"]) for one in told} == {
        ("telegram", "Telegram: the token is wrong")
    }
    assert [one["retry_seconds"] for one in told] == [0.01, 0.02, 0.04]


async def test_an_unexpected_error_is_logged_with_its_traceback_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky = Flaky(ZeroDivisionError())

    await asyncio.wait_for(keep_running(DISCORD, flaky.run, asyncio.Event(), 1, pause=0.01), 5)

    assert flaky.tries == 2
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_folder_that_cannot_be_used_is_one_line_and_tried_again(
    grouped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    error: Exception = DatabaseError(Path("/srv/data"), "the disk is full")
    flaky = Flaky(ExceptionGroup("tasks", [error, error]) if grouped else error)

    await asyncio.wait_for(keep_running(DISCORD, flaky.run, asyncio.Event(), 1, pause=0.01), 5)

    (down,) = caplog.records
    assert vars(down)["reason"] == "DATA_DIR: /srv/data: the disk is full"
    assert not down.exc_info


async def test_a_platform_that_ends_by_itself_is_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    flaky = Flaky(None)

    await asyncio.wait_for(keep_running(DISCORD, flaky.run, asyncio.Event(), 1, pause=0.01), 5)

    assert flaky.tries == 2
    (down,) = (record for record in caplog.records if record.message == "a platform is down")
    assert vars(down)["reason"] == "it ended by itself"


async def test_stopping_lets_a_platform_finish_its_work() -> None:
    stop, finished = asyncio.Event(), asyncio.Event()

    async def run(stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0.02)
        finished.set()

    running = asyncio.create_task(keep_running(WEB, run, stop, 5))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)

    assert finished.is_set()


async def test_a_platform_that_does_not_finish_in_time_is_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, cancelled = asyncio.Event(), asyncio.Event()

    async def run(stop: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(keep_running(DISCORD, run, stop, 0.01))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)

    assert cancelled.is_set()
    assert "a platform did not finish in time" in caplog.text


async def test_stopping_ends_a_pause_at_once() -> None:
    stop, failed = asyncio.Event(), asyncio.Event()

    async def run(stop: asyncio.Event) -> None:
        failed.set()
        raise PlatformError("down")

    running = asyncio.create_task(keep_running(TELEGRAM, run, stop, 1, pause=300))
    await failed.wait()
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_one_platform_that_fails_leaves_the_others_running(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, failures = asyncio.Event(), 0

    async def broken(stop: asyncio.Event) -> None:
        nonlocal failures
        failures += 1
        if failures == 3:
            stop.set()
        raise RuntimeError("down")

    with caplog.at_level(logging.CRITICAL):
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_running(WEB, until_stopped, stop, 1))
            group.create_task(keep_running(TELEGRAM, broken, stop, 1, pause=0.01))
    assert failures == 3
