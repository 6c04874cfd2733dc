"""The layouts of captioning datasets: their caption files, photo folders and official splits.

No photo is opened here. A layout's `entries` reads one caption file; see `train.data.entries`.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.data.entries import SPLITS, Entry, entry, file_name, lines, text, unreadable
from train.data.tables import METADATA, csv_entries, jsonl_entries, metadata_entries


@dataclass(frozen=True)
class Layout:
    """One way in which a dataset is published: where its captions and photos are."""

    name: str
    texts: tuple[str, ...]  # caption files; the first that exists is read
    folders: tuple[str, ...]  # photo folders, with their subfolders; all that exist are used
    entries: Callable[[Path], Iterator[Entry | str]]
    by_path: bool = False  # photos are named by their path below the root, not by file name

    def photos(self, root: Path) -> dict[str, Path]:
        """List every file in the photo folders by the name that captions use for it.

        A folder is listed once, because checking tens of thousands of photos one by one takes
        minutes on a network drive. Hidden files and folders are passed over.
        """
        files = [file for start in self.folders for file in _visible(root / start)]
        names = (f.relative_to(root).as_posix() if self.by_path else f.name for f in files)
        return dict(zip(map(file_name, names), files, strict=True))


def _visible(start: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(start):
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def official_lists(root: Path) -> dict[str, list[str]]:
    """Read the split lists of Flickr8k, if they are next to the captions.

    Returns:
        photo names for each of "train", "dev" and "test" whose list exists.
    """
    lists = {}
    for part in ("train", "dev", "test"):
        for folder in (root / "Flickr8k_text", root):
            path = folder / f"Flickr_8k.{part}Images.txt"
            if path.is_file():
                lists[part] = [line.strip() for _, line in lines(path) if line.strip()]
                break
    return lists


def _token_entries(path: Path) -> Iterator[Entry | str]:
    """`photo.jpg#0<TAB>caption`, as the University of Illinois publishes Flickr8k and 30k."""
    return _matched(path, re.compile(r"(?P<photo>.+)#\d+\t(?P<caption>.*)"))


def _results_entries(path: Path) -> Iterator[Entry | str]:
    """`photo.jpg| 0| caption`, Flickr30k as Kaggle has it.

    The second bar is optional, because one line of the published file has none:
    `2199200615.jpg| 4   A dog runs across the grass .`
    """
    pattern = re.compile(r"(?P<photo>[^|]+)\|\s*\d+\s*\|?(?P<caption>.*)")
    header = re.compile(r"image_name\s*\|")
    return _matched(path, pattern, header)


def _matched(
    path: Path, pattern: re.Pattern[str], header: re.Pattern[str] | None = None
) -> Iterator[Entry | str]:
    for number, line in lines(path):
        where = f"{path.name}, line {number}"
        if not line.strip() or (number == 1 and header and header.match(line)):
            continue
        match = pattern.fullmatch(line)
        yield entry(where, match["photo"], [match["caption"]]) if match else unreadable(where)


def _karpathy_entries(path: Path) -> Iterator[Entry | str]:
    """A. Karpathy's split JSON: captions and splits of Flickr8k, Flickr30k or COCO in one file.

    From https://cs.stanford.edu/people/karpathy/deepimagesent/ (Karpathy and Li, CVPR 2015).
    """
    for number, item in enumerate(_items(path, "images"), start=1):
        where = f"{path.name}, photo {number}"
        match item:
            case {"filename": str(photo), "split": str(split), "sentences": list(sentences)} if (
                photo and split in SPLITS
            ):
                yield Entry(photo, (), SPLITS[split])
                for sentence in sentences:
                    match sentence:
                        case {"raw": str(caption)}:
                            yield entry(where, photo, [caption], SPLITS[split])
                        case _:
                            yield unreadable(where)
            case _:
                yield unreadable(where)


def _coco_entries(path: Path) -> Iterator[Entry | str]:
    """COCO's own captions of one year; its train and its val file are both read, if they exist.

    COCO publishes no captions for its test photos: https://cocodataset.org/#format-data.
    """
    year = path.stem[-4:]
    for split in (SPLITS["train"], SPLITS["val"]):
        part = path.with_name(f"captions_{split}{year}.json")
        if not part.is_file():
            continue
        names: dict[int, str] = {}
        for number, item in enumerate(_items(part, "images"), start=1):
            match item:
                case {"id": int(key), "file_name": str(photo)}:
                    names[key] = photo
                    yield Entry(photo, (), split)
                case _:
                    yield unreadable(f"{part.name}, photo {number}")
        for number, item in enumerate(_items(part, "annotations"), start=1):
            where = f"{part.name}, caption {number}"
            match item:
                case {"image_id": int(key), "caption": str(caption)} if key in names:
                    yield entry(where, names[key], [caption], split)
                case _:
                    yield unreadable(where)


def _items(path: Path, key: str) -> list[Any]:
    match json.loads(text(path)):
        case dict(document) if isinstance(document.get(key), list):
            items: list[Any] = document[key]
            return items
        case _:
            raise ValueError(f"it has no list named {key!r}")


_FLICKR8K = ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images")
_FLICKR30K = ("flickr30k-images", "flickr30k_images")
_COCO_2014 = ("train2014", "val2014", "images/train2014", "images/val2014")
_COCO_2017 = ("train2017", "val2017", "images/train2017", "images/val2017")

# In order of preference: a caption file with splits comes before one without.
LAYOUTS = (
    Layout(
        "coco",
        ("dataset_coco.json", "annotations/dataset_coco.json", "karpathy/dataset_coco.json"),
        _COCO_2014,
        _karpathy_entries,
    ),
    Layout(
        "coco",
        ("annotations/captions_train2014.json", "annotations/captions_val2014.json"),
        _COCO_2014,
        _coco_entries,
    ),
    Layout(
        "coco",
        ("annotations/captions_train2017.json", "annotations/captions_val2017.json"),
        _COCO_2017,
        _coco_entries,
    ),
    Layout("flickr30k", ("dataset_flickr30k.json",), _FLICKR30K, _karpathy_entries),
    Layout(
        "flickr30k",
        ("results_20130124.token", "flickr30k/results_20130124.token"),
        _FLICKR30K,
        _token_entries,
    ),
    Layout(
        "flickr30k",
        ("results.csv", "flickr30k_images/results.csv"),
        _FLICKR30K,
        _results_entries,
    ),
    Layout(
        "flickr8k",
        ("Flickr8k_text/Flickr8k.token.txt", "Flickr8k.token.txt"),
        _FLICKR8K,
        _token_entries,
    ),
    Layout("flickr8k", ("dataset_flickr8k.json",), _FLICKR8K, _karpathy_entries),
    Layout("flickr8k", ("captions.txt",), ("Images",), csv_entries),
    Layout("folder", ("captions.csv", "captions.tsv"), (".",), csv_entries, by_path=True),
    Layout("folder", ("captions.jsonl",), (".",), jsonl_entries, by_path=True),
    Layout(
        "folder",
        (*METADATA, *(f"{split}/{name}" for split in SPLITS for name in METADATA)),
        (".",),
        metadata_entries,
        by_path=True,
    ),
)
