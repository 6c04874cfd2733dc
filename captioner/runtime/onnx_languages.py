"""The decoders for other languages as ONNX Runtime runs them.

`languages.onnx.safetensors` has the graph of a step that all languages share, and for each the
graph that turns a step's features into its likeliest words. Words are looked up in the table of
`languages.safetensors`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from captioner.checkpoint import CheckpointError, digest, exported_path
from captioner.languages.file import LanguagesFile, Table, read_header, read_tensors
from captioner.products import multiply
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.onnx_decoder import Memory, OnnxState, attention, session
from captioner.runtime.protocols import Candidates, Floats, Ids

FORMAT = "photo-captioner-languages-onnx-1"
STEP = "step"
FEATURES = "features"  # what the graph of a step returns, and that of words takes


class OnnxLanguages:
    """The exported decoders of a checkpoint's languages."""

    def __init__(self, file: LanguagesFile) -> None:
        """Start the step that they share.

        Raises:
            CheckpointError: there is no export of this file, or it cannot be used.
        """
        self._file, self._path = file, exported_path(file.path)
        header = read_header(self._path)
        if (header.get("format"), header.get("languages")) != (FORMAT, digest(file.path)):
            reason = "it was made from another file; run python -m captioner export --languages"
            raise CheckpointError(self._path, reason)
        self._step = self._session(STEP)

    def network(self, code: str) -> LanguageNetwork[Floats]:
        """Return the decoder of a language.

        Raises:
            CheckpointError: its graph cannot be used.
        """
        words = self._file.words(code)
        language = OnnxLanguage(self._step, self._session(code), words.embedding)
        parts = sum(value.name.startswith("state") for value in self._step.get_inputs())
        return LanguageNetwork(language, tuple(np.split(words.start, parts)))

    def _session(self, name: str) -> onnxruntime.InferenceSession:
        try:
            return session(read_tensors(self._path, [name])[name], 1)
        except RuntimeError as error:
            raise CheckpointError(self._path, f"a graph cannot be used ({error!r})") from error


class OnnxLanguage:
    """The decoder of one language; see `protocols.Network`."""

    def __init__(
        self,
        step: onnxruntime.InferenceSession,
        words: onnxruntime.InferenceSession,
        embedding: Table,
    ) -> None:
        """Take a step that all languages share, and the words of one."""
        self._step, self._words, self._embedding = step, words, embedding

    def begin(self, memory: Memory) -> "LanguageState":
        """Return the state before the first word; see `protocols.Network`."""
        return LanguageState(self._step, self._words, self._embedding, memory)

    def attention(self, tokens: Ids, memory: Memory) -> Floats | None:
        """Return where sentences look; see `protocols.Network`."""
        return attention(self._step, self.begin(memory), tokens, memory)

    def pooled_features(self, memory: Memory) -> Floats:
        """Return the encoder's features of each photo; see `protocols.Network`."""
        return memory.pooled

    def multiply(self, rows: Floats, matrix: Floats) -> Floats:
        """Multiply on one core; see `protocols.Network`."""
        return multiply(rows, matrix)


class LanguageState(OnnxState):
    """The state of a search in one language."""

    def __init__(
        self,
        step: onnxruntime.InferenceSession,
        words: onnxruntime.InferenceSession,
        embedding: Table,
        memory: Memory,
    ) -> None:
        """Begin before the first word."""
        super().__init__(step, memory, len(embedding.scales))
        self._words, self._embedding = words, embedding

    def step(self, tokens: Ids, parents: Ids, count: int) -> Candidates:
        """Predict the next word of every row; see `protocols.DecoderState`."""
        (features,) = self.advance(tokens, parents, count, [FEATURES])
        most = np.array([min(count, self._vocabulary_size)], np.int64)
        found = self._words.run(["ids", "logprobs"], {FEATURES: features, "count": most})
        return Candidates(*found)

    def words_in(self, tokens: Ids, count: int) -> dict[str, npt.NDArray[Any]]:
        """Return how a step is told the last words."""
        return {"embedded": self._embedding.rows(tokens)}
