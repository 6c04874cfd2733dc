"""The network as PyTorch runs it, on a GPU or the CPU.

On CUDA it computes in half precision, as checkpoints are stored, with the channels last, and the
encoder is one graph (`captioner/runtime/cuda_graphs.py`). Files are decoded in other processes
meanwhile.
"""

import logging

import torch

from captioner.cores import cores
from captioner.model import Memory, Model
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.cuda_graphs import CudaGraphs
from captioner.runtime.errors import UnusableError
from captioner.runtime.protocols import Floats, Squares

log = logging.getLogger(__name__)


class PyTorchNetwork:
    """A model on its device."""

    name = "torch"
    out_of_memory = torch.OutOfMemoryError

    def __init__(self, model: Model, preprocessing: Preprocessing, device: str = "auto") -> None:
        """Move the model to a device; "auto" is the fastest.

        Raises:
            UnusableError: there is no such device.
        """
        self.device = pick_device() if device == "auto" else device
        self._preprocessing = preprocessing
        on_cuda = self.device.startswith("cuda")
        self._precision = torch.float16 if on_cuda else torch.float32
        try:
            self._model = model.to(self.device, self._precision).eval()
        except (RuntimeError, AssertionError) as error:  # PyTorch has no class of its own for it
            reason = str(error).split(". ")[0]
            raise UnusableError("device", f"{self.device!r} cannot be used: {reason}") from error
        if torch.get_num_threads() > cores():
            torch.set_num_threads(cores())  # PyTorch does not know a container's limit
        self.begin, self.attention = self._model.begin, self._model.attention
        self.pooled_features = self._model.pooled_features
        self._graphs = CudaGraphs(self._encode, self.device) if on_cuda else None

    @torch.inference_mode()
    def encode(self, photos: Squares) -> Memory:
        """Encode photos; see `protocols.Runnable`."""
        if self._graphs:
            try:
                return self._graphs(photos)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:  # of a driver or a library that cannot capture
                log.warning("the encoder runs without a graph: %s", error)
                self._graphs = None
        return self._encode(torch.from_numpy(photos).permute(0, 3, 1, 2).to(self.device))

    def start_states(self, memory: Memory) -> Floats:
        """Return the decoder's start states; see `protocols.Runnable`."""
        return torch.cat(memory.start, dim=-1).float().cpu().numpy()

    def free(self) -> None:
        """Return unused memory to the device."""
        if self._graphs:
            self._graphs.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _encode(self, photos: torch.Tensor) -> Memory:
        return self._model.encode(self._preprocessing.normalize(photos).to(self._precision))


def pick_device() -> str:
    """Return the fastest device of this machine: CUDA, then MPS, then the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
