"""The network as PyTorch runs it, on a GPU or the CPU.

On CUDA it computes in half precision, as checkpoints are stored, with the channels last. The
encoder and each step of a search are one graph (`captioner/runtime/cuda_graphs.py`). Each thread
has a stream of its own, so that the device encodes the next batch while this one is decoded.
"""

import copy
import threading
from contextlib import nullcontext
from pathlib import Path

import torch

from captioner.cores import cores
from captioner.languages.decoders import Decoders
from captioner.languages.file import LanguagesFile
from captioner.model import Memory, Model
from captioner.photo.preprocessing import Preprocessing
from captioner.products import multiply
from captioner.runtime.cuda_decoder import DecoderGraphs
from captioner.runtime.cuda_graphs import EncoderGraphs, Turn
from captioner.runtime.errors import UnusableError
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.protocols import DecoderState, Floats, Ids, Squares


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
        self._on_cuda = self.device.startswith("cuda")
        self.parallel, self.max_batch = (3, 256) if self._on_cuda else (1, 16)
        self._precision = torch.float16 if self._on_cuda else torch.float32
        try:
            self._model = model.to(self.device).eval()
        except (RuntimeError, AssertionError) as error:  # PyTorch has no class of its own for it
            reason = str(error).split(". ")[0]
            raise UnusableError("device", f"{self.device!r} cannot be used: {reason}") from error
        if self._on_cuda:
            self._model.encoder.fold_batch_norms()
        self._model.to(self._precision)
        if torch.get_num_threads() > cores():
            torch.set_num_threads(cores())  # PyTorch does not know a container's limit
        self._turn: Turn = threading.Lock() if self._on_cuda else nullcontext()
        self._held = _Held()
        self._decoders: Decoders | None = None  # of other languages, once one is asked for
        # By their identity, which is theirs while they are held.
        self._matrices: dict[int, tuple[Floats, torch.Tensor]] = {}

    @torch.inference_mode()
    def encode(self, photos: Squares) -> Memory:
        """Encode photos; see `protocols.Runnable`."""
        if self._on_cuda:
            return self._graphs().encoder(photos)
        return self._encode(torch.from_numpy(photos).permute(0, 3, 1, 2).to(self.device))

    @torch.inference_mode()
    def begin(self, memory: Memory) -> DecoderState:
        """Return the state before the first word; it ends the search before in this thread."""
        return self._graphs().decoder.begin(memory) if self._on_cuda else self._model.begin(memory)

    def attention(self, tokens: Ids, memory: Memory) -> Floats | None:
        """Return where sentences look; see `protocols.Network`."""
        with self._turn:
            return self._model.attention(tokens, memory)

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        with self._turn:
            return self._model.pooled_features(memory)

    def start_states(self, memory: Memory) -> Floats:
        """Return the decoder's start states; see `protocols.Runnable`."""
        with self._turn:
            return torch.cat(memory.start, dim=-1).float().cpu().numpy()

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply on the device if it is a GPU; see `protocols.Network`."""
        if not self._on_cuda:
            return multiply(rows, matrix)
        with self._turn:
            if id(matrix) not in self._matrices:
                held = torch.from_numpy(matrix).float().to(self.device)
                self._matrices[id(matrix)] = matrix, held
            product = torch.from_numpy(rows).float().to(self.device) @ self._matrices[id(matrix)][1]
            return product.cpu().numpy()

    def in_language(self, file: Path, code: str) -> LanguageNetwork[torch.Tensor]:
        """Return the decoder of another language; see `protocols.Runnable`."""
        with self._turn:
            if self._decoders is None:
                self._decoders = Decoders.load(LanguagesFile(file), self._model)
            model = self._decoders.model(code, self._model.encoder)
            start = tuple(part.detach() for part in self._decoders.start(code))
        language = copy.copy(self)
        language._model = model
        return LanguageNetwork(language, start)

    def free(self) -> None:
        """Return unused memory to the device."""
        self._held.threads = threading.local()
        if torch.cuda.is_available():
            with self._turn:
                torch.cuda.empty_cache()

    def _encode(self, photos: torch.Tensor) -> Memory:
        return self._model.encode(self._preprocessing.normalize(photos).to(self._precision))

    def _graphs(self) -> "_Graphs":
        """Return this thread's graphs, and have its work done on a stream of its own."""
        own = self._held.threads
        with self._turn:
            if not hasattr(own, "stream"):
                own.stream, own.graphs = torch.cuda.Stream(self.device), {}
                torch.cuda.set_stream(own.stream)
            graphs: dict[int, _Graphs] = own.graphs
            if id(self) not in graphs:
                graphs[id(self)] = _Graphs(self, self._turn, own.stream)
            return graphs[id(self)]


class _Held:
    """What each thread holds for a network and for its other languages.

    They share a stream, because a thread encodes with the one and decodes with another.
    """

    def __init__(self) -> None:
        self.threads = threading.local()


class _Graphs:
    """The graphs of one thread."""

    def __init__(self, network: PyTorchNetwork, turn: Turn, stream: torch.cuda.Stream) -> None:
        torch.cuda.synchronize(network.device)  # the weights have arrived
        self.encoder = EncoderGraphs(network._encode, network.device, turn, stream.synchronize)
        self.decoder = DecoderGraphs(network._model, turn, stream.synchronize)


def pick_device() -> str:
    """Return the fastest device of this machine: CUDA, then MPS, then the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
