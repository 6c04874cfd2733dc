"""Catalogues for tests: each sentence of the bot is the English one with a mark before it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from bot.about import About
from bot.bad_images import BAD_IMAGE, BAD_VIDEO
from bot.languages import Sentence
from bot.replies import Replies
from bot.web.refusals import PARAMETERS, Refusals
from bot.web.sentences import SENTENCES
from captioner.translation import Catalogues

MARKS = {"ar": "عربي ", "de": "Deutsch: ", "zh": "中文"}
MANY = {"a second": "{count} seconds"}


def catalogues(folder: Path) -> Catalogues:
    """Compile a catalogue of the bot's sentences for each of the marks."""
    for code, mark in MARKS.items():
        said = {sentence: f"{mark}{sentence}" for sentence in _sentences()}
        compile_catalogue(folder, "bot", code, {"a second": f"{mark}{{count}} s", **said})
    return Catalogues(folder, "bot")


def compile_catalogue(folder: Path, domain: str, code: str, said: Mapping[str, str]) -> None:
    """Compile one catalogue from its sentences, by the English ones."""
    catalogue = Catalog(code)
    for english, sentence in said.items():
        if many := MANY.get(english):
            catalogue.add((english, many), (sentence,) * catalogue.num_plurals)
        else:
            catalogue.add(english, sentence)
    file = folder / code / "LC_MESSAGES" / f"{domain}.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        write_mo(out, catalogue)


def _sentences() -> Iterator[str]:
    yield from SENTENCES.values()
    yield from PARAMETERS.values()
    yield from (*BAD_IMAGE.values(), *BAD_VIDEO.values())
    for room in (Replies, Refusals, About):
        yield from (one.english for one in vars(room).values() if isinstance(one, Sentence))
