"""The network as PyTorch runs it, operation by operation, on a GPU or the CPU."""

import torch

from captioner.checkpoint import Checkpoint
from captioner.config import ModelConfig
from captioner.cores import cores
from captioner.model import Memory
from captioner.network import Squares


class Eager:
    """A checkpoint's model on its device."""

    name = "torch"
    out_of_memory = torch.OutOfMemoryError

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        """Move the model.

        Raises:
            ValueError: there is no such device.
        """
        self.device = pick_device() if device == "auto" else device
        self._preprocessing = checkpoint.preprocessing
        try:
            self._model = checkpoint.model.to(self.device).eval()
        except (RuntimeError, AssertionError) as error:  # PyTorch has no class of its own for it
            reason = str(error).split(". ")[0]
            raise ValueError(f"device {self.device!r} cannot be used: {reason}") from error
        if torch.get_num_threads() > cores():
            torch.set_num_threads(cores())  # a container's limit is unknown to PyTorch
        self.step = self._model.step

    @property
    def config(self) -> ModelConfig:
        """What the model was built from."""
        return self._model.config

    @torch.inference_mode()
    def encode(self, photos: Squares) -> Memory:
        """See photos."""
        batch = torch.from_numpy(photos).permute(0, 3, 1, 2).to(self.device)
        return self._model.encode(self._preprocessing.normalize(batch))

    def free(self) -> None:
        """Return memory that is held for later."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def pick_device() -> str:
    """Return the fastest device of this machine: CUDA, then MPS, then the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
