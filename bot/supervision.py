"""Keeps one platform running, whatever happens to the others, until the process stops."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from bot import metrics
from bot.platforms import Platform
from bot.store.errors import DatabaseError

log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE = 2.0  # seconds; each later pause is twice as long
LONGEST_PAUSE = 300.0
HEALTHY = 60.0  # seconds; after running this long, a platform starts with a short pause again

Run = Callable[[asyncio.Event], Awaitable[None]]


class PlatformError(RuntimeError):
    """A platform that cannot run now; the message names it, the reason, and what helps."""


async def keep_running(
    platform: Platform,
    run: Run,
    stop: asyncio.Event,
    stop_seconds: float,
    pause: float = FIRST_PAUSE,
) -> None:
    """Run a platform, restart it after growing pauses when it fails, return when `stop` is set.

    Args:
        platform: its name for logs and metrics.
        run: serves until `stop` is set, then finishes the work in hand.
        stop: set when the process must stop.
        stop_seconds: how long finishing may take.
        pause: seconds before the first retry.
    """
    first, loop = pause, asyncio.get_running_loop()
    while not stop.is_set():
        started = loop.time()
        try:
            await _run_once(platform, run, stop, stop_seconds)
            if stop.is_set():
                return
            reason = "it ended by itself"
        except Exception as error:
            reason = _foreseen(error) or "an unexpected error"
            if not _foreseen(error):
                log.exception("a platform failed unexpectedly", platform=platform)
        metrics.PLATFORM_UP.labels(platform).set(0)
        if loop.time() - started > HEALTHY:
            pause = first
        if stop.is_set():
            log.error("a platform failed while it stopped", platform=platform, reason=reason)
            return
        log.error("a platform is down", platform=platform, reason=reason, retry_seconds=pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def until_stopped(running: asyncio.Future[Any], stop: asyncio.Event) -> None:
    """Wait until a future is done or `stop` is set; the future is not cancelled."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


def _foreseen(error: BaseException) -> str:
    """Return the message of an error that is no bug, also if a group of tasks raised it."""
    if isinstance(error, BaseExceptionGroup):
        messages = {_foreseen(one) for one in error.exceptions}
        return "" if "" in messages else "; ".join(sorted(messages))
    return str(error) if isinstance(error, PlatformError | DatabaseError) else ""


async def _run_once(platform: Platform, run: Run, stop: asyncio.Event, stop_seconds: float) -> None:
    running = asyncio.ensure_future(run(stop))
    try:
        await until_stopped(running, stop)
        if not running.done():
            await asyncio.wait({running}, timeout=stop_seconds)
        if not running.done():
            log.warning(
                "a platform did not finish in time", platform=platform, seconds=stop_seconds
            )
    finally:
        if not running.done():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    if not running.cancelled():
        running.result()
