import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.vocabulary import END, PAD, SPECIAL, START, UNKNOWN, Vocabulary, tokenize

DOGS = Vocabulary((*SPECIAL, "a", "dog", "man", "'s", "t-shirt", "élan"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A dog runs .", ["a", "dog", "runs"]),
        ("Two dogs, one ball!", ["two", "dogs", "one", "ball"]),
        ("The man's hat", ["the", "man", "'s", "hat"]),
        ("The man\N{RIGHT SINGLE QUOTATION MARK}s hat", ["the", "man", "'s", "hat"]),
        ("The man`s hat", ["the", "man", "'s", "hat"]),
        ("They don't", ["they", "don", "'t"]),
        ("A T-shirt and a jack-in-the-box", ["a", "t-shirt", "and", "a", "jack-in-the-box"]),
        ("A dog - a big one - runs-", ["a", "dog", "a", "big", "one", "runs"]),
        ('A sign says "stop"', ["a", "sign", "says", "stop"]),
        ("snake_case and #4", ["snake", "case", "and", "4"]),
        ("ÜBER die Straße", ["über", "die", "straße"]),
        ("Собака бежит.", ["собака", "бежит"]),
        ("<unk> <pad>", ["unk", "pad"]),
        ("", []),
        (" .,;!?' - ", []),
    ],
)
def test_a_caption_is_split_into_words(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


def test_the_most_frequent_words_come_first_and_equals_by_alphabet() -> None:
    vocabulary = Vocabulary.build(["b a b", "A c d", "b d"])
    assert vocabulary.words == (*SPECIAL, "b", "a", "d", "c")
    assert vocabulary.words == Vocabulary.build(["b d", "A c d", "b a b"]).words
    assert len(vocabulary) == 8


@pytest.mark.parametrize(
    ("min_count", "words"), [(1, "badc"), (2, "bad"), (3, "b"), (4, "")]
)  # fmt: skip
def test_rare_words_are_left_out(min_count: int, words: str) -> None:
    assert Vocabulary.build(["b a b", "A c d", "b d"], min_count).words == (*SPECIAL, *words)


def test_words_become_ids_and_unknown_ones_the_unknown_id() -> None:
    assert DOGS.encode("A man's cat") == [4, 6, 7, UNKNOWN]
    assert DOGS.encode("") == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a dog", "A dog."),
        ("a man's dog's t-shirt", "A man's dog's t-shirt."),
        ("élan", "Élan."),
        ("t-shirt", "T-shirt."),
        ("", ""),
    ],
)
def test_a_sentence_is_put_together_tidily(text: str, sentence: str) -> None:
    assert DOGS.decode(DOGS.encode(text)) == sentence


def test_specials_are_never_spelled() -> None:
    ids = [START, 4, UNKNOWN, 5, END, PAD, PAD]
    assert DOGS.spell(ids) == ["a", "dog"]
    assert DOGS.decode(ids) == "A dog."
    assert DOGS.decode([START, END]) == ""


plain_words = st.text(string.ascii_letters + "äéøßжшкλ字", min_size=1, max_size=6)
captions = st.lists(
    st.one_of(
        plain_words,
        st.builds("{}-{}".format, plain_words, plain_words),
        st.builds("{}'{}".format, plain_words, st.sampled_from(["s", "t", "re"])),
    ),
    min_size=1,
    max_size=8,
).map(lambda words: " ".join(("The", *words)))


@given(st.lists(captions, min_size=1, max_size=3))
def test_a_vocabulary_encodes_and_decodes_its_own_captions(texts: list[str]) -> None:
    vocabulary = Vocabulary.build(texts)
    for text in texts:
        ids = vocabulary.encode(text)
        assert UNKNOWN not in ids
        sentence = vocabulary.decode(ids)
        assert sentence.lower() == f"{text.lower()}."
        assert sentence.startswith("The")
        assert vocabulary.encode(sentence) == ids
        assert vocabulary.spell(ids) == tokenize(text)


@given(st.text())
def test_any_text_becomes_words_without_spaces_or_capitals(text: str) -> None:
    for word in tokenize(text):
        assert word.strip("'")
        assert not any(letter.isspace() for letter in word)
        assert tokenize(word) == [word]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "starts with <pad>, <start>, <end>, <unk>"),
        (("a", "dog"), "starts with"),
        (("<start>", "<pad>", "<end>", "<unk>"), "starts with"),
        ((*SPECIAL, "a", "a"), "each word once"),
        ((*SPECIAL, "<pad>"), "each word once"),
    ],
)
def test_a_list_that_is_not_a_vocabulary_is_refused(words: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Vocabulary(words)
