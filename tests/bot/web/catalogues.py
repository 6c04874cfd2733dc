"""Catalogues for tests: each sentence is the English one with a mark before it."""

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from bot.languages import Sentence
from bot.replies import BAD_IMAGE, PARAMETERS, Replies
from bot.web.sentences import SENTENCES
from captioner.translation import Catalogues

MARKS = {"ar": "عربي ", "de": "Deutsch: ", "zh": "中文"}


def catalogues(folder: Path) -> Catalogues:
    """Compile a catalogue for each of the marks."""
    for code, mark in MARKS.items():
        catalogue = Catalog(code)
        for sentence in set(_sentences()):
            catalogue.add(sentence, f"{mark}{sentence}")
        plural = f"{mark}{{count}} s"
        catalogue.add(("a second", "{count} seconds"), (plural,) * catalogue.num_plurals)
        file = folder / code / "LC_MESSAGES" / "bot.mo"
        file.parent.mkdir(parents=True)
        with file.open("wb") as out:
            write_mo(out, catalogue)
    return Catalogues(folder, "bot")


def _sentences() -> Iterator[str]:
    yield from SENTENCES.values()
    yield from PARAMETERS.values()
    yield from BAD_IMAGE.values()
    yield from (one.english for one in vars(Replies).values() if isinstance(one, Sentence))
