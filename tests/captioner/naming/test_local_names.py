"""Things have names in every language that ships, and captions are searched for them."""

import re

import pytest

from captioner.naming.classifier import NAMES as ENGLISH_NAMES
from captioner.naming.local_names import NAMES, localized, read
from captioner.naming.object_names import ObjectNames
from captioner.result import NamedObject

CODES = sorted(path.stem for path in NAMES.glob("*.tsv"))
DOG = NamedObject("a golden retriever", 0.9, ("a dog", "an animal"))


@pytest.mark.parametrize("code", CODES)
def test_every_name_has_one_in_each_language(code: str) -> None:
    table = read(NAMES / f"{code}.tsv")

    assert list(table) == list(dict.fromkeys(ObjectNames.read(ENGLISH_NAMES).names)) or (
        set(table) == set(ObjectNames.read(ENGLISH_NAMES).names)
    )
    for name in table.values():
        assert name.name == name.name.strip() != ""
        assert name.nouns
        assert all(noun == noun.lower() for noun in name.nouns)


@pytest.mark.parametrize("code", CODES)
def test_different_things_have_different_names(code: str) -> None:
    names = [name.name for name in read(NAMES / f"{code}.tsv").values()]
    assert len(names) - len(set(names)) <= 2  # "a monkey" and "a monkey or an ape" in French


def test_a_name_knows_its_own_nouns_and_those_of_its_kinds() -> None:
    (named,) = localized([DOG], "fr")

    assert named.name == "a golden retriever"
    assert named.local is not None
    assert named.said == named.local.name
    assert "chien" in named.local.wider
    assert not {"chien"} & set(named.local.nouns)


def test_english_needs_no_table() -> None:
    assert localized([DOG], "en") == (DOG,)


def test_a_thing_without_a_name_in_a_language_is_not_named() -> None:
    unknown = NamedObject("a thing that nobody has named", 0.9)
    assert localized([unknown, DOG], "fr") == localized([DOG], "fr")
    assert localized([DOG], "xx") == ()


@pytest.mark.parametrize("code", sorted({"ar", "zh"} & set(CODES)))
def test_names_in_other_scripts_are_in_them(code: str) -> None:
    script = {"ar": "[\u0600-\u06ff]", "zh": "[\u4e00-\u9fff]"}[code]
    names = [name.name for name in read(NAMES / f"{code}.tsv").values()]
    assert sum(bool(re.search(script, name)) for name in names) >= 0.99 * len(names)
