"""Captions of a dataset's photos in other languages: a folder with a file for each language.

`de.tsv` has a line for each caption: the photo's file name, a tab, the caption. The photos and
their splits are those of the dataset; a photo may have no caption in a language.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from train.data.datasets import Dataset, DatasetError, Record, Split

SUFFIX = ".tsv"
_CODE = re.compile("[a-z]{2,3}")


@dataclass(frozen=True)
class Captions:
    """The captions of a language, and what was wrong with their file."""

    records: tuple[Record, ...]  # photos with captions, in the order of the dataset
    problems: tuple[str, ...]

    def split(self, name: Split) -> tuple[Record, ...]:
        """Return the records of one split, perhaps none."""
        return tuple(record for record in self.records if record.split == name)


def codes(folder: Path) -> list[str]:
    """Return the codes of the languages that a folder has captions in, in their order.

    Raises:
        DatasetError: there is no such folder, or it has no captions.
    """
    if not folder.is_dir():
        raise DatasetError(f"There is no folder {folder}. Give the folder of the captions.")
    found = sorted(path.stem for path in folder.glob(f"*{SUFFIX}") if _CODE.fullmatch(path.stem))
    if not found:
        raise DatasetError(
            f"{folder} has no captions. They belong in a file for each language, such as de.tsv, "
            "with a photo's file name, a tab and a caption on each line."
        )
    return found


def read(folder: Path, language: str, dataset: Dataset) -> Captions:
    """Read the captions of one language.

    Args:
        folder: of the files.
        language: its code.
        dataset: of the photos.

    Raises:
        DatasetError: the file cannot be read, or is not of these photos.
    """
    path = folder / f"{language}{SUFFIX}"
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no captions in {language!r}; it has {', '.join(codes(folder))}."
        )
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}.") from error
    captions, problems = _by_photo(path, lines)
    known = {record.photo.name for record in dataset.records}
    if strangers := captions.keys() - known:
        problems.append(f"{path}: {len(strangers)} of its photos are not of the dataset.")
    records = tuple(
        replace(record, captions=tuple(captions[record.photo.name]))
        for record in dataset.records
        if record.photo.name in captions
    )
    if not records:
        raise DatasetError(f"{path} has no caption of a photo of the dataset.")
    return Captions(records, tuple(problems))


def read_all(folder: Path, dataset: Dataset) -> dict[str, Captions]:
    """Read the captions of all languages, by their codes, and print what was left out.

    Raises:
        DatasetError: the folder or one of its files cannot be used.
    """
    every = {code: read(folder, code, dataset) for code in codes(folder)}
    for found in every.values():
        for problem in found.problems:
            print(f"left out: {problem}")
    return every


def pooled(records: Sequence[Record], languages: Mapping[str, Captions]) -> list[Record]:
    """Return records with the captions of all languages."""
    every: dict[Path, list[str]] = {record.photo: list(record.captions) for record in records}
    for captions in languages.values():
        for record in captions.records:
            if record.photo in every:
                every[record.photo] += record.captions
    return [replace(record, captions=tuple(every[record.photo])) for record in records]


def _by_photo(path: Path, lines: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    captions: dict[str, list[str]] = {}
    broken = 0
    for line in lines:
        photo, tab, caption = line.partition("\t")
        text = " ".join(caption.split())
        if tab and photo and text:
            captions.setdefault(photo, []).append(text)
        else:
            broken += bool(line.strip())
    problems = [f"{path}: {broken} lines have no photo, tab and caption."] if broken else []
    return captions, problems
