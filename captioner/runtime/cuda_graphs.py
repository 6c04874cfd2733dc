"""All kernels of the encoder as one CUDA graph for each batch size.

One by one, the kernels of a ResNet take longer to launch than to run on a few photos. Batch sizes
are rounded up to powers of two, so that a handful of graphs serve all of them.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from captioner.model import Memory
from captioner.runtime.protocols import Squares

# Encodes photos (batch, 3, size, size), uint8, on the device.
Encode = Callable[[torch.Tensor], Memory]


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    # (batch, size, size, 3), uint8, in pinned memory of the host, which the device reads directly.
    pinned: torch.Tensor
    photos: torch.Tensor  # the same on the device
    memory: Memory  # what the graph writes


class CudaGraphs:
    """Encodes batches of photos by graphs; each is captured when its batch size first occurs."""

    def __init__(self, encode: Encode, device: str) -> None:
        """Capture nothing yet.

        Args:
            encode: what is captured; it must do the same work at every call.
            device: a CUDA device.
        """
        self._encode, self._device = encode, device
        self._captured: dict[int, _Captured] = {}

    def __call__(self, photos: Squares) -> Memory:
        """Encode photos; the caller owns what is returned."""
        count = len(photos)
        size = rounded_up(count)
        if size not in self._captured:
            self._captured[size] = self._capture(size, photos.shape[1])
        graph, pinned, copies, memory = self._captured[size]
        # The batch before was decoded to its end, so its copy has left the pinned memory.
        pinned[:count] = torch.from_numpy(photos)
        copies.copy_(pinned, non_blocking=True)
        graph.replay()
        start = tuple(part[:count].clone() for part in memory.start)
        regions, keys, pooled = (
            part[:count].clone() for part in (memory.regions, memory.keys, memory.pooled)
        )
        return Memory(regions, keys, start, pooled)

    def forget(self) -> None:
        """Return the memory that the graphs hold."""
        self._captured.clear()

    def _capture(self, size: int, side: int) -> _Captured:
        pinned = torch.zeros((size, side, side, 3), dtype=torch.uint8, pin_memory=True)
        photos = pinned.to(self._device)
        batch = photos.permute(0, 3, 1, 2)
        # Libraries initialize themselves in their first calls, which a graph may not contain.
        side_stream = torch.cuda.Stream(self._device)
        side_stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(side_stream):
            for _ in range(3):
                self._encode(batch)
        torch.cuda.current_stream(self._device).wait_stream(side_stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(graph):
            memory = self._encode(batch)
        return _Captured(graph, pinned, photos, memory)


def rounded_up(count: int) -> int:
    """Return the smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
