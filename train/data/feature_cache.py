"""Photos and frozen features, computed once and kept in memory-mapped files.

`photos.npy` holds the squeezed photos `(photos, 3, size, size)` as uint8, `grids.npy` the features
that the frozen encoder computes from them, `(photos, regions, channels)` in half precision. Both
grow in place and note how many rows are done, so an interrupted run continues where it stopped.
The note also says what they were computed from: the contents of the photos, the encoder's weights
and the preprocessing. Of anything else they are computed again.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from captioner.files import replacing
from captioner.model import Encoder
from captioner.photo.preprocessing import Preprocessing
from train.captioning import Array, grid_encoder, in_batches
from train.data.augmentation import Augmentation
from train.data.contents import contents, digest
from train.data.datasets import DatasetError, Record
from train.data.loader import names_a_side
from train.data.photos import squeezed

Change = Callable[[Array, int], Iterable[Array]]  # of uint8 photos, from an index on

CHUNK = 64  # photos in a batch; an interruption loses at most one batch


@dataclass(frozen=True)
class Data:
    """One split: its records, its photos, and the features of a frozen encoder."""

    records: Sequence[Record]  # those whose photo can be read
    photos: Array  # (records, 3, size, size), uint8, squeezed
    grids: Array  # (records, regions, channels), float16; empty without an encoder
    contents: str = ""  # a digest of the photos' files


def compute(
    records: Sequence[Record],
    encoder: Encoder | None,
    folder: Path,
    device: str,
    preprocessing: Preprocessing,
) -> Data:
    """Squeeze and encode every photo once; results that the folder already holds are used.

    Args:
        records: of one split.
        encoder: in evaluation mode; None if only photos are needed.
        folder: where the files are kept.
        device: where to compute.
        preprocessing: how photos are squeezed and normalized.

    Raises:
        DatasetError: none of the photos can be read.
    """
    held = contents([record.photo for record in records], folder)
    photos, bad = _photos(records, preprocessing, folder, held)
    if encoder is None:
        grids: Array = np.empty((len(photos), 0, 0), np.float16)
    else:
        grids = _grids(photos, held, encoder, preprocessing, folder / "grids.npy", device)
    if not bad:
        return Data(records, photos, grids, held)
    good = [index for index in range(len(records)) if index not in bad]
    if not good:
        raise DatasetError(f"{records[0].photo.parent}: none of its {len(bad)} photos can be read")
    return Data([records[index] for index in good], photos[good], grids[good], held)


def compute_views(
    data: Data,
    encoder: Encoder,
    folder: Path,
    device: str,
    augmentation: Augmentation,
    count: int,
    preprocessing: Preprocessing,
) -> list[Array]:
    """Encode every photo `count` times, augmented differently each time.

    Args:
        data: the photos of one split.
        encoder: in evaluation mode.
        folder: where the views are kept; views that it already holds are used.
        device: where to compute.
        augmentation: of the photos.
        count: how many views.
        preprocessing: how photos were squeezed.

    Returns:
        for each view `(records, regions, channels)`, float16.
    """
    flips = torch.tensor([not names_a_side(record.captions) for record in data.records])

    def view(number: int) -> Array:
        def augmented(photos: Array, first: int) -> Iterator[Array]:
            for start in range(first, len(photos), CHUNK):
                # Where an interrupted run may continue.
                generator = torch.Generator(device).manual_seed(number * len(flips) + start)
                batch = torch.from_numpy(np.array(photos[start : start + CHUNK])).to(device)
                flip = flips[start : start + CHUNK].to(device)
                yield from augmentation(batch, flip, generator).cpu().numpy()

        key = f"{augmentation} {number}"
        path = folder / f"view-{number}.npy"
        return _grids(
            data.photos, data.contents, encoder, preprocessing, path, device, key, augmented
        )

    return [view(number) for number in range(count)]


def _photos(
    records: Sequence[Record], preprocessing: Preprocessing, folder: Path, held: str
) -> tuple[Array, set[int]]:
    size = preprocessing.size
    bad: set[int] = set()

    def rows(done: int) -> Iterator[Array]:
        for start in range(done, len(records), CHUNK):
            chunk = records[start : start + CHUNK]
            photos = np.zeros((len(chunk), 3, size, size), np.uint8)
            for row, record in enumerate(chunk):
                square = squeezed(record, preprocessing)
                if square is None:
                    bad.add(start + row)
                else:
                    photos[row] = square.transpose(2, 0, 1)
            yield photos

    key = digest([held, str(preprocessing)])
    shape = (len(records), 3, size, size)
    return _fill(folder / "photos.npy", key, shape, "uint8", rows, bad), bad


def _grids(
    photos: Array,
    held: str,
    encoder: Encoder,
    preprocessing: Preprocessing,
    path: Path,
    device: str,
    how: str = "",
    change: Change = lambda photos, first: photos[first:],
) -> Array:
    def rows(done: int) -> Iterator[Array]:
        return in_batches(grid_encoder(encoder, preprocessing, device), change(photos, done), CHUNK)

    weights = hashlib.sha256()
    for tensor in encoder.resnet.state_dict().values():
        weights.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    key = digest([weights.hexdigest(), held, str(preprocessing), *([how] if how else [])])
    regions = (preprocessing.size // 32) ** 2  # a ResNet halves its input five times
    shape = (len(photos), regions, encoder.channels)
    return _fill(path, key, shape, "float16", rows, set())


def _fill(
    path: Path,
    key: str,
    shape: tuple[int, ...],
    dtype: str,
    rows: Callable[[int], Iterable[Array]],
    bad: set[int],
) -> Array:
    """Fill an array in chunks; a note next to it has the number of rows that are done.

    Args:
        path: of the array.
        key: what its rows were computed from; an array with another key is overwritten.
        shape: of the array.
        dtype: of the array.
        rows: yields chunks of rows from an index on.
        bad: rows whose photo cannot be read; the note keeps them, and adds those it has.
    """
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
        # An older note would count rows as done that are about to be overwritten.
        note.unlink(missing_ok=True)
    array = np.lib.format.open_memmap(path, "r+" if done else "w+", dtype, shape)
    chunks = -(-(shape[0] - done) // CHUNK)
    for chunk in tqdm(rows(done), path.stem, chunks, unit="batch", leave=False):
        array[done : done + len(chunk)] = chunk
        done += len(chunk)
        array.flush()
        with replacing(note) as part:
            part.write_text(json.dumps({"key": key, "done": done, "bad": sorted(bad)}))
    return np.load(path, mmap_mode="r")
