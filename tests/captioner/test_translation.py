"""Sentences are translated by catalogues that are complete and compiled."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from captioner.translation import Catalogues

ROOT = Path(__file__).parents[2]
KEYWORDS = {"N_": None, "Sentence": None, "counted": (1, 2)}
CATALOGUES = sorted(ROOT.glob("*/locale/*/LC_MESSAGES/*.po"))
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
COMMAND = re.compile(r"(?<![\w/])/[a-z]+\b(?!/)", re.ASCII)


def name(path: Path) -> str:
    return f"{path.stem}-{path.parents[1].name}"


def catalogue(path: Path) -> Catalog:
    with open(path, "rb") as file:
        return read_po(file, locale=path.parents[1].name)


def strings(catalogue: Catalog) -> set[tuple[str, ...]]:
    """Return the forms of each sentence and of its translation."""
    found = set()
    for message in catalogue:
        forms = [message.id, message.string]
        flat = [(one,) if isinstance(one, str) else tuple(one or ()) for one in forms]
        if message.id and all(flat[1]):
            found.add((*flat[0], *flat[1]))
    return found


def sources(package: str) -> set[str | tuple[str, ...]]:
    found = extract_from_dir(ROOT / package, keywords=KEYWORDS)
    return {message for _, _, message, _, _ in found}


def test_both_packages_are_translated_into_the_same_languages() -> None:
    languages = {
        package: {path.parents[1].name for path in CATALOGUES if path.stem == package}
        for package in ("bot", "captioner")
    }
    assert languages["bot"] == languages["captioner"] == {"ar", "cs", "de", "fr", "pt", "zh"}


@pytest.mark.parametrize("package", ["bot", "captioner"])
@pytest.mark.parametrize("code", ["ar", "cs", "de", "fr", "pt", "zh"])
def test_no_translation_is_missing(package: str, code: str) -> None:
    path = ROOT / package / "locale" / code / "LC_MESSAGES" / f"{package}.po"
    translated = catalogue(path)

    messages = {message.id: message.string for message in translated if message.id}
    missing = sources(package) - messages.keys()
    assert not missing, "make catalogues"
    empty = [
        message
        for message, string in messages.items()
        if not (all(string) if isinstance(string, tuple) else string)
    ]
    assert not empty
    assert not translated.fuzzy


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_values_and_commands_stay_in_translations(path: Path) -> None:
    for message in catalogue(path):
        if isinstance(message.id, str):
            assert isinstance(message.string, str)
            for pattern in (PLACEHOLDER, COMMAND):
                kept = sorted(set(pattern.findall(message.id)))
                assert sorted(set(pattern.findall(message.string))) == kept, message.id
            assert message.string.count("\n\n") == message.id.count("\n\n"), message.id
        else:
            assert isinstance(message.string, list | tuple)
            most = {found for form in message.id for found in PLACEHOLDER.findall(form)}
            for form in message.string:
                assert set(PLACEHOLDER.findall(form)) <= most
                assert set(PLACEHOLDER.findall(form)) >= most - {"{count}"}


@pytest.mark.parametrize("path", CATALOGUES, ids=name)
def test_what_is_compiled_is_what_is_written(path: Path) -> None:
    with open(path.with_suffix(".mo"), "rb") as file:
        compiled, written = strings(read_mo(file)), strings(catalogue(path))
    assert compiled == written, "make catalogues"


def test_an_unknown_language_is_english() -> None:
    catalogues = Catalogues(ROOT / "bot" / "locale", "bot")
    assert catalogues.gettext("The file is empty.", "xx") == "The file is empty."
    assert catalogues.ngettext("a second", "{count} seconds", 2, "xx") == "{count} seconds"
    assert set(catalogues.languages) == {"en", "ar", "cs", "de", "fr", "pt", "zh"}
