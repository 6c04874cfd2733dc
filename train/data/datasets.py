"""Flickr8k, Flickr30k, COCO, or a folder with a CSV: one shape of record.

    dataset = read(Path("data/flickr8k"))
    for record in dataset.split("train"):
        record.photo, record.captions

A dataset's own splits (the lists of Flickr8k, Karpathy's JSON, COCO's two files, a column `split`)
are kept. In other datasets, a hash of a photo's name decides: about six photos in eight are train,
one is val, one is test. So adding photos later never moves another one from train to test.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.photo.formats import is_photo_name
from train.data.entries import SPLITS, Split, file_name
from train.data.layouts import LAYOUTS, Layout, official_lists
from train.errors import TrainError

__all__ = ["Dataset", "DatasetError", "Record", "Split", "read", "short_names"]


class DatasetError(TrainError):
    """A dataset that cannot be used; the text says what is missing."""


@dataclass(frozen=True)
class Record:
    """One photo and its reference captions."""

    photo: Path  # an existing file
    captions: tuple[str, ...]  # as written, with single spaces; at least one
    split: Split


@dataclass(frozen=True)
class Dataset:
    """Every usable photo of a dataset, and one sentence for each problem."""

    name: str  # "flickr8k", "flickr30k", "coco" or "folder"
    records: tuple[Record, ...]  # in the order of the split lists, else of the captions
    problems: tuple[str, ...]  # one per missing photo or unreadable line

    def split(self, name: Split) -> tuple[Record, ...]:
        """Return the records of one split.

        Raises:
            DatasetError: the split is empty; names the splits that have photos.
        """
        records = tuple(record for record in self.records if record.split == name)
        if not records:
            counts = Counter(record.split for record in self.records)
            present = ", ".join(f"{count} in {split!r}" for split, count in counts.items())
            raise DatasetError(
                f"{self.name} has no photos in the split {name!r} (it has {present}). "
                + _REMEDIES.get(self.name, "Check that its split lists and photos are complete.")
            )
        return records


_REMEDIES = {
    "coco": "COCO publishes no captions for its test photos; Karpathy's dataset_coco.json, put "
    "next to the photo folders of 2014, has all three splits.",
    "folder": "Assign photos to it in a column split of the captions, or add photos.",
}


def read(root: Path) -> Dataset:
    """Read the dataset in a folder that has one of the known layouts.

    Missing photos, photos without captions, lines that cannot be parsed and text that is not UTF-8
    are left out and named in `problems`. Photos in no split list are not part of the dataset; one
    problem counts them. Photos are listed, not opened.

    Raises:
        DatasetError: no layout matches (the text names those that do), the caption file cannot be
            read, or no photo with captions is left.
    """
    layout, text = _find_layout(root)
    photos = layout.photos(root)
    try:
        captions, splits, problems = _read_entries(layout, text)
        if not splits and layout.name == "flickr8k":
            splits, found = _listed_splits(root)
            problems += found
    except (OSError, ValueError) as error:
        raise DatasetError(f"{text} cannot be read: {error}.") from error
    if splits:
        problems += _counted("with captions but in no split list", captions.keys() - splits.keys())
    else:
        splits = {name: _split_by_name(name) for name in captions}

    records = []
    for name, split in splits.items():
        if not captions.get(name):
            problems.append(f"{name} has no captions, and was left out.")
        elif name not in photos:
            problems.append(f"The photo {name} is missing, and its captions were left out.")
        else:
            records.append(Record(photos[name], tuple(captions[name]), split))
    files = {name for name in photos if is_photo_name(name)}
    problems += _counted("without captions", files - captions.keys() - splits.keys())

    if not records:
        examples = " ".join(problems[:3])
        raise DatasetError(f"None of the photos that {text} names can be used. {examples}".strip())
    return Dataset(layout.name, tuple(records), tuple(problems))


def short_names(photos: Sequence[Path], root: Path) -> dict[Path, str]:
    """Name photos by the shortest ends of their paths below `root` that are all different.

    That is the bare file name in a dataset with one folder of photos, and `monday/1.jpg` where
    `friday/1.jpg` is another photo.

    Args:
        photos: all photos of a dataset, each once, so that a name is the same in every split.
        root: the dataset's folder.
    """
    paths = [photo.relative_to(root).parts for photo in photos]
    length = 1
    while len({parts[-length:] for parts in paths}) < len(paths):
        length += 1
    return {photo: "/".join(path[-length:]) for photo, path in zip(photos, paths, strict=True)}


def _find_layout(root: Path) -> tuple[Layout, Path]:
    if not root.is_dir():
        raise DatasetError(f"There is no folder {root}. Give the folder that holds the dataset.")
    lacking = None
    for layout in LAYOUTS:
        text = next((root / text for text in layout.texts if (root / text).is_file()), None)
        if text and any((root / folder).is_dir() for folder in layout.folders):
            return layout, text
        if text:
            lacking = (
                f"{text} has no photos: they belong in {' or '.join(layout.folders)} in {root}."
            )
    if lacking:
        raise DatasetError(lacking)
    entries = sorted(entry.name for entry in root.iterdir())
    holds = ", ".join(entries[:5]) + (", ..." if len(entries) > 5 else "")
    raise DatasetError(
        f"{root} is not a dataset: it needs photos and a captions.csv, a metadata.csv or a "
        "metadata.jsonl, or the layout of Flickr8k, Flickr30k or COCO (docs/training.md, Data). "
        f"It holds {holds or 'nothing'}."
    )


def _read_entries(
    layout: Layout, text: Path
) -> tuple[dict[str, list[str]], dict[str, Split], list[str]]:
    captions: dict[str, list[str]] = {}
    splits: dict[str, Split] = {}
    problems: list[str] = []
    for entry in layout.entries(text):
        if isinstance(entry, str):
            problems.append(entry)
            continue
        photo = file_name(entry.photo)
        captions.setdefault(photo, []).extend(entry.captions)
        if entry.split:
            problems += _assign(splits, photo, entry.split)
    return captions, splits, problems


def _listed_splits(root: Path) -> tuple[dict[str, Split], list[str]]:
    splits: dict[str, Split] = {}
    problems: list[str] = []
    for part, names in official_lists(root).items():
        for name in names:
            problems += _assign(splits, file_name(name), SPLITS[part])
    return splits, problems


def _assign(splits: dict[str, Split], name: str, split: Split) -> list[str]:
    first = splits.setdefault(name, split)
    return [] if first == split else [f"{name} is in {split!r} too; it stays in {first!r}."]


def _split_by_name(name: str) -> Split:
    eighth = hashlib.sha256(name.encode()).digest()[0] % 8
    return "val" if eighth == 0 else "test" if eighth == 1 else "train"


def _counted(what: str, names: set[str]) -> list[str]:
    if not names:
        return []
    return [f"Photos {what}: {len(names)}, all left out (the first is {min(names)})."]
