"""Photos and frozen features, computed once and kept in memory-mapped files.

`photos.npy` holds the squeezed photos `(photos, 3, size, size)` as uint8, `grids.npy` the features
that the frozen encoder computes from them, `(photos, regions, channels)` in half precision. They
say what they were computed from: the contents of the photos, the encoder's weights and the
preprocessing. If any of these differs, they are computed again. `train.data.array_files` fills
them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from captioner.model import Encoder
from captioner.photo.preprocessing import Preprocessing
from train.captioning import Array, grid_encoder, in_batches
from train.data import array_files
from train.data.array_files import ArrayFile
from train.data.augmentation import Augmentation
from train.data.contents import contents, digest
from train.data.crew import Crew, meet
from train.data.datasets import DatasetError, Record
from train.data.draws import Draws
from train.data.loader import names_a_side
from train.data.photos import squeezed
from train.processes import ALONE, Peers

Change = Callable[[Array, range], Iterable[Array]]  # of some of the uint8 photos


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
    peers: Peers = ALONE,
) -> Data:
    """Squeeze and encode every photo once; results that the folder already holds are used.

    The processes that share the folder compute a part each.

    Args:
        records: of one split.
        encoder: in evaluation mode; None if only photos are needed.
        folder: where the files are kept.
        device: where to compute.
        preprocessing: how photos are squeezed and normalized.
        peers: the processes that train together; each of them calls this.

    Raises:
        DatasetError: none of the photos can be read.
        PeerError: the photos or the encoders of the processes are not the same.
    """
    crew = meet(folder, peers)
    held = crew.from_leader(lambda: contents([record.photo for record in records], folder))
    photos, bad = _photos(records, preprocessing, folder, held, crew)
    peers.agree(sorted(bad), "photos that cannot be read")
    if encoder is None:
        grids: Array = np.empty((len(photos), 0, 0), np.float16)
    else:
        grids = _grids(photos, held, encoder, preprocessing, folder / "grids.npy", device, crew)
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
    peers: Peers = ALONE,
) -> list[Array]:
    """Encode every photo `count` times, augmented differently each time; see `compute`.

    Args:
        data: the photos of one split.
        encoder: in evaluation mode.
        folder: where the views are kept; views that it already holds are used.
        device: where to compute.
        augmentation: of the photos.
        count: how many views.
        preprocessing: how photos were squeezed.
        peers: the processes that train together.

    Returns:
        for each view `(records, regions, channels)`, float16.
    """
    crew = meet(folder, peers)
    flips = torch.tensor([not names_a_side(record.captions) for record in data.records])

    def view(number: int) -> Array:
        def augmented(photos: Array, wanted: range) -> Iterator[Array]:
            for chunk in array_files.chunks(wanted):
                # Where an interrupted run may continue, or another process begin.
                seed = number * len(flips) + chunk.start
                draws = Draws(torch.Generator(device).manual_seed(seed))
                batch = torch.from_numpy(np.array(photos[chunk.start : chunk.stop])).to(device)
                flip = flips[chunk.start : chunk.stop].to(device)
                yield from augmentation(batch, flip, draws).cpu().numpy()

        key = f"{augmentation} {number}"
        path = folder / f"view-{number}.npy"
        return _grids(
            data.photos, data.contents, encoder, preprocessing, path, device, crew, key, augmented
        )

    return [view(number) for number in range(count)]


def _photos(
    records: Sequence[Record],
    preprocessing: Preprocessing,
    folder: Path,
    held: str,
    crew: Crew,
) -> tuple[Array, set[int]]:
    size = preprocessing.size
    bad: set[int] = set()

    def rows(wanted: range) -> Iterator[Array]:
        for chunk in array_files.chunks(wanted):
            photos = np.zeros((len(chunk), 3, size, size), np.uint8)
            for row in chunk:
                square = squeezed(records[row], preprocessing)
                if square is None:
                    bad.add(row)
                else:
                    photos[row - chunk.start] = square.transpose(2, 0, 1)
            yield photos

    key = digest([held, str(preprocessing)])
    file = ArrayFile(folder / "photos.npy", key, (len(records), 3, size, size), "uint8")
    return array_files.fill(file, rows, bad, crew), bad


def _grids(
    photos: Array,
    held: str,
    encoder: Encoder,
    preprocessing: Preprocessing,
    path: Path,
    device: str,
    crew: Crew,
    how: str = "",
    change: Change = lambda photos, wanted: photos[wanted.start : wanted.stop],
) -> Array:
    def rows(wanted: range) -> Iterator[Array]:
        encode = grid_encoder(encoder, preprocessing, device)
        return in_batches(encode, change(photos, wanted), array_files.CHUNK)

    weights = hashlib.sha256()
    for tensor in encoder.resnet.state_dict().values():
        weights.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    key = digest([weights.hexdigest(), held, str(preprocessing), *([how] if how else [])])
    regions = (preprocessing.size // 32) ** 2  # a ResNet halves its input five times
    file = ArrayFile(path, key, (len(photos), regions, encoder.channels), "float16")
    return array_files.fill(file, rows, set(), crew)
