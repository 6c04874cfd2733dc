"""The layouts of captioning datasets: their caption files, photo folders and official splits.

No photo is opened here. A layout's `entries` reads one caption file and yields an `Entry` for what
it can parse and a sentence (a `str`) for what it cannot, so a bad line costs only itself. Text that
is not UTF-8 is reported and left out, because its captions would teach wrong words.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "val", "test"]

# Karpathy's "restval" is the part of COCO's val2014 that everyone trains on. Flickr8k has "dev".
SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",
    "val": "val",
    "dev": "val",
    "validation": "val",
    "test": "test",
}

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Entry:
    """A photo in a caption file; the same photo may come again."""

    photo: str  # the key of `Layout.photos`
    captions: tuple[str, ...]
    split: Split | None = None  # None if the caption file has no splits


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
        minutes on a network drive.
        """
        files = (
            Path(folder, file)
            for start in self.folders
            for folder, _, names in os.walk(root / start)
            for file in sorted(names)
        )
        return {f.relative_to(root).as_posix() if self.by_path else f.name: f for f in files}


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
                lists[part] = [line.strip() for _, line in _lines(path) if line.strip()]
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
    for number, line in _lines(path):
        where = f"{path.name}, line {number}"
        if not line.strip() or (number == 1 and header and header.match(line)):
            continue
        match = pattern.fullmatch(line)
        yield _entry(where, match["photo"], match["caption"]) if match else _unreadable(where)


def _csv_entries(path: Path) -> Iterator[Entry | str]:
    """A header with the columns photo (or image), caption and perhaps split.

    Each line is parsed on its own, so a forgotten quotation mark costs one line.
    """
    columns: list[str] = []
    for number, line in _lines(path):
        where = f"{path.name}, line {number}"
        if not line.strip():
            continue
        try:
            row = next(csv.reader([line], strict=True))
        except csv.Error:
            yield _unreadable(where)
            continue
        if not columns:
            columns = _columns(row)
        elif len(row) != len(columns):
            yield (
                f"{where} has {len(row)} columns instead of {len(columns)}, and was left out; "
                "a caption with a comma needs quotation marks."
            )
        else:
            yield _csv_entry(where, dict(zip(columns, row, strict=True)))


def _columns(header: list[str]) -> list[str]:
    columns = [name.strip().lower() for name in header]
    columns = ["photo" if name == "image" else name for name in columns]
    if not {"photo", "caption"} <= set(columns):
        raise ValueError(
            f"its first line must name the columns photo and caption, but is {','.join(header)!r}"
        )
    return columns


def _csv_entry(where: str, row: dict[str, str]) -> Entry | str:
    split = row.get("split", "train").strip().lower()
    if split not in SPLITS:
        return f"{where} names the split {split!r} instead of train, val or test; it was left out."
    photo = row["photo"].strip().replace("\\", "/").removeprefix("./")
    return _entry(where, photo, row["caption"], SPLITS[split] if "split" in row else None)


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
                            yield _entry(where, photo, caption, SPLITS[split])
                        case _:
                            yield _unreadable(where)
            case _:
                yield _unreadable(where)


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
                    yield _unreadable(f"{part.name}, photo {number}")
        for number, item in enumerate(_items(part, "annotations"), start=1):
            where = f"{part.name}, caption {number}"
            match item:
                case {"image_id": int(key), "caption": str(caption)} if key in names:
                    yield _entry(where, names[key], caption, split)
                case _:
                    yield _unreadable(where)


def _entry(where: str, photo: str, caption: str, split: Split | None = None) -> Entry | str:
    photo, caption = photo.strip(), caption.strip()
    if _REPLACEMENT in photo + caption:
        return f"{where} is not UTF-8 text, and was left out."
    if not photo or not caption:
        return f"{where} has no {'caption' if photo else 'photo'}, and was left out."
    return Entry(photo, (caption,), split)


def _unreadable(where: str) -> str:
    return f"{where} cannot be parsed, and was left out."


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig", errors="replace")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    # Not splitlines(), which also breaks at characters that a caption may contain.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        yield number, line.rstrip("\r")


def _items(path: Path, key: str) -> list[Any]:
    match json.loads(_text(path)):
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
    Layout("flickr8k", ("captions.txt",), ("Images",), _csv_entries),
    Layout("folder", ("captions.csv",), (".",), _csv_entries, by_path=True),
)
