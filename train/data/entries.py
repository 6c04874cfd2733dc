"""What a line of a caption file says: a photo, its captions, and perhaps its split.

A reader of a file yields an `Entry` for what it can parse and a sentence (a `str`) for what it
cannot, so a bad line costs only itself. Text that cannot be decoded is reported and left out,
because its captions would teach wrong words.
"""

import codecs
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from captioner.languages.orthography import tokenize

Split = Literal["train", "val", "test"]

# Karpathy's "restval" is the part of COCO's val2014 that everyone trains on. Flickr8k has "dev".
SPLITS: dict[str, Split] = {
    "train": "train",
    "restval": "train",
    "val": "val",
    "dev": "val",
    "valid": "val",
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


def entry(where: str, photo: str, captions: list[str], split: Split | None = None) -> Entry | str:
    """Return what a line says, or what is wrong with it.

    Args:
        where: the line, for the sentence.
        photo: its name.
        captions: those without a word are left out; a line break in one becomes a space.
        split: of the photo.
    """
    photo = photo.strip()
    captions = [" ".join(caption.split()) for caption in captions if caption.strip()]
    if any(_REPLACEMENT in text for text in (photo, *captions)):
        return f"{where} is not UTF-8 text, and was left out."
    if not photo or not captions:
        return f"{where} has no {'caption' if photo else 'photo'}, and was left out."
    worded = tuple(caption for caption in captions if tokenize(caption))
    if not worded:
        return f"{where} has a caption without a word, {captions[0]!r}, and was left out."
    return Entry(photo, worded, split)


def unreadable(where: str) -> str:
    """Say that a line cannot be parsed."""
    return f"{where} cannot be parsed, and was left out."


def file_name(name: str) -> str:
    """Return a file's name in Unicode's form NFC, because macOS may write accents apart."""
    return unicodedata.normalize("NFC", name)


def text(path: Path) -> str:
    """Read a text in UTF-8, or in UTF-16 as spreadsheets write it; replaces what is neither."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    # Without a byte-order mark: every other byte of a header in Latin letters is zero.
    for encoding, zeros in (("utf-16-le", data[1:8:2]), ("utf-16-be", data[0:8:2])):
        if len(data) >= 8 and not any(zeros):
            return data.decode(encoding, errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text with their numbers, from 1."""
    content = text(path)
    # Not splitlines(), which also breaks at characters that a caption may contain. Spreadsheets on
    # old Macs end lines with a carriage return alone.
    for number, line in enumerate(content.split("\n" if "\n" in content else "\r"), start=1):
        yield number, line.rstrip("\r")
