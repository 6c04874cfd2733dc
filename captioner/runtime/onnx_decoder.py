"""One step of an exported decoder, run by ONNX Runtime on the CPU."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from captioner.runtime import protocols
from captioner.runtime.protocols import Candidates, Floats, Ids

onnxruntime.disable_telemetry_events()  # some builds report their use to Microsoft

ATTENTION = "attention"  # the decoder's output of its attention weights
QUERY = "query"  # the decoder's output from which they are computed, if there are none

Memory = protocols.Memory[Floats]


class OnnxState:
    """The state of a search as NumPy arrays; see `protocols.DecoderState`."""

    def __init__(
        self, decoder: onnxruntime.InferenceSession, memory: Memory, vocabulary_size: int
    ) -> None:
        """Begin before the first word.

        Args:
            decoder: the session of a step.
            memory: of the photos.
            vocabulary_size: the number of words.
        """
        self._decoder, self._state = decoder, memory.start
        self._vocabulary_size = vocabulary_size
        self._rows = 1  # of each photo
        self._memory = {"regions": memory.regions}
        if "keys" in (value.name for value in decoder.get_inputs()):
            self._memory["keys"] = memory.keys
        self._after = [f"after{index}" for index in range(len(memory.start))]

    def step(self, tokens: Ids, parents: Ids, count: int) -> Candidates:
        """Predict the next word of every row; see `protocols.DecoderState`."""
        count = min(count, self._vocabulary_size)
        return Candidates(*self.advance(tokens, parents, count, ["ids", "logprobs"]))

    def advance(
        self, tokens: Ids, parents: Ids, count: int, outputs: Sequence[str]
    ) -> list[npt.NDArray[Any]]:
        """Take a step, and return some outputs of the graph."""
        if len(parents) < len(self._memory["regions"]):
            photos = parents[:, 0] // self._rows
            self._memory = {name: array[photos] for name, array in self._memory.items()}
        self._rows = tokens.shape[1]
        inputs = self.words_in(tokens, count) | self._memory
        for index, part in enumerate(self._state):
            inputs[f"state{index}"] = part.reshape(-1, part.shape[-1])[parents]
        results: list[npt.NDArray[Any]] = self._decoder.run([*outputs, *self._after], inputs)
        self._state = tuple(results[len(outputs) :])
        return results[: len(outputs)]

    def words_in(self, tokens: Ids, count: int) -> dict[str, npt.NDArray[Any]]:
        """Return how a step is told the last words, and how many words to return."""
        return {"tokens": tokens, "count": np.array([count], np.int64)}


def attention(
    decoder: onnxruntime.InferenceSession, state: OnnxState, tokens: Ids, memory: Memory
) -> Floats | None:
    """Return where sentences look; see `protocols.Network`.

    Args:
        decoder: the session of a step.
        state: before the first word.
        tokens: of the sentences.
        memory: of the photos.
    """
    outputs = {value.name for value in decoder.get_outputs()} & {ATTENTION, QUERY}
    if not outputs:
        return None
    (output,) = outputs
    parents = np.arange(len(tokens)).repeat(tokens.shape[1]).reshape(tokens.shape[:2])
    maps = []
    for words in np.moveaxis(tokens, 2, 0):
        (found,) = state.advance(words, parents, 1, [output])
        parents = np.arange(parents.size).reshape(parents.shape)
        maps.append(found if output == ATTENTION else _weights(found, memory.keys))
    return np.stack(maps, axis=2)


def _weights(query: Floats, keys: Floats) -> Floats:
    """Compute scaled dot-product attention, the mean of its heads.

    Args:
        query: `(photos, rows, hidden)`.
        keys: `(photos, heads, regions, hidden / heads)`.

    Returns:
        weights `(photos, rows, regions)`.
    """
    photos, heads, _, width = keys.shape
    queries = query.reshape(photos, -1, heads, width).swapaxes(1, 2)
    scores = queries @ keys.swapaxes(2, 3) * np.float32(width**-0.5)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).mean(1)


def session(graph: npt.NDArray[np.uint8], threads: int) -> onnxruntime.InferenceSession:
    """Start a session on the CPU.

    Args:
        graph: the bytes of an ONNX graph.
        threads: on how many it computes.

    Raises:
        RuntimeError: ONNX Runtime cannot use the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings are for developers of runtimes
    # A thread that spins while it waits takes the core from other programs on the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        started = onnxruntime.InferenceSession(
            graph.tobytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its own errors have no base class in common
        raise RuntimeError(str(error)) from error
    started._model_bytes = None  # kept for a start on other hardware, and as large as the weights
    return started
