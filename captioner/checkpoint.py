"""One `.safetensors` file that holds a trained model and its `Metadata`.

Tensors are stored in half precision: the weights, and what was fitted to the training photos.
Configuration, vocabulary, preprocessing, training arguments, scores and calibration are JSON in the
file's header. Nothing is ever unpickled.

PyTorch is imported only where its tensors are: an exported network carries the same metadata.
"""

import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from captioner.confidence import Calibration
from captioner.config import ModelConfig
from captioner.files import replacing
from captioner.languages.repetition import SmallWords
from captioner.matching import Matching
from captioner.out_of_distribution import OutOfDistributionDetector
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from captioner.model import Model

FORMAT = "photo-captioner-1"
EXPORTED = ".onnx.safetensors"  # how the name of an exported network ends
TIED = ("decoder.output.weight", "decoder.embedding.weight")
# Names of tensors in the file, which stay as the first files had them.
DETECTOR_TENSORS = ("familiarity.mean", "familiarity.whitening")
MATCHING_TENSORS = ("matching.weight", "matching.bias", "matching.words")


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the file and the reason."""
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        """Return both."""
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Metadata:
    """What is needed to use a network and to know its quality, whichever runtime computes it."""

    config: ModelConfig
    vocabulary: Vocabulary
    preprocessing: Preprocessing = Preprocessing()
    training: Mapping[str, Any] = field(default_factory=dict)  # the arguments it was trained with
    scores: Mapping[str, Any] = field(default_factory=dict)  # with split, tokenizer, beam width
    # These three are fitted after training, so a checkpoint may have none of them.
    matching: Matching | None = None  # how well a sentence matches a photo
    calibration: Calibration | None = None  # how likely a caption is right
    out_of_distribution: OutOfDistributionDetector | None = None
    language: str = "en"  # of the captions, as ISO 639-1 names it; see `language.LANGUAGES`

    @cached_property
    def small_words(self) -> SmallWords | None:
        """The small words of the vocabulary; None if nothing is known of the language."""
        return SmallWords.of(self.vocabulary, self.language)


def exported_path(checkpoint: Path) -> Path:
    """Return where the network that was exported from a checkpoint is: in the same folder."""
    return checkpoint.with_suffix(EXPORTED)


def check_path(path: Path) -> None:
    """Refuse a path that cannot be a checkpoint's, before any file is opened.

    Raises:
        CheckpointError: it is not a file's, or it is an exported network's.
    """
    _check_file(path)
    if path.name.endswith(EXPORTED):
        raise CheckpointError(path, "it is an export; name the checkpoint that it was made from")


def _check_file(path: Path) -> None:
    """Refuse what is not a file; opening a pipe, for example, could wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise CheckpointError(path, "there is no such file") from error
    except OSError as error:
        raise CheckpointError(path, error.strerror or str(error)) from error
    if stat.S_ISDIR(mode):
        raise CheckpointError(path, "it is a directory, not a file")
    if not stat.S_ISREG(mode):
        raise CheckpointError(path, "it is not a file")


def digest(checkpoint: Path) -> str:
    """Return the SHA-256 of a checkpoint's file, which the network exported from it records."""
    status = os.stat(checkpoint)
    return _digest(checkpoint, status.st_size, status.st_mtime_ns)


@cache
def _digest(checkpoint: Path, size: int, changed: int) -> str:
    with open(checkpoint, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(path: Path, metadata: Metadata, model: "Model") -> None:
    """Write a checkpoint in half precision; the file appears whole or not at all."""
    import torch
    from safetensors.torch import save as serialize

    assert model.config == metadata.config, "the metadata must be of this model"
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    if metadata.config.tie_embeddings:
        del tensors[TIED[0]]
    tensors |= {name: torch.from_numpy(array) for name, array in fitted_tensors(metadata).items()}
    with replacing(path) as part:
        # Written here, because the library would make a file that only its owner may read.
        part.write_bytes(serialize(tensors, describe(metadata, FORMAT)))


def fitted_tensors(metadata: Metadata) -> dict[str, npt.NDArray[np.float16]]:
    """Return the metadata that a file holds as tensors, by their names."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    if matching := metadata.matching:
        parts = (matching.weight, matching.bias, matching.words)
        arrays |= zip(MATCHING_TENSORS, parts, strict=True)
    if detector := metadata.out_of_distribution:
        arrays |= zip(DETECTOR_TENSORS, (detector.mean, detector.whitening), strict=True)
    return {name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()}


def describe(metadata: Metadata, form: str) -> dict[str, str]:
    """Return a file's header: the metadata as JSON, and the name of the file's format."""
    header = {
        "format": form,
        "config": json.dumps(dataclasses.asdict(metadata.config)),
        "vocabulary": json.dumps(metadata.vocabulary.words),
        "preprocessing": json.dumps(dataclasses.asdict(metadata.preprocessing)),
        "training": json.dumps(metadata.training),
        "scores": json.dumps(metadata.scores),
        "language": metadata.language,
    }
    if metadata.calibration:
        header["calibration"] = json.dumps(dataclasses.asdict(metadata.calibration))
    if metadata.out_of_distribution:
        header["familiarity"] = json.dumps({"most": metadata.out_of_distribution.threshold})
    return header


def load(path: Path) -> "tuple[Metadata, Model]":
    """Read a checkpoint; its model is in evaluation mode, in single precision, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint of this program.
    """
    check_path(path)
    header, tensors = read(path, "pt")
    metadata = parse(path, header, tensors, FORMAT)
    return metadata, _model(path, metadata.config, tensors)


def read(path: Path, framework: Literal["pt", "np"]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return a file's header and its tensors.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    _check_file(path)
    try:
        with safe_open(path, framework=framework) as file:
            header = file.metadata() or {}
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(path, f"damaged, or not a safetensors file ({error})") from error


def parse(path: Path, header: Mapping[str, str], tensors: dict[str, Any], form: str) -> Metadata:
    """Read what `describe` wrote, and remove the `fitted_tensors` from the tensors.

    Raises:
        CheckpointError: the file has another format, or is unreadable.
    """
    if header.get("format") != form:
        raise CheckpointError(
            path, f"not a checkpoint of this program (its metadata must name format {form!r})"
        )
    try:
        config = ModelConfig(**json.loads(header["config"]))
        metadata = Metadata(
            config=config,
            vocabulary=Vocabulary(json.loads(header["vocabulary"])),
            preprocessing=_preprocessing(json.loads(header["preprocessing"])),
            training=json.loads(header["training"]),
            scores=json.loads(header["scores"]),
            matching=_matching(tensors, config),
            calibration=_calibration(header),
            out_of_distribution=_detector(header, tensors, config),
            language=header.get("language", "en"),  # the first files are English, and do not say so
        )
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(path, f"unreadable metadata ({error!r})") from error
    if len(metadata.vocabulary) != config.vocabulary_size:
        raise CheckpointError(
            path,
            f"its vocabulary has {len(metadata.vocabulary)} words, "
            f"its model {config.vocabulary_size}",
        )
    return metadata


def _matching(tensors: dict[str, Any], config: ModelConfig) -> Matching | None:
    if not any(name in tensors for name in MATCHING_TENSORS):
        return None
    matching = Matching(*(np.asarray(tensors.pop(name), np.float32) for name in MATCHING_TENSORS))
    channels, words = len(matching.weight), len(matching.words)
    if (channels, words) != (config.channels, config.vocabulary_size):
        raise ValueError(
            f"matching has {channels} channels and {words} words, its network "
            f"{config.channels} and {config.vocabulary_size}"
        )
    return matching


def _calibration(header: Mapping[str, str]) -> Calibration | None:
    # A model that was not calibrated has none, and files of earlier versions have none either.
    values = header.get("calibration")
    return None if values is None else Calibration(**json.loads(values))


def _detector(
    header: Mapping[str, str], tensors: dict[str, Any], config: ModelConfig
) -> OutOfDistributionDetector | None:
    if "familiarity" not in header:
        return None
    values = json.loads(header["familiarity"])
    if not isinstance(values, dict) or values.keys() != {"most"}:
        raise ValueError("familiarity must have one key, 'most'")
    mean, whitening = (np.asarray(tensors.pop(name), np.float32) for name in DETECTOR_TENSORS)
    detector = OutOfDistributionDetector(mean, whitening, values["most"])
    if len(mean) != config.start_size:
        raise ValueError(
            f"familiarity has {len(mean)} numbers, the decoder's start state {config.start_size}"
        )
    return detector


def _preprocessing(values: dict[str, Any]) -> Preprocessing:
    size, mean, std = values["size"], values["mean"], values["std"]
    if not (isinstance(size, int) and size > 0 and len(mean) == len(std) == 3 and all(std)):
        raise ValueError("preprocessing needs a size above 0, three means and three deviations")
    return Preprocessing(size, tuple(mean), tuple(std))


def _model(path: Path, config: ModelConfig, tensors: "dict[str, torch.Tensor]") -> "Model":
    from captioner.model import Model

    if config.tie_embeddings and TIED[1] in tensors:
        tensors[TIED[0]] = tensors[TIED[1]]
    try:
        model = Model.without_weights(config)
        model.load_state_dict(tensors)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(path, "its tensors do not fit its configuration") from error
    return model.float().eval()
