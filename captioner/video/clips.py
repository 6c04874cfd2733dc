"""Has videos decoded in a process of their own; see `photo.sandbox`."""

import asyncio
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np

from captioner.in_progress import InProgress
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Fields, Sandbox
from captioner.video.kinds import is_video
from captioner.video.reading import Clip

WORKER = "captioner.video.worker"
# Videos are decoded one after another: each takes a core for a second, which photos need too.
WORKERS = 1
# The process ends after this time without a video: it takes some 100 MB, and a second to start.
IDLE_SECONDS = 60.0


class Clips:
    """The process that decodes videos. It starts with a video, and ends when no more come."""

    def __init__(self, limits: Limits = Limits(), idle: float = IDLE_SECONDS) -> None:
        """Prepare; nothing runs before the first video.

        Args:
            limits: the largest video that is accepted, and what is used of it.
            idle: seconds without a video after which the process ends.
        """
        self._limits, self._idle = limits, idle
        self._sandbox: Sandbox | None = None
        self._reading = InProgress()
        self._resting: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was asked for, then end the process."""
        await self._reading.ended()
        self._stay()
        self._rest()
        await asyncio.gather(*self._ending)

    async def read(self, video: bytes, side: int, middle: int | None = None) -> tuple[Clip, float]:
        """Return a few frames of a video, see `reading.read`, and the seconds that it took.

        Args:
            video: its file.
            side: of the square of each frame, in pixels.
            middle: side of the square in the middle of each; None if it is not needed.

        Raises:
            BadImage: the video cannot be decoded within the limits.
            RuntimeError: no process can be started.
        """
        sides = (side, middle) if middle else (side,)
        most = self._limits.video_frames * sum(3 * side**2 for side in sides)
        self._stay()
        try:
            with self._reading:
                if self._sandbox is None:
                    self._sandbox = Sandbox(self._limits, WORKERS, WORKER)
                    await self._sandbox.__aenter__()
                reply = partial(_clip, sides=sides)
                return await self._sandbox.ask(
                    "clip", video, sides, reply, most, video=is_video(video)
                )
        finally:
            if not self._reading.count:
                self._stay()
                loop = asyncio.get_running_loop()
                self._resting = loop.call_later(self._idle, self._rest)

    def _stay(self) -> None:
        if self._resting:
            self._resting.cancel()

    def _rest(self) -> None:
        if self._sandbox:
            ending = asyncio.create_task(self._sandbox.__aexit__(None, None, None))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._sandbox = None


def _clip(fields: Fields, body: bytearray, sides: Sequence[int]) -> Clip:
    # A video may have taken over the process: what it says is checked.
    numbers = [fields["aspect"], fields["seconds"], fields["duration"]]
    thousandths = [*numbers, *fields["times"], *fields["starts"]]
    if not all(type(number) is int and 0 <= number < 2**40 for number in thousandths):
        raise ValueError("a time that no video has")
    aspect, seconds, duration, *both = (number / 1000 for number in thousandths)
    times, starts = both[: len(fields["times"])], both[len(fields["times"]) :]
    if not aspect:
        raise ValueError("frames of no width")
    if not times or times != sorted(times) or starts != sorted(starts):
        raise ValueError("frames in no order")
    if any(start > time for start, time in zip(starts, times, strict=True)):
        raise ValueError("a frame before what it shows")
    found, start = list[list[Pixels]](), 0
    for side in sides:
        shape = (len(times), side, side, 3)
        size = int(np.prod(shape))
        found.append(list(np.frombuffer(body, np.uint8, size, start).reshape(shape)))
        start += size
    if start != len(body):
        raise ValueError("more pixels than requested")
    squares, middles = found[0], found[1] if found[1:] else []
    return Clip(seconds, duration, times, starts, squares, middles, aspect)
