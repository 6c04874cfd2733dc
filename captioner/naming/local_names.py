"""The names of things in other languages than English.

`weights/names/de.tsv` has a line for each name of `weights/naming.tsv`: the English name, the
German one with its article, and the words of captions that speak of it (`LocalName.nouns`).
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from captioner.result import LocalName, NamedObject
from captioner.shipped import WEIGHTS
from captioner.translation import ENGLISH
from captioner.wording import VAGUE

NAMES = WEIGHTS / "names"


def localized(objects: Sequence[NamedObject], language: str) -> tuple[NamedObject, ...]:
    """Return objects with their names in a language; a name that has none there is left out."""
    if language == ENGLISH:
        return tuple(objects)
    table = _table(NAMES / f"{language}.tsv")
    return tuple(replace(one, local=_local(one, table)) for one in objects if one.name in table)


def read(path: Path) -> dict[str, LocalName]:
    """Read a table of names, by the English ones; none knows what it is one of.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line has not three columns.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {english: LocalName(name, tuple(nouns.split()), ()) for english, name, nouns in rows}


@cache
def _table(path: Path) -> dict[str, LocalName]:
    return read(path) if path.exists() else {}


def _local(named: NamedObject, table: Mapping[str, LocalName]) -> LocalName:
    # Many different things are animals: a caption of another one does not speak of this.
    kinds = [table[kind] for kind in named.kinds if kind in table and kind not in VAGUE]
    wider = tuple(noun for kind in kinds for noun in kind.nouns)
    return replace(table[named.name], wider=wider)
