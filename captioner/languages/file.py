"""The file of the decoders for other languages: what they share, and each language's own.

`weights/languages.safetensors` belongs to one checkpoint, whose encoder it needs. Its header is
read to know the languages; their words are read when a language is first asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from captioner.checkpoint import CheckpointError, Metadata
from captioner.confidence import Calibration
from captioner.files import replacing
from captioner.languages.orthography import written
from captioner.matching import Matching
from captioner.vocabulary import Vocabulary

Floats = npt.NDArray[np.float32]

FORMAT = "photo-captioner-languages-1"
_SHARED = "shared."


@dataclass(frozen=True, eq=False)
class Table:
    """A row of numbers for each word, in 8 bits, each row with a scale of its own."""

    levels: npt.NDArray[np.int8]  # (words, size)
    scales: Floats  # (words,)

    @classmethod
    def of(cls, rows: Floats) -> "Table":
        """Round rows `(words, size)`."""
        scales = np.maximum(np.abs(rows).max(-1), 1e-12).astype(np.float32) / 127
        return cls(np.rint(rows / scales[:, None]).astype(np.int8), scales.astype(np.float32))

    def rows(self, words: npt.NDArray[np.int64]) -> Floats:
        """Look up the rows of words of any shape: `(..., size)`."""
        return self.levels[words] * self.scales[words][..., None]

    def all(self) -> Floats:
        """Return the rows of all words: `(words, size)`."""
        return self.levels * self.scales[:, None]


@dataclass(frozen=True, eq=False)
class Words:
    """What the decoder of one language has of its own."""

    embedding: Table  # of the words; it both reads and predicts them
    bias: Floats  # (words,), of the prediction
    start: Floats  # (size,), what is added to the decoder's start state, its parts in turn


@dataclass(frozen=True, eq=False)
class Language:
    """One language: what it is saved from."""

    metadata: Metadata  # with its vocabulary, and what was fitted
    words: Words


class LanguagesFile:
    """The decoders of a checkpoint for other languages."""

    def __init__(self, path: Path) -> None:
        """Read the header.

        Raises:
            CheckpointError: the file is missing, damaged, or not what it should be.
        """
        self.path = path
        header = self._header
        if header.get("format") != FORMAT:
            raise CheckpointError(path, f"its metadata must name format {FORMAT!r}")
        self.checkpoint = header.get("checkpoint", "")  # the `digest` of the file it belongs to
        self.codes = tuple(header.get("languages", "").split())

    def shared(self) -> dict[str, Floats]:
        """Return the weights that all languages share, as `languages.decoders` names them."""
        found = self._tensors([name for name in self._names if name.startswith(_SHARED)])
        return {
            name.removeprefix(_SHARED): array.astype(np.float32) for name, array in found.items()
        }

    def words(self, code: str) -> Words:
        """Return what a language has of its own."""
        found = self._of(code, "embedding", "scales", "bias", "start")
        bias, start = (found[name].astype(np.float32) for name in ("bias", "start"))
        return Words(Table(found["embedding"], found["scales"]), bias, start)

    def vocabulary(self, code: str) -> Vocabulary:
        """Return the words of a language.

        Raises:
            CheckpointError: they cannot be read.
        """
        try:
            return Vocabulary(json.loads(self._header[code])["vocabulary"], written(code))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(self.path, f"unreadable words of {code} ({error!r})") from error

    def metadata(self, code: str, checkpoint: Metadata) -> Metadata:
        """Return what is known of a language.

        Args:
            code: of the language.
            checkpoint: the metadata of the checkpoint that this file belongs to.

        Raises:
            CheckpointError: it cannot be read.
        """
        try:
            header = json.loads(self._header[code])
            vocabulary = Vocabulary(header["vocabulary"], written(code))
            calibration = header["calibration"]
            return replace(
                checkpoint,
                config=replace(checkpoint.config, vocabulary_size=len(vocabulary)),
                vocabulary=vocabulary,
                training=header["training"],
                scores=header["scores"],
                matching=self._matching(code, checkpoint.matching),
                calibration=calibration and Calibration(**calibration),
                language=code,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                self.path, f"unreadable metadata of {code} ({error!r})"
            ) from error

    def _matching(self, code: str, checkpoint: Matching | None) -> Matching | None:
        if checkpoint is None or f"{code}.matching" not in self._names:
            return None
        found = self._of(code, "matching", "matching_scales")
        words = Table(found["matching"], found["matching_scales"]).all()
        return Matching(checkpoint.weight, checkpoint.bias, words.astype(np.float16))

    def _of(self, code: str, *names: str) -> dict[str, npt.NDArray[Any]]:
        found = self._tensors([f"{code}.{name}" for name in names])
        return {name.removeprefix(f"{code}."): array for name, array in found.items()}

    @cached_property
    def _header(self) -> dict[str, str]:
        return read_header(self.path)

    @cached_property
    def _names(self) -> frozenset[str]:
        with _opened(self.path) as file:
            return frozenset(file.keys())

    def _tensors(self, names: list[str]) -> dict[str, npt.NDArray[Any]]:
        return read_tensors(self.path, names)


def read_header(path: Path) -> dict[str, str]:
    """Return a file's header, and nothing of its tensors.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    with _opened(path) as file:
        header: dict[str, str] = file.metadata() or {}
        return header


def read_tensors(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return some tensors of a file by their names; the others are not read.

    Raises:
        CheckpointError: one is missing, or the file is damaged.
    """
    try:
        with _opened(path) as file:
            return {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged ({error})") from error


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="np")
    except FileNotFoundError as error:
        raise CheckpointError(path, "there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged, or not a safetensors file ({error})") from error


def save(
    path: Path, checkpoint: str, shared: Mapping[str, Floats], languages: Mapping[str, Language]
) -> None:
    """Write the file; it appears whole or not at all.

    Args:
        path: of the file.
        checkpoint: the `digest` of the checkpoint that it belongs to.
        shared: the weights that all languages share; they are written in half precision.
        languages: by their codes.
    """
    header = {"format": FORMAT, "checkpoint": checkpoint, "languages": " ".join(languages)}
    tensors: dict[str, npt.NDArray[Any]] = {
        f"{_SHARED}{name}": array.astype(np.float16) for name, array in shared.items()
    }
    for code, language in languages.items():
        metadata, words = language.metadata, language.words
        header[code] = json.dumps(
            {
                "vocabulary": metadata.vocabulary.words,
                "training": metadata.training,
                "scores": metadata.scores,
                "calibration": metadata.calibration and asdict(metadata.calibration),
            },
            ensure_ascii=False,
        )
        own: dict[str, npt.NDArray[Any]] = {
            "embedding": words.embedding.levels,
            "scales": words.embedding.scales,
            "bias": words.bias.astype(np.float16),
            "start": words.start.astype(np.float16),
        }
        if metadata.matching:
            table = Table.of(metadata.matching.words.astype(np.float32))
            own |= {"matching": table.levels, "matching_scales": table.scales}
        tensors |= {f"{code}.{name}": array for name, array in own.items()}
    with replacing(path) as part:
        part.write_bytes(serialize(tensors, header))
