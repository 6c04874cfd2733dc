"""What a CUDA device is told once: all kernels of the encoder as one graph for a size of batch.

Launched one by one, the kernels of a ResNet and a few photos take longer to launch than to run.
Sizes of batches are rounded up to powers of two, so that a handful of graphs serve all.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from captioner.model import Memory
from captioner.runtime.protocols import Squares

See = Callable[[torch.Tensor], Memory]  # of photos (batch, 3, size, size), uint8, on the device


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    pinned: torch.Tensor  # (batch, size, size, 3), uint8, in memory that the device reads itself
    photos: torch.Tensor  # the same on the device
    memory: Memory  # what the graph writes


class Graphs:
    """Sees batches of photos by graphs that are captured when a size of batch first comes."""

    def __init__(self, see: See, device: str) -> None:
        """Capture nothing yet.

        Args:
            see: what is captured; it must do the same work at every call.
            device: a CUDA device.
        """
        self._see, self._device = see, device
        self._captured: dict[int, _Captured] = {}

    def __call__(self, photos: Squares) -> Memory:
        """See photos; what is returned is the caller's own."""
        count = len(photos)
        size = rounded_up(count)
        if size not in self._captured:
            self._captured[size] = self._capture(size, photos.shape[1])
        graph, pinned, copies, memory = self._captured[size]
        # The decoder reads the end of the batch before, so its copy has left the pinned memory.
        pinned[:count] = torch.from_numpy(photos)
        copies.copy_(pinned, non_blocking=True)
        graph.replay()
        start = tuple(part[:count].clone() for part in memory.start)
        regions, keys, seen = (
            part[:count].clone() for part in (memory.regions, memory.keys, memory.seen)
        )
        return Memory(regions, keys, start, seen)

    def forget(self) -> None:
        """Return the memory that graphs hold."""
        self._captured.clear()

    def _capture(self, size: int, side: int) -> _Captured:
        pinned = torch.zeros((size, side, side, 3), dtype=torch.uint8, pin_memory=True)
        photos = pinned.to(self._device)
        batch = photos.permute(0, 3, 1, 2)
        # Libraries set themselves up at their first calls, which no graph may hold.
        aside = torch.cuda.Stream(self._device)
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._see(batch)
        torch.cuda.current_stream(self._device).wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(graph):
            memory = self._see(batch)
        return _Captured(graph, pinned, photos, memory)


def rounded_up(count: int) -> int:
    """Return the smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
