"""The served network on its own: in this process, stage by stage."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from captioner.checkpoint import Metadata
from captioner.cores import cores
from captioner.decoding.generate import generate
from captioner.options import Options
from captioner.photo.decode import picture
from captioner.reranking import Hypothesis
from captioner.result import compose
from captioner.runtime import select
from captioner.runtime.protocols import Memory, Runnable, Squares
from captioner.runtime.select import Runtime


class Bare(NamedTuple):
    """A network on its device, with its metadata."""

    metadata: Metadata
    network: Runnable[Any]

    def squeeze(self, files: Sequence[bytes]) -> Squares:
        """Decode files, as the bot's worker processes do."""
        preprocessing = self.metadata.preprocessing
        decoded = (picture(data, side=preprocessing.size) for data in files)
        return np.stack([preprocessing.squeeze(photo) for photo in decoded])

    def encode(self, squares: Squares) -> Memory[Any]:
        """Encode squeezed photos, and wait until the device has finished."""
        memory = self.network.encode(squares)
        if self.network.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()  # the call returns before a GPU has finished
        return memory

    def generate(self, memory: Memory[Any], options: Options) -> list[list[Hypothesis]]:
        """Find sentences for encoded photos, the best first."""
        metadata = self.metadata
        return generate(self.network, memory, options, metadata.matching, metadata.small_words)

    def doubtful(self, squares: Squares, options: Options) -> npt.NDArray[np.bool_]:
        """Return whose captions are doubtful, so that the bot has these photos named."""
        memory = self.encode(squares)
        unlike = np.zeros(len(squares), np.bool_)
        if detector := self.metadata.out_of_distribution:
            unlike = detector.detect(self.network.start_states(memory))
        captions = [
            compose(found, self.metadata, out_of_distribution=bool(unlike[index]))
            for index, found in enumerate(self.generate(memory, options))
        ]
        return np.array([any(one.doubtful for one in (c, *c.alternatives)) for c in captions])

    def __str__(self) -> str:
        """Name the encoder, the runtime, the device and the number of threads."""
        threads = cores()
        if self.network.name == "torch":
            import torch

            threads = torch.get_num_threads()
        place = f"{self.network.name} on {self.network.device}"
        return f"{self.metadata.config.encoder}, {place}, {threads} thread{'s' * (threads > 1)}"


def open_bare(
    path: Path, device: str = "auto", runtime: Runtime = "auto", threads: int | None = None
) -> Bare:
    """Read a checkpoint or what was exported from it, as `runtime.select.load` chooses.

    Args:
        path: the checkpoint.
        device: as PyTorch names it, or "auto".
        runtime: the runtime to use.
        threads: of the encoder, and in PyTorch of the decoder too; None means one per core.

    Raises:
        CheckpointError: a file is missing, damaged, or not of the expected kind.
        UnusableError: the device or the runtime cannot be used.
    """
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # `cores` obeys it
    metadata, network = select.load(path, device, runtime)
    if threads and network.name == "torch":
        import torch

        torch.set_num_threads(threads)
    return Bare(metadata, network)
