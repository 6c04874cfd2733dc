"""ImageNet weights for the encoder: torchvision's download, or a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from captioner.config import EncoderName
from captioner.model import Encoder
from captioner.vision import models
from train.errors import PathError

# torchvision trained its ResNets twice, and published both; the second recipe is better by several
# points, but it left out the two smallest ResNets.
DOWNLOADS = {"torchvision": "IMAGENET1K_V1", "torchvision-v2": "IMAGENET1K_V2"}


class EncoderWeightsError(PathError):
    """Weights that cannot be used; `path` is where they come from, an address or a file."""


def load_weights(encoder: Encoder, name: EncoderName, source: str) -> None:
    """Load ImageNet weights into an encoder, without those of the classifier.

    Args:
        encoder: gets the weights.
        name: its ResNet.
        source: "torchvision" for its download of `IMAGENET1K_V1`, "torchvision-v2" for that of
            `IMAGENET1K_V2`, or the path of a safetensors file with torchvision's key names.

    Raises:
        EncoderWeightsError: there is no such download, or it fails; the file is missing, damaged
            or of another ResNet.
    """
    tensors = _download(name, source) if source in DOWNLOADS else _read(Path(source))
    backbone = {key: value for key, value in tensors.items() if not key.startswith("fc.")}
    try:
        encoder.resnet.load_state_dict(backbone)
    except RuntimeError as error:
        raise EncoderWeightsError(source, f"does not hold the weights of a {name}") from error


def sources(given: Sequence[str]) -> dict[EncoderName, str]:
    """Find the weights of several encoders.

    Args:
        given: `resnet50=SOURCE`, with a source as `load_weights` takes it, or folders with files
            named `resnet50*.safetensors`; empty for torchvision's downloads of all.

    Returns:
        the source of each encoder that has one.

    Raises:
        EncoderWeightsError: an encoder is unknown, a file is missing, or a folder has two.
    """
    if not given:
        return dict.fromkeys(get_args(EncoderName), "torchvision")
    found: dict[EncoderName, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not equals and Path(text).is_dir():
            found |= _in_folder(Path(text))
        elif not equals or name not in get_args(EncoderName):
            known = ", ".join(get_args(EncoderName))
            raise EncoderWeightsError(
                text, f"neither a folder nor NAME=FILE with a NAME among {known}"
            )
        elif source not in DOWNLOADS and not Path(source).is_file():
            raise EncoderWeightsError(source, "there is no such file")
        else:
            found[cast(EncoderName, name)] = source
    return found


def _in_folder(folder: Path) -> dict[EncoderName, str]:
    found: dict[EncoderName, str] = {}
    for name in get_args(EncoderName):
        files = sorted(folder.glob(f"{name}*.safetensors"))
        if len(files) > 1:
            raise EncoderWeightsError(
                folder,
                f"{files[0].name} and {files[1].name} could both be meant; "
                f"name one with {name}=FILE",
            )
        if files:
            found[name] = str(files[0])
    if not found:
        raise EncoderWeightsError(folder, "holds no file named like resnet50*.safetensors")
    return found


def _download(name: EncoderName, source: str) -> Mapping[str, torch.Tensor]:
    published = models.get_model_weights(name)
    if DOWNLOADS[source] not in published.__members__:
        raise EncoderWeightsError(source, f"has no weights of a {name}; choose torchvision")
    weights = published[DOWNLOADS[source]]
    try:
        tensors: Mapping[str, torch.Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: a wrong checksum
        raise EncoderWeightsError(
            weights.url, f"the download failed ({error}); give a file with --encoder-weights"
        ) from error
    return tensors


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise EncoderWeightsError(path, "there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise EncoderWeightsError(path, f"not a safetensors file ({error})") from error
