import numpy as np
import pytest

from captioner.languages.orthography import tokenize, written
from captioner.languages.repetition import SmallWords, repeats_word
from captioner.languages.small_words import ENGLISH, LANGUAGES
from captioner.vocabulary import SPECIAL, Vocabulary


@pytest.mark.parametrize(
    "caption",
    [
        "A woman and a woman are walking.",
        "A scuba scuba scuba underwater.",
        "Two people are standing in a kitchen kitchen.",
        "A white and white dog.",
        "A boat in front of a boat.",
        "Two dogs and three dogs.",
        "A man is riding a bike on his bike.",
        "A dog next to a dog.",
        "A man's man.",
    ],
)
def test_a_word_that_comes_again_after_small_words_alone_is_repeated(caption: str) -> None:
    assert repeats_word(tokenize(caption), ENGLISH)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "A.",
        "A dog runs after a dog.",
        "A black dog and a white dog.",
        "A dog and another dog are playing.",
        "A man holds a child while the child pets a horse.",
        "The man and the woman are in the water with the dog.",
        "Two dogs run side by side.",
        "A boy jumps from bed to bed.",
        "Two women sit back to back.",
    ],
)
def test_what_people_write_on_purpose_is_no_repetition(caption: str) -> None:
    assert not repeats_word(tokenize(caption), ENGLISH)


@pytest.mark.parametrize(
    "caption", ["Dog next to dog.", "From a bed to a bed.", "Side by by side."]
)
def test_a_linking_word_must_stand_alone_between_the_two(caption: str) -> None:
    assert repeats_word(tokenize(caption), ENGLISH)


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_words_of_every_language_are_as_captions_are_split(code: str) -> None:
    language, split = LANGUAGES[code], written(code).words
    assert language.linking <= language.small
    assert all(word in split(f"{word} {word}un") for word in language.small)


def test_the_small_words_of_a_vocabulary_have_its_ids() -> None:
    vocabulary = Vocabulary([*SPECIAL, "dog", "a", "by", "front"])
    small_words = SmallWords.of(vocabulary, "en")
    assert small_words is not None
    np.testing.assert_array_equal(small_words.small, [1, 1, 1, 1, 0, 1, 1, 1])
    np.testing.assert_array_equal(small_words.linking, [0, 0, 0, 0, 0, 0, 1, 0])


def test_of_an_unknown_language_no_small_words_are_known() -> None:
    assert SmallWords.of(Vocabulary(SPECIAL), "tlh") is None
