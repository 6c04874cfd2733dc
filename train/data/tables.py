"""Captions in a table: CSV as people, spreadsheets and Hugging Face folders write it, JSON lines.

The first line of a CSV names its columns, and decides whether commas, semicolons, tabs or bars
separate them. A quoted caption may have line breaks. A quotation mark that was forgotten costs one
line.
"""

import csv
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from captioner.photo.formats import is_photo_name
from train.data.entries import SPLITS, Entry, entry, lines, unreadable

# Names of columns in small letters, with _ for spaces; the first that a table has is taken.
_PHOTO = ("photo", "file_name", "filename", "image", "image_name", "image_path", "file", "path")
# Of these there may be several: caption1, caption_2, or the same name again.
_CAPTION = ("caption", "captions", "text", "sentence", "description", "comment", "raw")
_SPLIT = "split"
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST = 50  # lines of a quoted caption: a forgotten quotation mark is looked for no further

METADATA = ("metadata.csv", "metadata.jsonl")  # of Hugging Face's ImageFolder


@dataclasses.dataclass(frozen=True)
class _Columns:
    """Which columns of a table hold what."""

    count: int
    photo: int
    captions: tuple[int, ...]
    split: int | None

    @classmethod
    def find(cls, header: Sequence[str]) -> "_Columns | None":
        """Find the columns by their names; None if there is none for photos or for captions."""
        names = [re.sub(r"[\s-]+", "_", name.strip().lower()) for name in header]
        photo = next((names.index(name) for name in _PHOTO if name in names), None)
        plain = [re.sub(r"[_.]?\d+$", "", name) for name in names]
        kind = next((name for name in _CAPTION if name in plain), None)
        if photo is None or kind is None:
            return None
        captions = tuple(place for place, name in enumerate(plain) if name == kind)
        split = names.index(_SPLIT) if _SPLIT in names else None
        return cls(len(names), photo, captions, split)

    def entry(self, where: str, cells: Sequence[object]) -> Entry | str:
        """Return what a row says, or what is wrong with it."""
        split = None
        if self.split is not None:
            name = str(cells[self.split]).strip().lower()
            if name not in SPLITS:
                return (
                    f"{where} names the split {name!r} instead of train, val or test; "
                    "it was left out."
                )
            split = SPLITS[name]
        photo = str(cells[self.photo]).strip().replace("\\", "/").removeprefix("./")
        captions = [text for place in self.captions for text in _captions(cells[place])]
        return entry(where, photo, captions, split)


def csv_entries(path: Path) -> Iterator[Entry | str]:
    """Read a CSV with a column for photos, one or more for captions, and perhaps one for splits.

    Raises:
        ValueError: the first line does not name them.
    """
    numbered = list(lines(path))
    start = next((place for place, (_, line) in enumerate(numbered) if line.strip()), 0)
    separators = list(_SEPARATORS)
    if stated := re.fullmatch('(?i)"?sep=(.)"?', numbered[start][1]):  # as Excel is told
        separators, start = [stated[1]], start + 1
    header = numbered[start][1] if start < len(numbered) else ""
    for separator in separators:
        if columns := _Columns.find(_cells(header, separator) or ()):
            return _rows(path.name, numbered[start + 1 :], separator, columns)
    raise ValueError(f"its first line must name the columns photo and caption, but is {header!r}")


def jsonl_entries(path: Path) -> Iterator[Entry | str]:
    """Read a file with a JSON object in each line, whose keys are the columns."""
    for number, line in lines(path):
        where = f"{path.name}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        columns = _Columns.find(list(row)) if isinstance(row, Mapping) else None
        yield columns.entry(where, list(row.values())) if columns else unreadable(where)


def metadata_entries(path: Path) -> Iterator[Entry | str]:
    """Read the metadata of an ImageFolder: a file for all splits, or one in the folder of each.

    A photo in a folder that is named like a split belongs to it, as in
    https://huggingface.co/docs/datasets/image_dataset#imagefolder.
    """
    if path.parent.name not in SPLITS:
        for found in _metadata(path):
            yield _in_its_folder(found) if isinstance(found, Entry) else found
        return
    for folder in (path.parent.with_name(name) for name in SPLITS):
        for part in (folder / name for name in METADATA):
            if part.is_file():
                for found in _metadata(part):
                    if isinstance(found, Entry):
                        below = f"{folder.name}/{found.photo}"
                        yield _in_its_folder(dataclasses.replace(found, photo=below))
                    else:
                        yield f"{folder.name}/{found}"
                break


def _metadata(path: Path) -> Iterator[Entry | str]:
    return jsonl_entries(path) if path.suffix == ".jsonl" else csv_entries(path)


def _in_its_folder(found: Entry) -> Entry:
    folder = PurePosixPath(found.photo).parts[0]
    return dataclasses.replace(found, split=found.split or SPLITS.get(folder))


def _rows(
    name: str, numbered: Sequence[tuple[int, str]], separator: str, columns: _Columns
) -> Iterator[Entry | str]:
    place = 0
    while place < len(numbered):
        where = f"{name}, line {numbered[place][0]}"
        texts = [line for _, line in numbered[place : place + LONGEST]]
        place += 1
        if not texts[0].strip():
            continue
        cells = _cells(texts[0], separator)
        if cells is None and (more := _quoted(texts, separator, columns)):
            cells, taken = more
            place += taken - 1
        if cells is None and separator == "\t":
            cells = texts[0].split("\t")  # many who write tabs quote nothing
        if cells is None:
            yield unreadable(where)
        elif len(cells) != columns.count:
            mark = _SEPARATORS.get(separator, repr(separator))
            yield (
                f"{where} has {len(cells)} columns instead of {columns.count}, and was left out; "
                f"a caption with a {mark} needs quotation marks."
            )
        elif any(cell.strip() for cell in cells):  # below a table, spreadsheets leave empty rows
            yield columns.entry(where, cells)


def _quoted(
    texts: Sequence[str], separator: str, columns: _Columns
) -> tuple[list[str], int] | None:
    """Parse a row of several lines: its cells, and how many lines it takes; None if it is none."""
    for taken in range(2, len(texts) + 1):
        following = _cells(texts[taken - 1], separator) or []
        if len(following) == columns.count and is_photo_name(following[columns.photo].strip()):
            return None  # this is the next photo, and a quotation mark is missing before it
        cells = _cells("\n".join(texts[:taken]), separator)
        if cells is not None and len(cells) == columns.count:
            return cells, taken
    return None


def _cells(row: str, separator: str) -> list[str] | None:
    try:
        return next(csv.reader([row], strict=True, delimiter=separator), [])
    except csv.Error:
        return None


def _captions(cell: object) -> list[str]:
    """Return the captions in a cell: one, or a list of them, which may be written as JSON."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            return [str(cell)]
    if isinstance(cell, list):
        return [text for text in cell if isinstance(text, str)]
    return [cell] if isinstance(cell, str) else []
