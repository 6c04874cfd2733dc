"""Ways of decoding, and what a checkpoint's captions score with each of them."""

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
from captioner.runtime.protocols import Memory, Runnable
from captioner.runtime.pytorch import PyTorchNetwork
from train.captioning import Array, read_photos, remember, say
from train.data.datasets import Dataset, Record, Split
from train.scoring.scores import Scorer, Scores


@dataclass(frozen=True)
class Decoding:
    """How a sentence is searched for; the likeliest is said."""

    beam: int  # width; 1 is greedy
    length_penalty: float | None  # None: greedy decoding has no use for one

    def options(self) -> Options:
        """Return it as `decoding.generate` takes it."""
        if self.length_penalty is None:
            return Options(beam=self.beam)
        return Options(beam=self.beam, length_penalty=self.length_penalty)

    def name(self) -> str:
        """Say it in words."""
        if self.length_penalty is None:
            return "greedy"
        return f"beam {self.beam}, length penalty {self.length_penalty:g}"


# Among equals the first is preferred, which is the cheapest.
DECODINGS = (
    Decoding(1, None),
    *(Decoding(beam, penalty) for beam in (3, 5, 7) for penalty in (0.0, 0.7, 1.0)),
)


@dataclass(frozen=True)
class Exam:
    """A split's photos and what people wrote of them, read once for all checkpoints."""

    records: Sequence[Record]
    photos: Array  # (records, 3, size, size), uint8, squeezed
    scorer: Scorer


def read_exam(dataset: Dataset, split: Split) -> Exam:
    """Read a split.

    Raises:
        DatasetError: the split is empty, or none of its photos can be read.
    """
    records, photos = read_photos(dataset.split(split), Preprocessing())
    return Exam(records, photos, Scorer({str(r.photo): r.captions for r in records}))


class Candidate:
    """A checkpoint under examination; it is read, and sees photos, once and not before it must."""

    def __init__(self, path: Path, exam: Callable[[Split], Exam], device: str) -> None:
        """Take the checkpoint's file, where exams come from, and where to compute."""
        self.path, self._exam, self._device = path, exam, device
        self._seen: dict[Split, list[Memory[Any]]] = {}

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
        """Caption the photos of a split, and score what is said."""
        metadata, _ = self.trained
        exam = self._exam(split)
        if split not in self._seen:
            self._seen[split] = remember(self._network, exam.photos)
        found = say(self._network, self._seen[split], decoding.options())
        captions = {
            str(record.photo): metadata.vocabulary.decode(hypotheses[0].tokens)
            for record, hypotheses in zip(exam.records, found, strict=True)
        }
        return exam.scorer.scores(captions, meteor=meteor)
