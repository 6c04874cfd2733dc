"""The photos of a dataset, decoded and squeezed."""

import logging
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from captioner.errors import BadImage
from captioner.photo.decode import decode
from captioner.photo.folders import photos_in
from captioner.photo.preprocessing import Pixels, Preprocessing
from captioner.runtime.protocols import Squares
from train.data.datasets import DatasetError, Record

log = logging.getLogger(__name__)


def squeezed(record: Record, preprocessing: Preprocessing) -> Pixels | None:
    """Return a photo as `Preprocessing.squeeze` does; None if it cannot be read, with a warning."""
    try:
        return _squeezed(record.photo, preprocessing)
    except (BadImage, OSError) as error:
        log.warning("%s is left out: %s", record.photo, error)
        return None


def readable(
    records: Sequence[Record], preprocessing: Preprocessing
) -> Iterator[tuple[Record, Pixels]]:
    """Yield records with their squeezed photos, one at a time; unreadable ones are left out.

    Raises:
        DatasetError: at the end, if none can be read.
    """
    found = 0
    for record in records:
        square = squeezed(record, preprocessing)
        if square is not None:
            found += 1
            yield record, square
    if not found:
        raise DatasetError(f"none of the {len(records)} photos can be read")


def check_readable(records: Sequence[Record], preprocessing: Preprocessing) -> None:
    """Refuse photos of which none can be read; reads them up to the first that can.

    Raises:
        DatasetError: none can be read.
    """
    for record in records:
        try:
            _squeezed(record.photo, preprocessing)
        except (BadImage, OSError):
            continue
        return
    raise DatasetError(
        f"{records[0].photo.parent}: none of its {len(records)} photos "
        f"in the split {records[0].split!r} can be read"
    )


def read_photos(
    records: Sequence[Record], preprocessing: Preprocessing
) -> tuple[list[Record], Squares]:
    """Read photos into memory; unreadable ones are left out.

    Returns:
        the records whose photos could be read, and these photos: `(photos, size, size, 3)`, uint8.

    Raises:
        DatasetError: none can be read.
    """
    records, photos = zip(*readable(records, preprocessing), strict=True)
    return list(records), np.stack(photos)


def photos_below(folder: Path, count: int, preprocessing: Preprocessing) -> Squares:
    """Read photos of a folder and its folders: always the same ones, chosen without regard to name.

    Args:
        folder: which may hold other files, too; see `photos_in`.
        count: how many to read; fewer if there are no more.
        preprocessing: how they are squeezed.

    Returns:
        `(photos, size, size, 3)`, uint8.

    Raises:
        DatasetError: there is no photo.
    """
    paths = photos_in(str(folder)).photos
    random.Random(0).shuffle(paths)
    photos: list[Pixels] = []
    for path in paths:
        if len(photos) == count:
            break
        try:
            photos.append(_squeezed(Path(path), preprocessing))
        except (BadImage, OSError):
            continue
    if not photos:
        raise DatasetError(f"{folder} has no photo that can be read")
    return np.stack(photos)


def _squeezed(path: Path, preprocessing: Preprocessing) -> Pixels:
    return preprocessing.squeeze(decode(path.read_bytes(), side=preprocessing.size))
