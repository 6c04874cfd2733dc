"""Unpacks photos in processes of their own, for a photo is a stranger's file.

A thread that decodes cannot be stopped, a crash in an image library ends its whole process, and
one photo may take any memory. A process can be limited, killed, and replaced.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from types import TracebackType
from typing import Any, NamedTuple, Self, get_args

import numpy as np

from captioner.cores import cores
from captioner.photo.decode import DAMAGED, TOO_SLOW, BadImage, BadImageKind, Limits, check_file
from captioner.photo.preprocessing import Pixels
from captioner.photo.worker import LENGTHS, READY, Job, pack

log = logging.getLogger(__name__)

# Of the environment a worker gets what loading libraries may need, and no tokens.
KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
LONGEST_TEXT = 500  # bytes of a reply's JSON, which is a sentence at the most
FEWEST = 2  # workers: where there is one, a file that takes all of its seconds holds up all others
GRACE = 0.1  # seconds; a worker that idles ends within them once no more jobs can come


class Unpacked(NamedTuple):
    """A photo's pixels, and what they took."""

    pixels: Pixels
    seconds: float  # without the wait for a worker


class Sandbox:
    """Worker processes that unpack photos, each one at a time; callers are served in order.

    A worker that takes too long is killed, and one that died or was killed is replaced while the
    others go on. A caller that goes away takes its worker along, so that no later photo gets the
    pixels of an earlier one.
    """

    def __init__(self, limits: Limits = Limits(), workers: int | None = None) -> None:
        """Prepare; nothing runs before `async with`.

        Args:
            limits: what a photo may cost; what memory it may take follows from them.
            workers: processes; as many as there are cores, and two at least, if None.
        """
        self._limits = limits
        self._count = workers or max(FEWEST, cores())
        self._free = asyncio.Semaphore(self._count)
        self._workers: deque[asyncio.Task[Process]] = deque()  # those that are ready come first
        self._ending: set[asyncio.Task[bytes]] = set()

    async def __aenter__(self) -> Self:
        """Have the workers start in the background."""
        self._workers.extend(asyncio.create_task(self._start()) for _ in range(self._count))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was asked, then end the workers."""
        for _ in range(self._count):
            await self._free.acquire()
        for worker in self._workers:
            worker.cancel()  # one that still starts
        started = await asyncio.gather(*self._workers, return_exceptions=True)
        ending = [_end(worker) for worker in started if isinstance(worker, Process)]
        await asyncio.gather(*self._ending, *ending)

    async def squeeze(self, photo: bytes, size: int) -> Unpacked:
        """Squeeze a whole photo to `(size, size, 3)`, as `image.Preprocessing` does it.

        Raises:
            BadImage: the photo cannot be read within the limits.
            RuntimeError: no worker can be started.
        """
        return await self._unpack("squeeze", photo, size)

    async def thumbnail(self, photo: bytes, max_side: int) -> Unpacked:
        """Scale a photo down, in its proportions, until no side is longer than `max_side`.

        Raises:
            BadImage: the photo cannot be read within the limits.
            RuntimeError: no worker can be started.
        """
        return await self._unpack("thumbnail", photo, max_side)

    async def _unpack(self, job: Job, photo: bytes, side: int) -> Unpacked:
        check_file(photo, self._limits)
        async with self._worker() as process:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self._limits.seconds):
                    found = await _ask(process, job, photo, side)
            except TimeoutError as error:
                raise BadImage(TOO_SLOW, "too large") from error
            # It crashed, or what took it over answers nonsense.
            except (EOFError, ConnectionError, KeyError, TypeError, ValueError) as error:
                raise BadImage(DAMAGED) from error
            seconds = time.perf_counter() - started
        if isinstance(found, BadImage):
            raise found
        return Unpacked(found, seconds)

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Process]:
        """Lend a worker; from work that it did not finish it does not come back."""
        async with self._free:
            worker = self._workers.popleft()
            try:
                process = await asyncio.shield(worker)
                if process.returncode is not None:  # somebody killed it as it idled
                    worker = self._replace(worker)
                    process = await asyncio.shield(worker)
                yield process
            except BaseException:
                # A start goes on without the caller that waited for it and went away.
                self._workers.append(self._replace(worker) if worker.done() else worker)
                raise
            self._workers.appendleft(worker)

    def _replace(self, worker: asyncio.Task[Process]) -> asyncio.Task[Process]:
        if not worker.exception():
            ending = asyncio.create_task(_end(worker.result()))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        return asyncio.create_task(self._start())

    async def _start(self) -> Process:
        # Not by multiprocessing: it would import the main module of whoever uses this, and run a
        # script that has no guard for it once more.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "captioner.photo.worker"),
            json.dumps(asdict(self._limits)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,  # speaks as long as it starts
            env=_environment(),
        )
        assert process.stdout
        try:
            await process.stdout.readexactly(len(READY))
        except asyncio.IncompleteReadError as error:
            said = (await _end(process)).decode(errors="replace").strip()
            reason = said.rpartition("\n")[2] or f"status {process.returncode}"
            raise RuntimeError(f"no process to decode photos starts: {reason}") from error
        except asyncio.CancelledError:
            await _end(process)
            raise
        return process


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.startswith("PYTHON")
    }
    # It finds what this process finds. Threads of its libraries would only take memory.
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}


async def _ask(process: Process, job: Job, photo: bytes, side: int) -> Pixels | BadImage:
    assert process.stdin
    assert process.stdout
    process.stdin.write(pack({"job": job, "side": side}, len(photo)))
    process.stdin.write(photo)
    await process.stdin.drain()
    text, behind = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if text > LONGEST_TEXT or behind > 3 * side * side:
        raise ValueError("a reply longer than any that was asked for")
    fields = json.loads(await process.stdout.readexactly(text))
    body = await process.stdout.readexactly(behind)
    return _refusal(fields) if "refused" in fields else _pixels(fields, body, job, side)


def _refusal(fields: Mapping[str, Any]) -> BadImage:
    if fields["kind"] not in get_args(BadImageKind):
        raise ValueError("a refusal of no known kind")
    return BadImage(str(fields["refused"]), fields["kind"])


def _pixels(fields: Mapping[str, Any], body: bytes, job: Job, side: int) -> Pixels:
    height, width, _ = fields["shape"]
    # Pixels of another shape would fail the whole batch.
    if max(height, width) > side or (job == "squeeze" and min(height, width) < side):
        raise ValueError("pixels of another size than was asked for")
    return np.frombuffer(bytearray(body), np.uint8).reshape(height, width, 3)


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            # Its own `kill` may be the first to notice that it has ended, and asyncio warns of it.
            os.kill(process.pid, signal.SIGKILL)


async def _end(process: Process) -> bytes:
    """End a worker; return what it said on its standard error."""
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        _kill(process)
    _, said = await process.communicate()
    with suppress(ConnectionError):  # it ended before it had read what was sent
        await process.stdin.wait_closed()
    log.debug("a worker ended with status %s", process.returncode)
    return said
