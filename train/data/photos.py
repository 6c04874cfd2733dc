"""The photos of a dataset, decoded and squeezed."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from captioner.errors import BadImage
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Pixels, Preprocessing
from captioner.runtime.protocols import Squares
from train.data.datasets import DatasetError, Record

log = logging.getLogger(__name__)


def squeezed(record: Record, preprocessing: Preprocessing) -> Pixels | None:
    """Return a photo as `Preprocessing.squeeze` does; None if it cannot be read, with a warning."""
    try:
        photo = decode(record.photo.read_bytes(), side=preprocessing.size)
    except (BadImage, OSError) as error:
        log.warning("%s is left out: %s", record.photo, error)
        return None
    return preprocessing.squeeze(photo)


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
