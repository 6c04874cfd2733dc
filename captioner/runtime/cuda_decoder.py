"""The steps of a search as CUDA graphs.

What crosses between the host and the device at each step are word ids and the numbers of rows one
way, and the likeliest words the other way. The state stays on the device.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from captioner.model import Memory, Model, State
from captioner.runtime.cuda_graphs import Turn, Work, captured, on_host, rounded_up
from captioner.runtime.protocols import Candidates, Ids

COUNTS = 16  # candidates are counted in multiples of this, so that fewer graphs are captured
SMALLEST = 8  # photos: fewer take as long


class _Step(NamedTuple):
    run: Work
    # In memory of the host: (rows,) ids of the last words, and the rows that they continue.
    tokens: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]
    # In memory of the host: (rows, candidates), what a run writes.
    ids: npt.NDArray[np.int64]
    logprobs: npt.NDArray[np.float32]


class _Shape(NamedTuple):
    before: int  # rows of each photo after the step before
    rows: int  # rows of each photo
    candidates: int  # of each row


class _Batch:
    """The memory of a search for up to a number of photos, and the steps that work on it."""

    def __init__(self, model: Model, memory: Memory, size: int) -> None:
        self._model, self.size = model, size
        self._device = memory.regions.device
        self._steps: dict[_Shape, _Step] = {}
        # For each number of rows of a photo, the state after a step with as many.
        self.states: dict[int, State] = {
            1: tuple(part.new_zeros((size, *part.shape[1:])) for part in memory.start)
        }
        self.regions, self.keys = (
            part.new_zeros((size, *part.shape[1:])) for part in (memory.regions, memory.keys)
        )

    def fill(self, regions: torch.Tensor, keys: torch.Tensor, state: State, rows: int) -> None:
        """Take photos, and the state of their rows."""
        self.regions[: len(regions)].copy_(regions)
        self.keys[: len(keys)].copy_(keys)
        for part, given in zip(self.state(rows), state, strict=True):
            part[: len(given)].copy_(given)

    def state(self, rows: int) -> State:
        """Return the memory of the state with this number of rows of each photo."""
        if rows not in self.states:
            self.states[rows] = tuple(
                part.new_zeros((self.size * rows, *part.shape[1:])) for part in self.states[1]
            )
        return self.states[rows]

    def step(self, shape: _Shape) -> _Step:
        """Return a step; it is captured when its shape first occurs."""
        if shape not in self._steps:
            self._steps[shape] = self._prepared(shape)
        return self._steps[shape]

    def _prepared(self, shape: _Shape) -> _Step:
        rows = self.size * shape.rows
        device = str(self._device)
        tokens, parents = (on_host((rows,), torch.int64, device) for _ in range(2))
        ids = on_host((rows, shape.candidates), torch.int64, device)
        logprobs = on_host((rows, shape.candidates), torch.float32, device)
        before, after = self.state(shape.before), self.state(shape.rows)
        # The step uses neither the start nor the mean of the encoder's grid.
        memory = Memory(self.regions, self.keys, (), self.regions)

        def work() -> None:
            continued = parents.to(self._device, non_blocking=True)
            state = tuple(part[continued] for part in before)
            words = tokens.to(self._device, non_blocking=True)
            found, new = self._model.step(words, state, memory)
            if shape.candidates < found.shape[-1]:
                values, indices = found.topk(shape.candidates, dim=-1)
            else:
                values, indices = found.sort(dim=-1, descending=True, stable=True)
            ids.copy_(indices, non_blocking=True)
            logprobs.copy_(values, non_blocking=True)
            for kept, part in zip(after, new, strict=True):
                kept.copy_(part)

        # To capture is to take steps, but the search goes on from where it is.
        states = [(part, part.clone()) for part in (*before, *after)]
        run = captured(work, device)
        for part, kept in states:
            part.copy_(kept)
        return _Step(run, tokens.numpy(), parents.numpy(), ids.numpy(), logprobs.numpy())


class DecoderGraphs:
    """The memory and the graphs of the searches of a thread, one after the other."""

    def __init__(self, model: Model, turn: Turn, wait: Work) -> None:
        """Capture nothing yet.

        Args:
            model: on its device.
            turn: is taken to call CUDA.
            wait: waits until this thread's stream has finished.
        """
        self._model, self.turn, self.wait = model, turn, wait
        self._batches: dict[tuple[int, int], _Batch] = {}

    def begin(self, memory: Memory) -> "CudaState":
        """Return the state before the first word; it ends the search before."""
        return CudaState(self, self._model, memory)

    def batch(self, memory: Memory, photos: int) -> _Batch:
        """Return the memory for this number of photos, as many as some power of two."""
        size = max(SMALLEST, rounded_up(photos)) if photos > 1 else 1
        key = size, memory.regions.shape[1]
        if key not in self._batches:
            self._batches[key] = _Batch(self._model, memory, size)
        return self._batches[key]


class CudaState:
    """The state of a search; see `protocols.DecoderState`."""

    def __init__(self, graphs: DecoderGraphs, model: Model, memory: Memory) -> None:
        """Begin before the first word."""
        self._graphs, self._memory = graphs, memory
        self._vocabulary_size = model.config.vocabulary_size
        with graphs.turn:
            self._batch = graphs.batch(memory, len(memory.regions))
            self._batch.fill(memory.regions, memory.keys, memory.start, 1)
        self._places = np.arange(len(memory.regions))  # of each photo in the batch
        self._rows = 1  # of each photo

    @torch.inference_mode()
    def step(self, tokens: Ids, parents: Ids, count: int) -> Candidates:
        """Predict the next word of every row; see `protocols.DecoderState`."""
        photo, row = np.divmod(parents, self._rows)
        self._places = self._places[photo[:, 0]]
        rows = tokens.shape[1]
        most = min(-(-count // COUNTS) * COUNTS, self._vocabulary_size)
        with self._graphs.turn:
            self._compact()
            step = self._batch.step(_Shape(self._rows, rows, most))
        into = (self._places[:, None] * rows + np.arange(rows)).ravel()
        step.tokens[into] = tokens.ravel()
        step.parents[into] = (self._places[:, None] * self._rows + row).ravel()
        with self._graphs.turn:
            step.run()
        self._graphs.wait()
        self._rows = rows
        found = (part[into].reshape(*tokens.shape, most) for part in (step.ids, step.logprobs))
        ids, logprobs = (part[..., :count] for part in found)
        return Candidates(ids, logprobs)

    def _compact(self) -> None:
        """Move to a smaller batch if there is one with room for all photos that are left."""
        smaller = self._graphs.batch(self._memory, len(self._places))
        if smaller.size >= self._batch.size:
            return
        old, rows = self._batch, self._rows
        places = torch.from_numpy(self._places).to(old.regions.device)
        of_rows = (places[:, None] * rows + torch.arange(rows, device=places.device)).flatten()
        state = tuple(part[of_rows] for part in old.state(rows))
        smaller.fill(old.regions[places], old.keys[places], state, rows)
        self._batch, self._places = smaller, np.arange(len(self._places))
