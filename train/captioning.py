"""Captions for many photos at once, as validation and evaluation need them."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from captioner.decoding import generate
from captioner.errors import BadImage
from captioner.matching import Matching
from captioner.model import Model
from captioner.options import Options
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Pixels, Preprocessing
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Floats, Memory, Network, Runnable
from train.data.datasets import DatasetError, Record
from train.data.feature_cache import half_is_fast

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
BATCH = 50  # photos; with a beam of 5 as many rows as a training step has


def read_photos(
    records: Sequence[Record], preprocessing: Preprocessing
) -> tuple[list[Record], Array]:
    """Decode and squeeze photos; those that cannot be read are named in the log and left out.

    Returns:
        the records whose photos could be read, and these photos: `(photos, 3, size, size)`, uint8.

    Raises:
        DatasetError: none can be read.
    """
    readable, photos = [], []
    for record, square in _squeezed(records, preprocessing):
        readable.append(record)
        photos.append(square.transpose(2, 0, 1))
    if not readable:
        raise DatasetError(f"none of the {len(records)} photos can be read")
    return readable, np.stack(photos)


def _squeezed(
    records: Sequence[Record], preprocessing: Preprocessing
) -> Iterator[tuple[Record, Pixels]]:
    for record in records:
        try:
            photo = decode(record.photo.read_bytes(), side=preprocessing.size)
        except (BadImage, OSError) as error:
            log.warning("%s is left out: %s", record.photo, error)
            continue
        yield record, preprocessing.squeeze(photo)


def remember(network: Runnable[Any], photos: Array) -> list[Memory[Any]]:
    """Let a network see squeezed photos as it does when it serves.

    Args:
        network: on its device; see `captioner.runtime.select`.
        photos: `(photos, 3, size, size)`, uint8.

    Returns:
        what it keeps of them, a batch after the other.
    """
    squares = photos.transpose(0, 2, 3, 1)
    starts = tqdm(range(0, len(squares), BATCH), "look", unit="batch", leave=False)
    return [
        network.encode(np.ascontiguousarray(squares[start : start + BATCH])) for start in starts
    ]


def read_starts(
    network: Runnable[Any], records: Sequence[Record], preprocessing: Preprocessing
) -> Floats:
    """Let a network see photos, and keep only what its decoder starts from.

    Photos are in memory a batch at a time; those that cannot be read are left out.

    Returns:
        `(photos, size)`, see `Runnable.start_states`.

    Raises:
        DatasetError: none can be read.
    """
    squares = (square for _, square in _squeezed(records, preprocessing))
    batches = iter(lambda: list(islice(squares, BATCH)), [])
    count = -(-len(records) // BATCH)
    starts = [
        network.start_states(network.encode(np.stack(batch)))
        for batch in tqdm(batches, "look", count, unit="batch", leave=False)
    ]
    if not starts:
        raise DatasetError(f"none of the {len(records)} photos can be read")
    return np.concatenate(starts)


def say(
    network: Network[Any],
    memories: Sequence[Memory[Any]],
    options: Options,
    matching: Matching | None = None,
) -> list[list[Hypothesis]]:
    """Say what is in photos that were seen, as `decoding.generate` does.

    Returns:
        for each photo its hypotheses, the best first.
    """
    found: list[list[Hypothesis]] = []
    for memory in tqdm(memories, "speak", unit="batch", leave=False):
        found += generate(network, memory, options, matching)
    return found


@torch.inference_mode()
def look(model: Model, photos: Array, preprocessing: Preprocessing, device: str) -> Array:
    """Let the encoder see squeezed photos, in half precision where that is faster.

    Args:
        model: in evaluation mode, on `device`.
        photos: `(photos, 3, size, size)`, uint8.
        preprocessing: of the model.
        device: where to compute.

    Returns:
        `(photos, regions, channels)`, float32.
    """
    grids = []
    half = half_is_fast(device)
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
    memories = []
    for start in range(0, len(grids), BATCH):
        grid = torch.from_numpy(np.array(grids[start : start + BATCH])).to(device)
        memories.append(model.encode_grid(grid.float()))
    return say(model, memories, options)
