"""Photos and frozen features, computed once and kept in memory-mapped files.

`photos.npy` holds the squeezed photos `(photos, 3, size, size)` as uint8, `grids.npy` what the
frozen encoder sees in them, `(photos, regions, channels)` in half precision. Both grow in place
and remember how far they are, so an interrupted run goes on where it stopped.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from captioner.errors import BadImage
from captioner.files import replacing
from captioner.model import Encoder
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from train.data.datasets import DatasetError, Record
from train.data.loader import Augmentation, names_a_side

log = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Change = Callable[[torch.Tensor, range], torch.Tensor]  # of uint8 photos with such indices
CHUNK = 64  # photos a batch; also how many are lost at most when interrupted


@dataclass(frozen=True)
class Data:
    """One split: its records, its photos, and what a frozen encoder sees in them."""

    records: Sequence[Record]  # those whose photo can be read
    photos: Array  # (records, 3, size, size), uint8, squeezed
    grids: Array  # (records, regions, channels), float16; empty without an encoder


def compute(
    records: Sequence[Record],
    encoder: Encoder | None,
    folder: Path,
    device: str,
    preprocessing: Preprocessing,
) -> Data:
    """Squeeze every photo, and look at it once; what the folder holds already is used.

    Args:
        records: of one split.
        encoder: in evaluation mode; None where photos alone are wanted.
        folder: where the files are kept.
        device: where to compute.
        preprocessing: how photos are squeezed and normalized.

    Raises:
        DatasetError: no photo can be read.
    """
    photos, bad = _photos(records, preprocessing, folder)
    if encoder is None:
        grids: Array = np.empty((len(photos), 0, 0), np.float16)
    else:
        grids = _grids(photos, encoder, preprocessing, folder / "grids.npy", device)
    if not bad:
        return Data(records, photos, grids)
    good = [index for index in range(len(records)) if index not in bad]
    if not good:
        raise DatasetError(f"{records[0].photo.parent}: none of its {len(bad)} photos can be read")
    return Data([records[index] for index in good], photos[good], grids[good])


def compute_views(
    data: Data,
    encoder: Encoder,
    folder: Path,
    device: str,
    augmentation: Augmentation,
    count: int,
    preprocessing: Preprocessing,
) -> list[Array]:
    """Look `count` times at photos that are changed a little each time.

    Args:
        data: the photos of one split.
        encoder: in evaluation mode.
        folder: where the views are kept; what it holds already is used.
        device: where to compute.
        augmentation: how photos are changed.
        count: how many views.
        preprocessing: how photos were squeezed.

    Returns:
        for each view `(records, regions, channels)`, float16.
    """
    flips = [not names_a_side(record.captions) for record in data.records]

    def view(number: int) -> Array:
        def change(photos: torch.Tensor, chunk: range) -> torch.Tensor:
            torch.manual_seed(number * len(flips) + chunk.start)
            return torch.stack(
                [augmentation(photo, flip=flips[i]) for photo, i in zip(photos, chunk, strict=True)]
            )

        key = f"{augmentation} {number}"
        path = folder / f"view-{number}.npy"
        return _grids(data.photos, encoder, preprocessing, path, device, key, change)

    return [view(number) for number in range(count)]


def _photos(
    records: Sequence[Record], preprocessing: Preprocessing, folder: Path
) -> tuple[Array, set[int]]:
    size = preprocessing.size
    bad: set[int] = set()

    def squeeze(chunk: range) -> Array:
        rows = np.zeros((len(chunk), 3, size, size), np.uint8)
        for row, index in enumerate(chunk):
            try:
                photo = decode(records[index].photo.read_bytes(), side=size)
                rows[row] = preprocessing.squeeze(photo).transpose(2, 0, 1)
            except (BadImage, OSError) as error:
                log.warning("%s is left out: %s", records[index].photo, error)
                bad.add(index)
        return rows

    files = [(record.photo.name, _size(record.photo)) for record in records]
    key = _key(files, str(preprocessing))
    shape = (len(records), 3, size, size)
    return _fill(folder / "photos.npy", key, shape, "uint8", squeeze, bad), bad


def _grids(
    photos: Array,
    encoder: Encoder,
    preprocessing: Preprocessing,
    path: Path,
    device: str,
    how: str = "",
    change: Change = lambda photos, chunk: photos,
) -> Array:
    @torch.inference_mode()
    def look(chunk: range) -> Array:
        plain = torch.from_numpy(np.array(photos[chunk.start : chunk.stop]))
        batch = change(plain, chunk).to(device)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=half_is_fast(device)):
            grid = encoder.to(device).grid(preprocessing.normalize(batch))
        return grid.to(torch.float16).cpu().numpy()

    weights = hashlib.sha256()
    for tensor in encoder.resnet.state_dict().values():
        weights.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    sample = np.ascontiguousarray(photos[:: max(1, len(photos) // 64)])
    seen = hashlib.sha256(sample.tobytes()).hexdigest()
    key = _key(weights.hexdigest(), seen, str(preprocessing), *([how] if how else []))
    regions = (preprocessing.size // 32) ** 2  # a ResNet halves its input five times
    shape = (len(photos), regions, encoder.channels)
    return _fill(path, key, shape, "float16", look, set())


def half_is_fast(device: str) -> bool:
    """Say whether bfloat16 is worth its rounding: GPUs, and CPUs with instructions for it."""
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.startswith("cuda") and torch.cuda.is_bf16_supported()


def _fill(
    path: Path,
    key: str,
    shape: tuple[int, ...],
    dtype: str,
    compute_rows: Callable[[range], Array],
    bad: set[int],
) -> Array:
    """Fill an array a chunk at a time, beside a note of how far it is; `bad` rows are noted too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = path.with_suffix(".json")
    done = 0
    if note.exists() and path.exists():
        noted = json.loads(note.read_text())
        if noted["key"] == key:
            done = noted["done"]
            bad.update(noted["bad"])
    if done == shape[0]:
        return np.load(path, mmap_mode="r")
    if not done:
        # What a note of earlier photos counts as done is about to be overwritten.
        note.unlink(missing_ok=True)
    mode = "r+" if done else "w+"
    array = np.lib.format.open_memmap(path, mode, dtype, shape)
    starts = range(done, shape[0], CHUNK)
    for start in tqdm(starts, desc=path.stem, unit="batch", leave=False):
        chunk = range(start, min(start + CHUNK, shape[0]))
        array[chunk.start : chunk.stop] = compute_rows(chunk)
        array.flush()
        with replacing(note) as part:
            part.write_text(json.dumps({"key": key, "done": chunk.stop, "bad": sorted(bad)}))
    return np.load(path, mmap_mode="r")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
