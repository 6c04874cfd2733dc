"""An exported network, run by ONNX Runtime on the CPU; PyTorch is not needed.

`python -m captioner export` writes it: one safetensors file in the folder of the checkpoint that it
was made from, with two ONNX graphs as bytes, and the checkpoint's metadata.
"""

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from captioner.checkpoint import CheckpointError, Metadata, check_path, digest, parse, read
from captioner.cores import cores
from captioner.languages.file import LanguagesFile
from captioner.products import multiply
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.onnx_decoder import Memory, OnnxState, attention, session
from captioner.runtime.onnx_languages import OnnxLanguages
from captioner.runtime.protocols import Floats, Ids, Squares

FORMAT = "photo-captioner-onnx-3"


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
        self.parallel = cores()
        # A photo alone has all cores. Batches side by side have one each: threads that wait for one
        # another at each layer would take a tenth more of the cores' time.
        self._alone, self._beside = session(encoder, self.parallel), session(encoder, 1)
        self._encoding, self._count = 0, threading.Lock()  # batches that are being encoded
        self._decoder = session(decoder, 1)  # a step is too little work to share
        self._vocabulary_size = vocabulary_size
        self._languages: OnnxLanguages | None = None  # others, once one is asked for

    def encode(self, photos: Squares) -> Memory:
        """Encode photos; see `protocols.Runnable`."""
        with self._count:
            self._encoding += 1
            alone = self._encoding == len(photos) == 1
        encoder = self._alone if alone else self._beside
        try:
            # One by one takes as long and little memory: the layers' outputs stay in the caches.
            one_by_one = [encoder.run(None, {"photos": photo[None]}) for photo in photos]
        finally:
            with self._count:
                self._encoding -= 1
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
        return attention(self._decoder, self.begin(memory), tokens, memory)

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return memory.pooled

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply on one core; see `protocols.Network`."""
        return multiply(rows, matrix)

    def in_language(self, file: Path, code: str) -> LanguageNetwork[Floats]:
        """Return the decoder of another language; see `protocols.Runnable`."""
        if self._languages is None:
            self._languages = OnnxLanguages(LanguagesFile(file))
        return self._languages.network(code)

    def free(self) -> None:
        """Return unused memory to the system; see `protocols.Runnable`."""
        with suppress(AttributeError, OSError, TypeError):  # another C library than GNU's
            ctypes.CDLL(None).malloc_trim(0)


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
