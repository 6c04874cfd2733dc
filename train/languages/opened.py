"""A checkpoint with the decoders of its other languages, and their captions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from captioner.checkpoint import CheckpointError, Metadata
from captioner.languages import file
from captioner.languages.file import LanguagesFile
from captioner.options import Options
from captioner.reranking import Hypothesis
from captioner.runtime import select
from captioner.runtime.protocols import Memory, Runnable
from captioner.shipped import find
from captioner.speakers import FILE, Speakers, languages_of
from train.captioning import decode_all, encode_all
from train.data.datasets import Dataset, Record, Split, read
from train.data.photos import read_photos
from train.errors import SettingError
from train.languages.captions import Captions, read_all
from train.scoring.scores import Scorer


@dataclass(frozen=True)
class Opened:
    """A checkpoint, its languages that there are captions in, and these captions."""

    path: Path  # of the checkpoint
    trained: Metadata  # of the checkpoint
    network: Runnable[Any]
    file: LanguagesFile
    speakers: Speakers
    dataset: Dataset
    captions: Mapping[str, Captions]  # by language

    def save(self, path: Path, changed: Mapping[str, Metadata]) -> None:
        """Write the languages' file, with other metadata of some languages."""
        languages = {}
        for code in self.file.codes:
            metadata = changed.get(code) or self.file.metadata(code, self.trained)
            languages[code] = file.Language(metadata, self.file.words(code))
        file.save(path, self.file.checkpoint, self.file.shared(), languages)


@dataclass(frozen=True)
class Captioned:
    """The captions of a split in one language."""

    records: Sequence[Record]
    found: Sequence[list[Hypothesis]]  # of each record
    sentences: Mapping[str, str]  # by photo
    scorer: Scorer


def open_languages(
    path: Path,
    data: Path,
    languages: Path,
    device: str,
    runtime: Literal["torch", "onnx"] = "torch",
    only: str | None = None,
) -> Opened:
    """Read a checkpoint, the decoders of its languages, and their captions.

    Args:
        path: of the checkpoint, or its name.
        data: the dataset's folder.
        languages: the folder of the captions.
        device: as PyTorch names it.
        runtime: that computes.
        only: the code of the one language that is wanted; None: all.

    Raises:
        CheckpointError: a file is missing, damaged, or of another checkpoint.
        DatasetError: the dataset or the captions cannot be read.
        SettingError: there is no such language.
    """
    found = find(path)
    trained, network = select.load(found, device, runtime)
    decoders = languages_of(found)
    if decoders is None:
        reason = f"there is no {FILE} of this checkpoint in its folder"
        raise CheckpointError(found, reason)
    dataset = read(data)
    captions = {
        code: one
        for code, one in read_all(languages, dataset).items()
        if code in decoders.codes and only in (None, code)
    }
    if not captions:
        known = ", ".join(decoders.codes)
        raise SettingError("--language", only, f"one that it has captions in, and of {known}")
    speakers = Speakers(trained, network, decoders)
    return Opened(found, trained, network, decoders, speakers, dataset, captions)


class EncodedSplit:
    """The photos of a split, encoded once for all languages."""

    def __init__(self, opened: Opened, split: Split) -> None:
        """Read and encode the photos."""
        self._opened = opened
        self._records, photos = read_photos(
            opened.dataset.split(split), opened.trained.preprocessing
        )
        encoded = list(encode_all(opened.network, photos, len(photos)))
        self.memories: list[Memory[Any]] = encoded

    def caption(self, code: str, options: Options) -> Captioned:
        """Caption the photos that have captions in a language."""
        metadata, network = self._opened.speakers.speaker(code)
        every = decode_all(network, self.memories, options, metadata.matching, metadata.small_words)
        written = {record.photo: record for record in self._opened.captions[code].records}
        found = [
            (written[record.photo], hypotheses)
            for record, hypotheses in zip(self._records, every, strict=True)
            if record.photo in written
        ]
        records, hypotheses = zip(*found, strict=True)
        sentences = {
            str(record.photo): metadata.vocabulary.decode(best.tokens)
            for record, (best, *_) in found
        }
        references = {str(record.photo): record.captions for record in records}
        return Captioned(records, hypotheses, sentences, Scorer(references, language=code))
