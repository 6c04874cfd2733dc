"""Ways of decoding, and the scores of a checkpoint's captions with each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.model import Model
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.protocols import Memory, Runnable, Squares
from captioner.runtime.pytorch import PyTorchNetwork
from train.captioning import best_captions, decode_all, encode_all
from train.data.datasets import Dataset, Split
from train.data.photos import read_photos
from train.scoring.scores import Scorer, Scores


@dataclass(frozen=True)
class Decoding:
    """How the search finds a caption; the likeliest one is taken."""

    beam: int  # width; 1 is greedy
    length_penalty: float | None  # None: greedy decoding has no use for one

    def options(self) -> Options:
        """Return the options for `captioner.decoding.generate.generate`."""
        if self.length_penalty is None:
            return Options(beam=self.beam)
        return Options(beam=self.beam, length_penalty=self.length_penalty)

    def name(self) -> str:
        """Describe it in words."""
        if self.length_penalty is None:
            return "greedy"
        return f"beam {self.beam}, length penalty {self.length_penalty:g}"


# Of several with the same score the first is chosen, which is the cheapest.
DECODINGS = (
    Decoding(1, None),
    *(Decoding(beam, penalty) for beam in (3, 5, 7) for penalty in (0.0, 0.7, 1.0)),
)


@dataclass(frozen=True)
class EvaluationSet:
    """The photos of a split and their reference captions."""

    names: Sequence[str]
    photos: Squares  # (names, size, size, 3), uint8, squeezed
    scorer: Scorer


ReadEvaluationSet = Callable[[Split, Preprocessing], EvaluationSet]


def read_evaluation_set(
    dataset: Dataset, split: Split, preprocessing: Preprocessing
) -> EvaluationSet:
    """Read a split, with its photos preprocessed as a checkpoint wants them.

    Raises:
        DatasetError: the split is empty, or none of its photos can be read.
    """
    records, photos = read_photos(dataset.split(split), preprocessing)
    references = {str(record.photo): record.captions for record in records}
    return EvaluationSet(list(references), photos, Scorer(references))


class Candidate:
    """A checkpoint to be scored; it is loaded, and encodes photos, once and only when needed."""

    def __init__(self, path: Path, read: ReadEvaluationSet, device: str) -> None:
        """Take the checkpoint's file, what reads evaluation sets, and where to compute."""
        self.path, self._read, self._device = path, read, device
        self._encoded: dict[Split, list[Memory[Any]]] = {}

    @cached_property
    def trained(self) -> tuple[Metadata, Model]:
        """The checkpoint, as `checkpoint.load` reads it.

        Raises:
            CheckpointError: it cannot be read.
        """
        return checkpoint.load(self.path)

    @cached_property
    def _network(self) -> Runnable[Any]:
        metadata, model = self.trained
        return PyTorchNetwork(model, metadata.preprocessing, self._device)

    def scores(self, split: Split, decoding: Decoding, *, meteor: bool) -> Scores:
        """Caption the photos of a split, and score the captions."""
        metadata, _ = self.trained
        evaluation_set = self._read(split, metadata.preprocessing)
        if split not in self._encoded:
            photos = evaluation_set.photos
            self._encoded[split] = list(encode_all(self._network, photos, len(photos)))
        found = decode_all(
            self._network,
            self._encoded[split],
            decoding.options(),
            small_words=metadata.small_words,
        )
        captions = best_captions(found, metadata.vocabulary)
        by_name = dict(zip(evaluation_set.names, captions, strict=True))
        return evaluation_set.scorer.scores(by_name, meteor=meteor)
