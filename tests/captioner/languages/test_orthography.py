"""Captions are learned and said as their language is written."""

import pytest

from captioner.languages.orthography import PLAIN, written
from captioner.vocabulary import UNKNOWN, Vocabulary


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Ein Junge, der im Gras spielt."),
        ("fr", "Un homme saute d'un rocher à l'eau."),
        ("pt", "Crianças de blusa vermelha, no chão."),
        ("cs", "Muž, který drží kameru."),
        ("ar", "طفلان يرتديان القمصان الحمراء، يلعبان."),
        ("zh", "两个女孩\N{FULLWIDTH COMMA}一只狗。"),
    ],
)
def test_a_caption_comes_back_as_it_was_written(language: str, text: str) -> None:
    vocabulary = Vocabulary.build([f"x {text}", text], orthography=written(language))
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_an_elided_word_stands_apart() -> None:
    assert written("fr").words("l'homme et l\u2019eau d'une rue") == (
        ["l'", "homme", "et", "l'", "eau", "d'", "une", "rue"]
    )
    assert PLAIN.words("the man's dog") == ["the", "man", "'s", "dog"]


def test_the_vowels_of_arabic_are_left_out() -> None:
    assert written("ar").words("كَلْبٌ") == ["كلب"]


def test_every_comma_is_that_of_the_language() -> None:
    comma = "\N{FULLWIDTH COMMA}"
    assert written("zh").words(f"红{comma}绿,蓝") == ["红", comma, "绿", comma, "蓝"]
    assert written("de").words("rot, grün") == ["rot", ",", "grün"]
    assert PLAIN.words("red, green") == ["red", "green"]


def test_a_word_keeps_the_capitals_that_it_has_within_sentences() -> None:
    captions = [
        *["der Junge und die junge Frau"] * 5,
        "Junge Frau am See",
        "EIN HUND AM SEE",
        *["ein Hund am See"] * 20,
    ]
    vocabulary = Vocabulary.build(captions, orthography=written("de"))

    assert {"Junge", "junge", "Hund", "See", "Frau"} <= set(vocabulary.words)
    assert not {"HUND", "SEE", "EIN", "hund", "Ein"} & set(vocabulary.words)
    assert vocabulary.spell(vocabulary.encode("ein hund und ein Junge")) == (
        ["ein", "Hund", "und", "ein", "Junge"]
    )
    assert vocabulary.encode("Katze") == [UNKNOWN]


def test_a_word_that_only_begins_sentences_is_counted() -> None:
    captions = ["Hunde im Wald", "Hunde am See"]
    vocabulary = Vocabulary.build(captions, 2, orthography=written("de"))
    assert vocabulary.words[4:] == ("hunde",)
