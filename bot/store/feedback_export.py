"""Writes what people said about captions as a dataset that `train` reads.

    OUT/captions.tsv         a photo and a caption on each line, in one language
    OUT/photos/              the photos, as links to the files where the file system allows it
    OUT/languages/de.tsv     the same photos' captions in another language, for --languages

The captions are those that were called good, and the corrections of bad ones. The store has no
photos: each is found by its hash in a folder of the operator's.
"""

import csv
import hashlib
import os
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.store.feedback_rows import FeedbackRow
from captioner.photo.folders import walk

TABLE, PHOTOS, LANGUAGES = "captions.tsv", "photos", "languages"
# Spreadsheets compute what begins with one of these, and operators read the table in them.
FORMULA = "=+-@ "


@dataclass
class Export:
    """What was written, and what was left out."""

    photos: int = 0
    captions: Counter[str] = field(default_factory=Counter)  # by language
    uncorrected: int = 0  # called bad, without a correction
    wordless: int = 0  # without a letter or digit
    unfound: int = 0  # their photo is not in the folder
    strangers: Counter[str] = field(default_factory=Counter)  # by language: of photos not in TABLE
    unreadable: int = 0  # files in the folder


@dataclass(frozen=True)
class _Caption:
    photo: str  # its hash
    language: str
    text: str


def export(rows: Sequence[FeedbackRow], folder: Path, out: Path, language: str) -> Export:
    """Write a dataset; write nothing if no caption is left for its table.

    Args:
        rows: what people said.
        folder: that has the photos, also in its subfolders.
        out: the folder of the dataset; it is made.
        language: the code of the table's language.

    Raises:
        OSError: `folder` cannot be read, or `out` cannot be written.
    """
    done = Export()
    captions = list(dict.fromkeys(_captions(rows, done)))
    files = _found({caption.photo for caption in captions}, folder, done)
    done.unfound = sum(caption.photo not in files for caption in captions)
    known = {one.photo for one in captions if one.language == language and one.photo in files}
    kept = []
    for caption in captions:
        if caption.photo in known:
            kept.append(caption)
        elif caption.photo in files:
            done.strangers[caption.language] += 1
    done.photos, done.captions = len(known), Counter(caption.language for caption in kept)
    if kept:
        _write(kept, {photo: files[photo] for photo in sorted(known)}, out, language)
    return done


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as the store has it; raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _captions(rows: Iterable[FeedbackRow], done: Export) -> Iterator[_Caption]:
    for row in rows:
        text = row.caption if row.verdict == "good" else row.correction
        if text is None:
            done.uncorrected += 1
        elif any(map(str.isalnum, text)):
            yield _Caption(row.photo, row.language, text.lstrip(FORMULA))
        else:
            done.wordless += 1


def _found(photos: set[str], folder: Path, done: Export) -> dict[str, Path]:
    """Return the first file of each photo that is in a folder."""
    os.scandir(folder).close()  # `walk` would only report that it cannot be read
    files: dict[str, Path] = {}
    for found in walk(str(folder)):
        if len(files) == len(photos):
            break
        try:
            if found.problem:
                raise OSError(found.problem)
            photo = digest(Path(found.path))
        except OSError:
            done.unreadable += 1
        else:
            if photo in photos:
                files.setdefault(photo, Path(found.path))
    return files


def _write(captions: Sequence[_Caption], files: Mapping[str, Path], out: Path, code: str) -> None:
    (out / PHOTOS).mkdir(parents=True)
    try:
        _fill(captions, files, out, code)
    except BaseException:  # a full disk, or Ctrl-C: nobody takes a part for the whole
        (out / TABLE).unlink(missing_ok=True)
        for part in (PHOTOS, LANGUAGES):
            shutil.rmtree(out / part, ignore_errors=True)
        raise


def _fill(captions: Sequence[_Caption], files: Mapping[str, Path], out: Path, code: str) -> None:
    names = _names(files)
    for photo, file in files.items():
        _link(file.resolve(), out / PHOTOS / names[photo])
    others: dict[str, list[str]] = {}
    with (out / TABLE).open("w", encoding="utf-8", newline="") as text:
        table = csv.writer(text, "excel-tab", lineterminator="\n")
        table.writerow(("photo", "caption"))
        for caption in captions:
            name = names[caption.photo]
            if caption.language == code:
                table.writerow((f"{PHOTOS}/{name}", caption.text))
            else:
                others.setdefault(caption.language, []).append(f"{name}\t{caption.text}\n")
    for other, lines in others.items():
        (out / LANGUAGES).mkdir(exist_ok=True)
        (out / LANGUAGES / f"{other}.tsv").write_text("".join(lines), "utf-8", newline="\n")


def _names(files: Mapping[str, Path]) -> dict[str, str]:
    """Return a name for each photo: its file's, or one with a hash where that would not do.

    Names in different folders may be the same, and so may those that differ in capitals or in how
    an accent is written, for some file systems. A table cannot hold those with a line break.
    """
    same = Counter(map(_folded, files.values()))
    return {
        photo: file.name
        if same[_folded(file)] == 1 and file.name.isprintable()
        else f"{photo}{file.suffix.lower()}"
        for photo, file in files.items()
    }


def _folded(file: Path) -> str:
    return unicodedata.normalize("NFC", file.name).casefold()


def _link(file: Path, link: Path) -> None:
    try:
        os.link(file, link)
    except OSError:  # on another file system, or on one without such links
        shutil.copyfile(file, link)
