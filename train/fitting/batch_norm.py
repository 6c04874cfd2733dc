"""Batch norm's running statistics, estimated again for weights that come from elsewhere.

An encoder that was trained on photos with another normalization, or of another kind, has means and
variances of other activations. Training keeps batch norm in evaluation mode from the first step on,
so it would never correct them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from tqdm import tqdm

from captioner.files import replacing
from captioner.model import Encoder
from captioner.photo.preprocessing import Preprocessing
from train.captioning import Array, half_is_fast
from train.data.photos import photos_below
from train.errors import PathError, SettingError

FILE = "batch_norm.safetensors"  # in a run's folder
PHOTOS = 100  # of each kind in a batch


def estimate(encoder: Encoder, batches: Iterable[torch.Tensor]) -> None:
    """Replace the statistics by their mean over batches, without any earlier ones.

    Args:
        encoder: on its device; it ends in evaluation mode.
        batches: normalized photos `(batch, 3, size, size)`, on the same device.
    """
    norms = [module for module in encoder.resnet.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    encoder.resnet.train()
    with torch.no_grad():
        for photos in batches:
            encoder.grid(photos)
    encoder.resnet.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def check(count: int, others: Path | None) -> None:
    """Refuse other photos that are not there or not used; see `estimate_once`.

    Raises:
        PathError: they are not a folder.
        SettingError: nothing is estimated from them.
    """
    if others and not count:
        raise SettingError("--estimate-batch-norm", 0, "above 0 for --other-photos to be used")
    if others and not others.is_dir():
        raise PathError(others, "--other-photos must be a folder")


def estimate_once(
    run: Path,
    encoder: Encoder,
    photos: Array,
    count: int,
    others: Path | None,
    preprocessing: Preprocessing,
    device: str,
) -> None:
    """Estimate the statistics at a run's start; a run that is resumed gets the same from its file.

    Args:
        run: its folder, where the statistics are kept.
        encoder: gets the statistics.
        photos: of the train split, `(photos, 3, size, size)`, uint8.
        count: how many of them are used.
        others: a folder with other photos; as many of these are mixed in.
        preprocessing: of all photos.
        device: where to compute, in half precision where that is faster.

    Raises:
        DatasetError: the folder has no photo.
    """
    if not (run / FILE).exists():
        kinds = [photos[_some(len(photos), count)]]
        if others:
            squares = photos_below(others, count, preprocessing)
            kinds.append(squares.transpose(0, 3, 1, 2))
        encoder.to(device)
        half = half_is_fast(device)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=half):
            estimate(encoder, _batches(kinds, preprocessing, device))
        with replacing(run / FILE) as part:
            save_file(_statistics(encoder), part)
    encoder.resnet.load_state_dict(load_file(run / FILE), strict=False)


def _some(total: int, count: int) -> Array:
    return np.sort(np.random.default_rng(0).permutation(total)[:count])


def _batches(
    kinds: list[Array], preprocessing: Preprocessing, device: str
) -> Iterator[torch.Tensor]:
    """Yield normalized batches in which every kind of photo has its share."""
    steps = -(-max(map(len, kinds)) // PHOTOS)
    shares = zip(*(np.array_split(photos, steps) for photos in kinds), strict=True)
    for share in tqdm(shares, "batch norm", steps, unit="batch", leave=False):
        yield preprocessing.normalize(torch.from_numpy(np.concatenate(share)).to(device))


def _statistics(encoder: Encoder) -> dict[str, torch.Tensor]:
    buffers = dict(encoder.resnet.named_buffers())
    return {name: tensor.cpu().clone() for name, tensor in buffers.items()}
