"""One `.safetensors` file that holds a trained model and all that goes with it.

Tensors are stored in half precision: the weights, and what was fitted to the photos they see.
Configuration, vocabulary, preprocessing, training arguments, scores and calibration stand in the
file's metadata as JSON. Nothing is ever unpickled.

PyTorch is imported only where tensors are: an exported network is described in the same way.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from captioner.confidence import Calibration
from captioner.config import ModelConfig
from captioner.files import replacing
from captioner.matching import Matching
from captioner.out_of_distribution import Familiarity
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from captioner.model import Model

FORMAT = "photo-captioner-1"
TIED = ("decoder.output.weight", "decoder.embedding.weight")
KNOWN = ("familiarity.mean", "familiarity.whitening")
PLACES = ("matching.weight", "matching.bias", "matching.words")


class CheckpointError(ValueError):
    """A checkpoint file that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with what is needed to use it and to know it."""

    model: "Model"
    vocabulary: Vocabulary
    preprocessing: Preprocessing = Preprocessing()
    training: Mapping[str, Any] = field(default_factory=dict)  # the arguments it was trained with
    scores: Mapping[str, Any] = field(default_factory=dict)  # with split, tokenizer, beam width
    matching: Matching | None = None  # how well sentences go with photos, once it was fitted
    calibration: Calibration | None = None  # how likely its captions are right, fitted likewise
    familiarity: Familiarity | None = None  # which photos it knows the like of, fitted likewise


class Description(NamedTuple):
    """What goes with the weights, in a checkpoint and in an exported network."""

    config: ModelConfig
    vocabulary: Vocabulary
    preprocessing: Preprocessing
    training: Mapping[str, Any]
    scores: Mapping[str, Any]
    matching: Matching | None
    calibration: Calibration | None
    familiarity: Familiarity | None


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in half precision; the file appears whole or not at all."""
    import torch
    from safetensors.torch import save as serialize

    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in checkpoint.model.state_dict().items()
    }
    if checkpoint.model.config.tie_embeddings:
        del tensors[TIED[0]]
    tensors |= {name: torch.from_numpy(array) for name, array in fitted(checkpoint).items()}
    metadata = describe(checkpoint, FORMAT)
    with replacing(path) as part:
        # Written here, for the library's own writing makes files that only their owner may read.
        part.write_bytes(serialize(tensors, metadata))


def fitted(checkpoint: Checkpoint) -> dict[str, npt.NDArray[np.float16]]:
    """Return what a file holds beside the weights, by the names of its tensors."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    if checkpoint.matching:
        matching = checkpoint.matching
        arrays |= zip(PLACES, (matching.weight, matching.bias, matching.words), strict=True)
    if checkpoint.familiarity:
        familiarity = checkpoint.familiarity
        arrays |= zip(KNOWN, (familiarity.mean, familiarity.whitening), strict=True)
    return {name: np.ascontiguousarray(array, np.float16) for name, array in arrays.items()}


def describe(checkpoint: Checkpoint, form: str) -> dict[str, str]:
    """Return a file's metadata: all that goes with the weights, and what form they are in."""
    described = {
        "format": form,
        "config": json.dumps(dataclasses.asdict(checkpoint.model.config)),
        "vocabulary": json.dumps(checkpoint.vocabulary.words),
        "preprocessing": json.dumps(dataclasses.asdict(checkpoint.preprocessing)),
        "training": json.dumps(checkpoint.training),
        "scores": json.dumps(checkpoint.scores),
    }
    if checkpoint.calibration:
        described["calibration"] = json.dumps(dataclasses.asdict(checkpoint.calibration))
    if checkpoint.familiarity:
        described["familiarity"] = json.dumps({"most": checkpoint.familiarity.most})
    return described


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; its model is in evaluation mode, in single precision, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, or no checkpoint of this program.
    """
    metadata, tensors = read(path, "pt")
    about = description(path, metadata, tensors, FORMAT)
    return Checkpoint(_model(path, about.config, tensors), *about[1:])


def read(path: Path, framework: Literal["pt", "np"]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return a file's metadata and its tensors.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if path.is_dir():
        raise CheckpointError(f"{path}: it is a directory, no file")
    try:
        with safe_open(path, framework=framework) as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged, or no safetensors file ({error})") from error


def description(
    path: Path, metadata: Mapping[str, str], tensors: dict[str, Any], form: str
) -> Description:
    """Read what `describe` wrote, and take from the tensors those that were `fitted`.

    Raises:
        CheckpointError: it is in another form, or unreadable.
    """
    if metadata.get("format") != form:
        raise CheckpointError(
            f"{path}: no checkpoint of this program (its metadata must name format {form!r})"
        )
    try:
        config = ModelConfig(**json.loads(metadata["config"]))
        vocabulary = Vocabulary(json.loads(metadata["vocabulary"]))
        preprocessing = _preprocessing(json.loads(metadata["preprocessing"]))
        training, scores = json.loads(metadata["training"]), json.loads(metadata["scores"])
        matching = _matching(tensors, config)
        calibration = _calibration(metadata)
        familiarity = _familiarity(metadata, tensors, config)
    except (KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: unreadable metadata ({error!r})") from error
    if len(vocabulary) != config.vocabulary_size:
        raise CheckpointError(
            f"{path}: its vocabulary has {len(vocabulary)} words, "
            f"its model {config.vocabulary_size}"
        )
    return Description(
        config, vocabulary, preprocessing, training, scores, matching, calibration, familiarity
    )


def _matching(tensors: dict[str, Any], config: ModelConfig) -> Matching | None:
    if not any(name in tensors for name in PLACES):
        return None
    found = Matching(*(np.asarray(tensors.pop(name), np.float32) for name in PLACES))
    sizes, expected = (
        (len(found.weight), len(found.words)),
        (config.channels, config.vocabulary_size),
    )
    if sizes != expected:
        raise ValueError(
            f"matching is of {sizes[0]} channels and {sizes[1]} words, its network of "
            f"{expected[0]} and {expected[1]}"
        )
    return found


def _calibration(metadata: Mapping[str, str]) -> Calibration | None:
    # A model that was not calibrated has none, and files of earlier versions have none either.
    told = metadata.get("calibration")
    return None if told is None else Calibration(**json.loads(told))


def _familiarity(
    metadata: Mapping[str, str], tensors: dict[str, Any], config: ModelConfig
) -> Familiarity | None:
    told = metadata.get("familiarity")
    if told is None:
        return None
    mean, whitening = (np.asarray(tensors.pop(name), np.float32) for name in KNOWN)
    found = Familiarity(mean, whitening, **json.loads(told))
    if len(mean) != config.start_size:
        raise ValueError(
            f"familiarity is of {len(mean)} numbers, its decoder starts from {config.start_size}"
        )
    return found


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
        model = Model(config)
        model.load_state_dict(tensors)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{path}: its tensors do not fit its configuration") from error
    return model.float().eval()
