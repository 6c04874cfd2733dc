"""Decodes photos in separate processes, because anyone may send any file.

A thread that decodes cannot be stopped, a crash in an image library ends its whole process, and a
single photo may take all memory. A process can be limited, killed and replaced.
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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from captioner.cores import cores
from captioner.errors import NUMBERS, BadImage
from captioner.photo.limits import Limits, check_file
from captioner.photo.preprocessing import Pixels
from captioner.photo.worker import LENGTHS, READY, Job, pack

log = logging.getLogger(__name__)

# The part of the environment that a worker gets: what loading libraries may need, and no tokens.
KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
PHOTO_WORKER = "captioner.photo.worker"
# Bytes of a reply's JSON: shapes, a kind with a few numbers, or two times for each of a video's
# frames, at most `MOST_VIDEO_FRAMES`, each of up to eight characters.
LONGEST_TEXT = 5000
FEWEST = 2  # workers: with one, a file that takes all of its seconds would hold up all others
GRACE = 0.1  # seconds; an idle worker ends this soon after its input was closed


Found = TypeVar("Found")
Fields = Mapping[str, Any]  # of a reply


class Unpacked(NamedTuple):
    """A photo's pixels, and how long decoding took."""

    pixels: Pixels
    seconds: float  # without the wait for a worker
    middle: Pixels | None = None  # the square in its middle, if it was asked for


class Sandbox:
    """Worker processes that decode photos, one at a time each; callers are served in order.

    A worker that takes too long is killed, and a worker that died or was killed is replaced while
    the others go on. When a caller is cancelled its worker is killed too, so that no later photo
    gets the pixels of an earlier one.
    """

    def __init__(
        self, limits: Limits = Limits(), workers: int | None = None, module: str = PHOTO_WORKER
    ) -> None:
        """Prepare; nothing runs before `async with`.

        Args:
            limits: the largest photo that is accepted; a worker's memory follows from them.
            workers: number of processes; if None, one for each core, and at least two.
            module: that a process runs; see `photo.worker.serve`.
        """
        self._limits, self._module = limits, module
        self._count = workers or max(FEWEST, cores())
        self._free = asyncio.Semaphore(self._count)
        self._workers: deque[asyncio.Task[Process]] = deque()  # ready workers come first
        self._ending: set[asyncio.Task[bytes]] = set()

    async def __aenter__(self) -> Self:
        """Start the workers in the background."""
        self._workers.extend(asyncio.create_task(self._start()) for _ in range(self._count))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was submitted, then end the workers."""
        for _ in range(self._count):
            await self._free.acquire()
        for worker in self._workers:
            worker.cancel()  # in case it is still starting
        started = await asyncio.gather(*self._workers, return_exceptions=True)
        ending = [_end(worker) for worker in started if isinstance(worker, Process)]
        await asyncio.gather(*self._ending, *ending)

    async def squeeze(self, photo: bytes, size: int, middle: int | None = None) -> Unpacked:
        """Squeeze a whole photo to `(size, size, 3)`, as `Preprocessing.squeeze` does.

        Args:
            photo: its file.
            size: side of the square in pixels.
            middle: side of the square in its middle, see `preprocessing.middle`; None if it is not
                needed.

        Raises:
            BadImage: the photo cannot be decoded within the limits.
            RuntimeError: no worker can be started.
        """
        return await self._unpack("squeeze", photo, *((size, middle) if middle else (size,)))

    async def thumbnail(self, photo: bytes, max_side: int) -> Unpacked:
        """Scale a photo down, keeping its proportions, until no side exceeds `max_side` pixels.

        Raises:
            BadImage: the photo cannot be decoded within the limits.
            RuntimeError: no worker can be started.
        """
        return await self._unpack("thumbnail", photo, max_side)

    async def _unpack(self, job: Job, photo: bytes, *sides: int) -> Unpacked:
        most = sum(3 * side**2 for side in sides)
        read = partial(_pictures, job=job, sides=sides)
        (pixels, *middle), seconds = await self.ask(job, photo, sides, read, most)
        return Unpacked(pixels, seconds, *middle)

    async def ask(
        self,
        job: str,
        photo: bytes,
        sides: Sequence[int],
        read: Callable[[Fields, bytearray], Found],
        most: int,
        *,
        video: bool = False,
    ) -> tuple[Found, float]:
        """Have a worker do a job with a file.

        Args:
            job: its name; see `photo.worker.serve`.
            photo: the file.
            sides: of the pictures that are wanted, in pixels.
            read: turns a reply into what is returned. It raises a ValueError, a KeyError or a
                TypeError if it is nonsense, because a file may have taken over the worker.
            most: bytes of a reply.
            video: whether the file is a video, for the error.

        Returns:
            what was read, and the seconds that it took without the wait for a worker.

        Raises:
            BadImage: the file cannot be decoded within the limits.
            RuntimeError: no worker can be started.
        """
        check_file(photo, self._limits)
        async with self._worker() as process:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self._limits.seconds):
                    fields, body = await _ask(process, {"job": job, "sides": sides}, photo, most)
                found = _refusal(fields, video) if "refused" in fields else read(fields, body)
            except TimeoutError as error:
                raise BadImage("too slow", video=video) from error
            # The worker crashed, or the photo took it over and the reply is nonsense.
            except (EOFError, ConnectionError, KeyError, TypeError, ValueError) as error:
                raise BadImage("damaged", video=video) from error
            seconds = time.perf_counter() - started
        if isinstance(found, BadImage):
            raise found
        return found, seconds

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Process]:
        """Lend a worker, and replace it if it did not finish its work."""
        async with self._free:
            worker = self._workers.popleft()
            try:
                process = await asyncio.shield(worker)
                if process.returncode is not None:  # it was killed while idle
                    worker = self._replace(worker)
                    process = await asyncio.shield(worker)
                yield process
            except BaseException:
                # A worker that is still starting is kept, although its caller went away.
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
        # Multiprocessing would import the main module of the program again, and so run a script
        # that has no `if __name__ == "__main__"` a second time.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self._module),
            json.dumps(asdict(self._limits)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,  # written to only during the start
            env=_environment(),
        )
        assert process.stdout
        try:
            await process.stdout.readexactly(len(READY))
        except asyncio.IncompleteReadError as error:
            output = (await _end(process)).decode(errors="replace").strip()
            reason = output.rpartition("\n")[2] or f"status {process.returncode}"
            raise RuntimeError(f"a process to decode photos did not start: {reason}") from error
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
    # The worker imports what this process can import. Threads of BLAS would only take memory.
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}


async def _ask(process: Process, job: Fields, photo: bytes, most: int) -> tuple[Fields, bytearray]:
    assert process.stdin
    assert process.stdout
    process.stdin.write(pack(job, len(photo)))
    process.stdin.write(photo)
    await process.stdin.drain()
    text_size, body_size = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if text_size > LONGEST_TEXT or body_size > most:
        raise ValueError("a reply longer than any valid one")
    fields = json.loads(await process.stdout.readexactly(text_size))
    return fields, bytearray(await process.stdout.readexactly(body_size))


def _refusal(fields: Mapping[str, Any], video: bool) -> BadImage:
    # A photo may have taken over the worker: of what it chose, only numbers may pass.
    kind, numbers = fields["refused"], dict(fields["numbers"])
    if numbers.keys() != set(NUMBERS[kind]):
        raise ValueError("a refusal with other numbers than its kind has")
    if not all(type(number) is int and 0 <= number < 2**63 for number in numbers.values()):
        raise ValueError("a refusal with a number that nothing in a photo can have")
    return BadImage(kind, video=video, **numbers)


def _pictures(fields: Fields, body: bytearray, job: Job, sides: Sequence[int]) -> list[Pixels]:
    found, start = list[Pixels](), 0
    for (height, width, _), side in zip(fields["shapes"], sides, strict=True):
        # Pixels of another shape would fail the whole batch.
        if max(height, width) > side or (job != "thumbnail" and min(height, width) < side):
            raise ValueError("pixels of another size than requested")
        size = 3 * height * width
        pixels = np.frombuffer(body, np.uint8, size, start).reshape(height, width, 3)
        found.append(pixels)
        start += size
    if start != len(body):
        raise ValueError("more pixels than requested")
    return found


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            # `Process.kill` may be the first to notice that it has ended; asyncio would warn then.
            os.kill(process.pid, signal.SIGKILL)


async def _end(process: Process) -> bytes:
    """End a worker; return what it wrote to its standard error."""
    assert process.stdin
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        _kill(process)
    _, output = await process.communicate()
    with suppress(ConnectionError):  # it ended before it had read everything
        await process.stdin.wait_closed()
    log.debug("a worker ended with status %s", process.returncode)
    return output
