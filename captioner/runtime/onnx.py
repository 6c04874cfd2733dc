"""An exported network, run by ONNX Runtime on the CPU; PyTorch is not needed.

`python -m captioner export` writes it: one safetensors file in the folder of the checkpoint that it
was made from, with two ONNX graphs as bytes, and the checkpoint's metadata.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from captioner.checkpoint import CheckpointError, Metadata, check_path, digest, parse, read
from captioner.cores import cores
from captioner.runtime import protocols
from captioner.runtime.protocols import Floats, Ids, Squares

onnxruntime.disable_telemetry_events()  # some builds report their use to Microsoft

FORMAT = "photo-captioner-onnx-2"
ATTENTION = "looks"  # what the graph calls the attention weights; files keep their names

Memory = protocols.Memory[Floats]
State = tuple[Floats, ...]


class OnnxNetwork:
    """The encoder and one step of the decoder, each an ONNX Runtime session."""

    name = "onnx"
    device = "cpu"
    out_of_memory = MemoryError

    def __init__(self, encoder: npt.NDArray[np.uint8], decoder: npt.NDArray[np.uint8]) -> None:
        """Start both sessions.

        Args:
            encoder: the bytes of its ONNX graph; see `captioner.export.networks`.
            decoder: likewise.

        Raises:
            RuntimeError: ONNX Runtime cannot use a graph.
        """
        self._encoder = session(encoder, cores())
        self._decoder = session(decoder, 1)  # a step is too little work to share
        self._inputs = [value.name for value in self._decoder.get_inputs()]
        self._outputs = [value.name for value in self._decoder.get_outputs()]

    def encode(self, photos: Squares) -> Memory:
        """Encode photos; see `protocols.Runnable`."""
        regions, keys, *start, pooled = self._encoder.run(None, {"photos": photos})
        return Memory(regions, keys, tuple(start), pooled)

    def start_states(self, memory: Memory) -> Floats:
        """Return the decoder's start states; see `protocols.Runnable`."""
        return np.concatenate(memory.start, axis=-1)

    def step(
        self, tokens: Ids, state: State, memory: Memory
    ) -> tuple[Floats, State, Floats | None]:
        """Predict the next word of every row; see `protocols.Network`."""
        batch = len(memory.start[0])
        inputs: dict[str, npt.NDArray[Any]] = {
            "tokens": tokens.reshape(batch, -1),
            "regions": memory.regions,
            "keys": memory.keys,
        }
        for index, part in enumerate(state):
            inputs[f"state{index}"] = part.reshape(batch, -1, part.shape[-1])
        results = self._decoder.run(None, {name: inputs[name] for name in self._inputs})
        outputs = {
            name: result.reshape(len(tokens), -1)
            for name, result in zip(self._outputs, results, strict=True)
        }
        after = tuple(outputs[f"after{index}"] for index in range(len(state)))
        return outputs["logprobs"], after, outputs.get(ATTENTION)

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return memory.pooled

    def free(self) -> None:
        """Return unused memory: this runtime keeps none."""


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
    header, tensors = read(path, "np")
    metadata = parse(path, header, tensors, FORMAT)
    if checkpoint and header.get("checkpoint") != digest(checkpoint):
        raise CheckpointError(
            path, "it was made from another checkpoint; run python -m captioner export"
        )
    try:
        return metadata, OnnxNetwork(tensors["encoder"], tensors["decoder"])
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(path, f"its graphs cannot be used ({error})") from error


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
        return onnxruntime.InferenceSession(
            graph.tobytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its own errors have no base class in common
        raise RuntimeError(str(error)) from error
