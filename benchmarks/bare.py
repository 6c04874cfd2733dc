"""The served network on its own: in this process, stage by stage, one batch at a time."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from captioner.checkpoint import Checkpoint
from captioner.cores import cores
from captioner.decoding import generate
from captioner.matching import Matching
from captioner.options import Options
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Memory, Runnable, Squares
from captioner.runtime.select import Runtime, on_device, open_network


class Bare(NamedTuple):
    """A network on its device, with its preprocessing and its matching."""

    network: Runnable[Any]
    preprocessing: Preprocessing
    matching: Matching | None

    def squeeze(self, files: Sequence[bytes]) -> Squares:
        """Decode files, as the bot's worker processes do."""
        size, squeeze = self.preprocessing.size, self.preprocessing.squeeze
        return np.stack([squeeze(decode(data, side=size)) for data in files])

    def encode(self, squares: Squares) -> Memory[Any]:
        """Encode squeezed photos, and wait until the device has finished."""
        memory = self.network.encode(squares)
        if self.network.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()  # the call returns before a GPU has finished
        return memory

    def generate(self, memory: Memory[Any], options: Options) -> list[list[Hypothesis]]:
        """Find sentences for encoded photos, the best first."""
        return generate(self.network, memory, options, self.matching)

    def __str__(self) -> str:
        """Name the encoder, the runtime, the device and the number of threads."""
        threads = cores()
        if self.network.name == "torch":
            import torch

            threads = torch.get_num_threads()
        place = f"{self.network.name} on {self.network.device}"
        return f"{self.network.config.encoder}, {place}, {threads} thread{'s' * (threads > 1)}"


def open_bare(
    path: Path, device: str = "auto", runtime: Runtime = "auto", threads: int | None = None
) -> Bare:
    """Read a checkpoint or what was exported from it, as `open_network` chooses.

    Args:
        path: the checkpoint.
        device: as PyTorch names it, or "auto".
        runtime: the runtime to use.
        threads: of the encoder, and in PyTorch of the decoder too; None means one per core.

    Raises:
        CheckpointError: a file is missing, damaged, or not of the expected kind.
        ValueError: the device or the runtime cannot be used.
    """
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # `cores` obeys it
    found = open_network(path, device, runtime)
    if threads and isinstance(found, Checkpoint):
        import torch

        torch.set_num_threads(threads)
    return Bare(on_device(found, device), found.preprocessing, found.matching)
