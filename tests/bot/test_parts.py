"""Long answers: the messages that they are split into."""

from bot.parts import Part, in_parts, last_number
from bot.telegram.sending import units


def test_an_answer_that_fits_is_one_message() -> None:
    assert in_parts(["1. A dog.", "2. A cat."], 19) == [Part("1. A dog.\n2. A cat.", 2)]


def test_an_answer_is_split_where_an_entry_ends() -> None:
    entries = ["1. A dog.", "2. A cat.", "3. A bird sings.\nOne more was left out."]
    assert in_parts(entries, 39) == [Part("1. A dog.\n2. A cat.", 2), Part(entries[2], 1)]


def test_an_entry_that_is_too_long_alone_is_split_between_words() -> None:
    parts = in_parts(["1. A.", "2. a dog and a cat", "3. B."], 9)

    assert [part.text for part in parts] == ["1. A.", "2. a dog", "and a cat", "3. B."]
    assert [part.ended for part in parts] == [1, 0, 1, 1]


def test_a_word_that_is_too_long_alone_is_split_anywhere() -> None:
    assert [part.text for part in in_parts(["abcdefg"], 3)] == ["abc", "def", "g"]


def test_a_text_is_as_long_as_the_platform_counts_it() -> None:
    dogs = ["\N{DOG FACE}" * 3, "\N{DOG FACE}" * 3]

    assert len(in_parts(dogs, 7)) == 1
    assert [part.text for part in in_parts(dogs, 7, units)] == dogs
    assert [part.text for part in in_parts(dogs[:1], 5, units)] == [dogs[0][:2], dogs[0][:1]]


def test_the_last_picture_that_a_message_is_about_is_known_from_its_numbers() -> None:
    assert last_number("4. A dog, 5. of them.\n11. A cat.\nOne more was left out.") == 11
    assert last_number("A dog.") is None
