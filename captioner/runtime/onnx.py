"""An exported network, run by ONNX Runtime on the CPU; PyTorch is not needed.

`python -m captioner export` writes it: one safetensors file in the folder of the checkpoint that it
was made from, with two ONNX graphs as bytes, and the checkpoint's metadata.
"""

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from captioner.checkpoint import CheckpointError, Metadata, check_path, digest, parse, read
from captioner.cores import cores
from captioner.products import multiply
from captioner.runtime import protocols
from captioner.runtime.protocols import Candidates, Floats, Ids, Squares

onnxruntime.disable_telemetry_events()  # some builds report their use to Microsoft

FORMAT = "photo-captioner-onnx-3"
ATTENTION = "attention"  # the decoder's output of its attention weights
QUERY = "query"  # the decoder's output from which they are computed, if there are none

Memory = protocols.Memory[Floats]


class OnnxNetwork:
    """The encoder and one step of the decoder, each an ONNX Runtime session."""

    name = "onnx"
    device = "cpu"
    max_batch = 16
    out_of_memory = MemoryError

    def __init__(
        self,
        encoder: npt.NDArray[np.uint8],
        decoder: npt.NDArray[np.uint8],
        vocabulary_size: int,
    ) -> None:
        """Start both sessions.

        Args:
            encoder: the bytes of its ONNX graph; see `captioner.export.encoder`.
            decoder: likewise; see `captioner.export.decoder`.
            vocabulary_size: the number of words.

        Raises:
            RuntimeError: ONNX Runtime cannot use a graph.
        """
        # A photo alone has all cores. Batches side by side share them: what one leaves idle between
        # layers and in the decoder, another uses.
        self.parallel = cores()
        self._encoder = session(encoder, self.parallel)
        self._decoder = session(decoder, 1)  # a step is too little work to share
        self._vocabulary_size = vocabulary_size

    def encode(self, photos: Squares) -> Memory:
        """Encode photos; see `protocols.Runnable`."""
        # One by one takes as long and little memory: the layers' outputs stay in the cores' caches.
        one_by_one = [self._encoder.run(None, {"photos": photo[None]}) for photo in photos]
        regions, keys, *start, pooled = map(np.concatenate, zip(*one_by_one, strict=True))
        return Memory(regions, keys, tuple(start), pooled)

    def start_states(self, memory: Memory) -> Floats:
        """Return the decoder's start states; see `protocols.Runnable`."""
        return np.concatenate(memory.start, axis=-1)

    def begin(self, memory: Memory) -> "OnnxState":
        """Return the state before the first word; see `protocols.Network`."""
        return OnnxState(self._decoder, memory, self._vocabulary_size)

    def attention(self, tokens: Ids, memory: Memory) -> Floats | None:
        """Return where sentences look; see `protocols.Network`."""
        outputs = {value.name for value in self._decoder.get_outputs()} & {ATTENTION, QUERY}
        if not outputs:
            return None
        (output,) = outputs
        state = self.begin(memory)
        parents = np.arange(len(tokens)).repeat(tokens.shape[1]).reshape(tokens.shape[:2])
        maps = []
        for words in np.moveaxis(tokens, 2, 0):
            (found,) = state.advance(words, parents, 1, [output])
            parents = np.arange(parents.size).reshape(parents.shape)
            maps.append(found if output == ATTENTION else _weights(found, memory.keys))
        return np.stack(maps, axis=2)

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return memory.pooled

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply on one core; see `protocols.Network`."""
        return multiply(rows, matrix)

    def free(self) -> None:
        """Return unused memory to the system; see `protocols.Runnable`."""
        with suppress(AttributeError, OSError, TypeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)


class OnnxState:
    """The state of a search as NumPy arrays; see `protocols.DecoderState`."""

    def __init__(
        self, decoder: onnxruntime.InferenceSession, memory: Memory, vocabulary_size: int
    ) -> None:
        """Begin before the first word."""
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
        inputs = {"tokens": tokens, "count": np.array([count], np.int64), **self._memory}
        for index, part in enumerate(self._state):
            inputs[f"state{index}"] = part.reshape(-1, part.shape[-1])[parents]
        results: list[npt.NDArray[Any]] = self._decoder.run([*outputs, *self._after], inputs)
        self._state = tuple(results[len(outputs) :])
        return results[: len(outputs)]


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


def load(path: Path, checkpoint: Path | None = None) -> tuple[Metadata, OnnxNetwork]:
    """Read an exported network.

    Args:
        path: of its file; see `exported_path`.
        checkpoint: the file that it must have been exported from; not checked if None.

    Raises:
        CheckpointError: the file is missing, damaged, not an exported network, or exported from
            another checkpoint.
    """
    if checkpoint:
        check_path(checkpoint)
        if not os.path.exists(path):
            reason = "there is no such file; python -m captioner export writes it"
            raise CheckpointError(path, reason)
    with ThreadPoolExecutor(1) as beside:  # on a core of its own
        original = beside.submit(digest, checkpoint) if checkpoint else None
        header, tensors = read(path, "np")
        metadata = parse(path, header, tensors, FORMAT)
    if original and header.get("checkpoint") != original.result():
        raise CheckpointError(
            path, "it was made from another checkpoint; run python -m captioner export"
        )
    size = metadata.config.vocabulary_size
    try:
        network = OnnxNetwork(tensors.pop("encoder"), tensors.pop("decoder"), size)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(path, f"its graphs cannot be used ({error})") from error
    network.free()  # its graphs are as large as what is made from them
    return metadata, network


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
