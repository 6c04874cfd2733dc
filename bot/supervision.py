"""Keep one platform running beside the others, until the process is to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from bot import metrics
from bot.errors import PlatformError

log = logging.getLogger(__name__)

FIRST_PAUSE = 2.0  # seconds; each further one is twice as long
LONGEST_PAUSE = 300.0
HEALTHY = 60.0  # seconds; what ran for so long starts with a short pause again

Run = Callable[[asyncio.Event], Awaitable[None]]


async def keep_running(
    name: str, run: Run, stop: asyncio.Event, stop_seconds: float, pause: float = FIRST_PAUSE
) -> None:
    """Run a platform, again after growing pauses when it fails; return when `stop` is set.

    Args:
        name: of the platform, as a person writes it.
        run: serves until `stop` is set, then finishes what is in hand.
        stop: set when the process is to stop.
        stop_seconds: how long finishing may take.
        pause: seconds before the first retry.
    """
    first, loop = pause, asyncio.get_running_loop()
    while not stop.is_set():
        started = loop.time()
        try:
            await _run_once(name, run, stop, stop_seconds)
            if stop.is_set():
                return
            reason = f"{name}: ended by itself"
        except PlatformError as error:
            reason = str(error)
        except Exception:
            log.exception("%s: failed unexpectedly", name)
            reason = f"{name}: down"
        metrics.PLATFORM_UP.labels(name.lower().removesuffix(" chat")).set(0)
        if loop.time() - started > HEALTHY:
            pause = first
        if stop.is_set():
            log.error("%s", reason)
            return
        log.error("%s; trying again in %.0f s", reason, pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(2 * pause, LONGEST_PAUSE)


async def until_stopped(running: asyncio.Future[Any], stop: asyncio.Event) -> None:
    """Wait until something that runs is done, or `stop` is set; it is left as it is."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()


async def _run_once(name: str, run: Run, stop: asyncio.Event, stop_seconds: float) -> None:
    running = asyncio.ensure_future(run(stop))
    try:
        await until_stopped(running, stop)
        if not running.done():
            await asyncio.wait({running}, timeout=stop_seconds)
        if not running.done():
            log.warning("%s: did not finish within %.0f s; leaving", name, stop_seconds)
    finally:
        if not running.done():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    if not running.cancelled():
        running.result()
