"""Has videos decoded in a process of their own; see `photo.sandbox`."""

from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np

from captioner.photo.decode import Limits
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Fields, Sandbox
from captioner.video.reading import Clip
from captioner.video.sampling import MOST_FRAMES

WORKER = "captioner.video.worker"
# A second video waits meanwhile: each takes a core for a second, which photos need too.
WORKERS = 1


class Clips:
    """The process that decodes videos. It starts with the first one."""

    def __init__(self, limits: Limits = Limits()) -> None:
        """Prepare; nothing runs before the first video."""
        self._limits = limits
        self._sandbox: Sandbox | None = None

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
        if self._sandbox:
            await self._sandbox.__aexit__(kind, error, trace)

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
        if self._sandbox is None:
            self._sandbox = Sandbox(self._limits, WORKERS, WORKER)
            await self._sandbox.__aenter__()
        sides = (side, middle) if middle else (side,)
        most = MOST_FRAMES * sum(3 * side**2 for side in sides)
        return await self._sandbox.ask("clip", video, sides, partial(_clip, sides=sides), most)


def _clip(fields: Fields, body: bytearray, sides: Sequence[int]) -> Clip:
    # A video may have taken over the process: what it says is checked.
    milliseconds = [fields["seconds"], fields["duration"], *fields["times"]]
    if not all(type(number) is int and 0 <= number < 2**40 for number in milliseconds):
        raise ValueError("a time that no video has")
    seconds, duration, *times = (number / 1000 for number in milliseconds)
    if not times or times != sorted(times):
        raise ValueError("frames in no order")
    found, start = list[list[Pixels]](), 0
    for side in sides:
        shape = (len(times), side, side, 3)
        size = int(np.prod(shape))
        found.append(list(np.frombuffer(body, np.uint8, size, start).reshape(shape)))
        start += size
    if start != len(body):
        raise ValueError("more pixels than requested")
    return Clip(seconds, duration, times, *found)
