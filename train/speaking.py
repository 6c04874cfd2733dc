"""Captions for many photos at once, as validation and evaluation need them."""

from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from captioner.decoding import Hypothesis, Options, generate
from captioner.image import Preprocessing
from captioner.model import Model
from train.features import half_is_fast

Array = np.ndarray[Any, Any]
BATCH = 50  # photos; with a beam of 5 as many rows as a training step has


@torch.inference_mode()
def look(
    model: Model,
    photos: Array,
    device: str,
    *,
    preprocessing: Preprocessing = Preprocessing(),
    precise: bool = False,
) -> Array:
    """Let the encoder see squeezed photos.

    Args:
        model: in evaluation mode, on `device`.
        photos: `(photos, 3, size, size)`, uint8.
        device: where to compute.
        preprocessing: what the photos were squeezed with.
        precise: in single precision, as the captioner serves, also where half would be faster.

    Returns:
        `(photos, regions, channels)`, float32.
    """
    grids = []
    half = half_is_fast(device) and not precise
    for start in tqdm(range(0, len(photos), BATCH), "look", unit="batch", leave=False):
        batch = torch.from_numpy(np.array(photos[start : start + BATCH])).to(device)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=half):
            grid = model.encoder.grid(preprocessing.normalize(batch))
        grids.append(grid.float().cpu().numpy())
    return np.concatenate(grids)


@torch.inference_mode()
def speak(model: Model, grids: Array, options: Options, device: str) -> list[list[Hypothesis]]:
    """Say what is in photos that the encoder has seen.

    Args:
        model: in evaluation mode, on `device`.
        grids: `(photos, regions, channels)`.
        options: how to speak.
        device: where to compute.

    Returns:
        for each photo its hypotheses, the best first.
    """
    found: list[list[Hypothesis]] = []
    for start in tqdm(range(0, len(grids), BATCH), "speak", unit="batch", leave=False):
        grid = torch.from_numpy(np.array(grids[start : start + BATCH])).to(device)
        memory = model.decoder.remember(model.encoder.project(grid.float()))
        found += generate(model, memory, options)
    return found
