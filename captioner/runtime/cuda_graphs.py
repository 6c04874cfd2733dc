"""CUDA graphs: all kernels of some work, which the device starts by itself.

One by one, kernels take longer to start than to run on a few photos. A graph does the same work on
the same memory each time it runs, so there is one for each size of a batch; sizes are rounded up to
powers of two, so that a handful serve all of them.

Threads that compute side by side have a stream and graphs of their own. They call CUDA in turn,
because nothing else may be called while a graph is captured; they wait for the device together.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import NamedTuple

import torch

from captioner.model import Memory
from captioner.runtime.protocols import Squares

log = logging.getLogger(__name__)

Work = Callable[[], None]  # on tensors that stay where they are
Turn = AbstractContextManager[object]  # to call CUDA; a lock
# Encodes photos (batch, 3, size, size), uint8, on the device.
Encode = Callable[[torch.Tensor], Memory]

# Libraries initialize themselves in their first calls, which a graph may not contain.
WARM_UP = 2


def captured(work: Work, device: str) -> Work:
    """Return what repeats some work as one graph; on the CPU, or if it cannot be, the work itself.

    The work is done a few times meanwhile. The current stream, which must not be the default one,
    is that on which the graph runs; no other thread may call CUDA.

    Raises:
        OutOfMemoryError: the device's memory is full.
    """
    if not device.startswith("cuda"):
        return work
    try:
        for _ in range(WARM_UP):
            work()
        torch.cuda.current_stream().synchronize()
        graph = torch.cuda.CUDAGraph()
        # Other threads may wait for their streams meanwhile.
        with torch.cuda.graph(
            graph, stream=torch.cuda.current_stream(), capture_error_mode="thread_local"
        ):
            work()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # of a driver or a library that cannot capture
        log.warning("the network runs without CUDA graphs: %s", error)
        return work
    return partial(_replay, graph, work)


def _replay(graph: torch.cuda.CUDAGraph, work: Work) -> None:
    """Run a graph; with the work all tensors are held that it reads and writes."""
    graph.replay()


class _Encoder(NamedTuple):
    run: Work
    # (batch, size, size, 3), uint8, in memory of the host that the device reads by itself.
    photos: torch.Tensor
    memory: Memory  # what a run writes


class EncoderGraphs:
    """Encodes batches of photos; a graph is captured when its size first occurs."""

    def __init__(self, encode: Encode, device: str, turn: Turn, wait: Work) -> None:
        """Capture nothing yet.

        Args:
            encode: must do the same work at every call.
            device: as PyTorch names it; CUDA, or the CPU for tests.
            turn: is taken to call CUDA.
            wait: waits until this thread's stream has finished.
        """
        self._encode, self._device = encode, device
        self._turn, self._wait = turn, wait
        self._encoders: dict[int, _Encoder] = {}

    def __call__(self, photos: Squares) -> Memory:
        """Encode photos; the caller owns what is returned."""
        count = len(photos)
        size = rounded_up(count)
        self._wait()  # until the batch before has left the host's memory
        if size not in self._encoders:
            with self._turn:
                self._encoders[size] = self._prepared(size, photos.shape[1])
        encoder = self._encoders[size]
        encoder.photos[:count] = torch.from_numpy(photos)
        with self._turn:
            encoder.run()
            start = tuple(part[:count].clone() for part in encoder.memory.start)
            regions, keys, pooled = (
                part[:count].clone()
                for part in (encoder.memory.regions, encoder.memory.keys, encoder.memory.pooled)
            )
        return Memory(regions, keys, start, pooled)

    def _prepared(self, size: int, side: int) -> _Encoder:
        photos = on_host((size, side, side, 3), torch.uint8, self._device)
        copies = photos.to(self._device)
        memory = self._encode(copies.permute(0, 3, 1, 2))
        written = (*memory.start, memory.regions, memory.keys, memory.pooled)

        def work() -> None:
            copies.copy_(photos, non_blocking=True)
            found = self._encode(copies.permute(0, 3, 1, 2))
            parts = (*found.start, found.regions, found.keys, found.pooled)
            for kept, part in zip(written, parts, strict=True):
                kept.copy_(part)

        return _Encoder(captured(work, self._device), photos, memory)


def on_host(shape: tuple[int, ...], kind: torch.dtype, device: str) -> torch.Tensor:
    """Return zeros in memory of the host that the device reads and writes by itself."""
    return torch.zeros(shape, dtype=kind, pin_memory=device.startswith("cuda"))


def rounded_up(count: int) -> int:
    """Return the smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
