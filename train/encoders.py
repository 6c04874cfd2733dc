"""ImageNet weights for the encoder: torchvision's download, or a file at hand."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from captioner.config import EncoderName
from captioner.model import Encoder
from captioner.vision import models


class EncoderWeightsError(ValueError):
    """Weights that cannot be used; the message names them and the reason."""


def load_weights(encoder: Encoder, name: EncoderName, source: str) -> None:
    """Give an encoder its ImageNet weights; the classifier's are left out.

    Args:
        encoder: what takes them.
        name: its ResNet.
        source: "torchvision" for its download of `IMAGENET1K_V1`, or the path of a safetensors
            file with torchvision's key names.

    Raises:
        EncoderWeightsError: the download fails, or the file is missing, damaged or another ResNet.
    """
    tensors = _download(name) if source == "torchvision" else _read(Path(source))
    backbone = {key: value for key, value in tensors.items() if not key.startswith("fc.")}
    try:
        encoder.resnet.load_state_dict(backbone)
    except RuntimeError as error:
        raise EncoderWeightsError(f"{source}: does not hold the weights of a {name}") from error


def _download(name: EncoderName) -> Mapping[str, torch.Tensor]:
    weights = models.get_model_weights(name)["IMAGENET1K_V1"]
    try:
        tensors: Mapping[str, torch.Tensor] = weights.get_state_dict(
            progress=True, check_hash=True, weights_only=True
        )
    except (OSError, RuntimeError) as error:  # RuntimeError: the checksum is another
        raise EncoderWeightsError(
            f"{weights.url}: the download failed ({error}); "
            "give a file at hand with --encoder-weights"
        ) from error
    return tensors


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise EncoderWeightsError(f"{path}: there is no such file") from error
    except (SafetensorError, OSError) as error:
        raise EncoderWeightsError(f"{path}: no safetensors file ({error})") from error
