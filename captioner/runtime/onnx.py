"""An exported network, run by ONNX Runtime on the CPU; PyTorch is not needed.

`python -m captioner export` writes it: one safetensors file beside the checkpoint that it was made
from, with two ONNX graphs as bytes, the checkpoint's metadata, and what was fitted to its photos.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from captioner.checkpoint import CheckpointError, description, read
from captioner.config import ModelConfig
from captioner.cores import cores
from captioner.runtime import protocols
from captioner.runtime.protocols import Floats, Ids, Squares

onnxruntime.disable_telemetry_events()  # its builds may tell Microsoft that they are used

FORMAT = "photo-captioner-onnx-2"
SUFFIX = ".onnx.safetensors"

Memory = protocols.Memory[Floats]
State = tuple[Floats, ...]


def beside(checkpoint: Path) -> Path:
    """Return where a checkpoint's exported network lies."""
    return checkpoint.with_suffix(SUFFIX)


def digest(checkpoint: Path) -> str:
    """Return what tells one checkpoint from another."""
    with open(checkpoint, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Exported:
    """A network in a file, and all that goes with it."""

    name = "onnx"
    device = "cpu"
    out_of_memory = MemoryError

    def __init__(self, path: Path) -> None:
        """Read the file and prepare both graphs.

        Raises:
            CheckpointError: the file is missing, damaged, or no exported network.
        """
        metadata, tensors = read(path, "np")
        self._about = description(path, metadata, tensors, FORMAT)
        self.made_from = metadata.get("checkpoint", "")
        try:
            self._encoder = _session(tensors["encoder"], cores())
            # A step is too little work to share.
            self._decoder = _session(tensors["decoder"], 1)
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path}: its graphs cannot be used ({error})") from error
        self._asked = [given.name for given in self._decoder.get_inputs()]
        self._told = [result.name for result in self._decoder.get_outputs()]
        self.vocabulary, self.preprocessing = self._about.vocabulary, self._about.preprocessing
        self.scores = self._about.scores
        self.matching, self.calibration = self._about.matching, self._about.calibration
        self.familiarity = self._about.familiarity

    @property
    def config(self) -> ModelConfig:
        """What the network was built from."""
        return self._about.config

    def encode(self, photos: Squares) -> Memory:
        """See photos."""
        regions, keys, *start, seen = self._encoder.run(None, {"photos": photos})
        return Memory(regions, keys, tuple(start), seen)

    def starts(self, memory: Memory) -> Floats:
        """Return what the decoder starts from, as `protocols.Runnable` has it."""
        return np.concatenate(memory.start, axis=-1)

    def step(
        self, tokens: Ids, state: State, memory: Memory
    ) -> tuple[Floats, State, Floats | None]:
        """Say the next word of every row, as `protocols.Network` has it."""
        batch = len(memory.start[0])
        given: dict[str, npt.NDArray[Any]] = {
            "tokens": tokens.reshape(batch, -1),
            "regions": memory.regions,
            "keys": memory.keys,
        }
        for index, part in enumerate(state):
            given[f"state{index}"] = part.reshape(batch, -1, part.shape[-1])
        results = self._decoder.run(None, {name: given[name] for name in self._asked})
        told = {
            name: result.reshape(len(tokens), -1)
            for name, result in zip(self._told, results, strict=True)
        }
        after = tuple(told[f"after{index}"] for index in range(len(state)))
        return told["logprobs"], after, told.get("looks")

    def seen(self, memory: Memory) -> Floats:
        """Return what the encoder saw of each photo, as `protocols.Network` has it."""
        return memory.seen

    def free(self) -> None:
        """Return memory that is held for later: none is."""


def _session(graph: npt.NDArray[np.uint8], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; what else it says is for those who write runtimes
    # A thread that spins while it waits takes the core from whoever shares the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        graph.tobytes(), options, providers=["CPUExecutionProvider"]
    )
