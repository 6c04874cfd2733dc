"""When a video changes most between two of the frames that are used.

Most frames between them are decoded anyway. A few points of each say when the scene was cut, which
may be half a second before the next frame that is used, and more in a long video.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

POINTS = 16  # of a frame, across and down
# Seconds. A first frame that begins sooner than this is treated as beginning at 0: frames may be
# reordered, and encoders put a little silence before the sound.
SOON = 0.25

Points = npt.NDArray[np.integer]  # a few pixels of a frame, at the same places of each


class Changes:
    """Notes frames one after another, whether they are used or not."""

    def __init__(self) -> None:
        """Start with no frame."""
        self._before: npt.NDArray[np.int32] | None = None
        self._found: list[tuple[float, float]] = []

    def note(self, seconds: float, points: Points) -> None:
        """Note a frame: when it begins, and how bright it is at some points."""
        here, before, size = points.astype(np.int32), self._before, np.inf
        if before is not None and before.shape == here.shape:
            size = float(np.abs(here - before).mean())
        self._found.append((seconds, size))
        self._before = here

    def starts(self, times: Sequence[float]) -> list[float]:
        """Return, for each frame that is used, when the video changed most since the one before.

        Args:
            times: when each of them begins, in their order, at least one.
        """
        found = sorted(self._found)
        seconds, sizes = [one for one, _ in found], [size for _, size in found]
        begun = min((times[0], *seconds[:1]))
        starts = [begun if begun >= SOON else 0.0]
        for one, following in pairwise(times):
            between = range(bisect_right(seconds, one), bisect_right(seconds, following))
            largest = max(between, key=sizes.__getitem__, default=None)
            starts.append(following if largest is None else seconds[largest])
        return starts
