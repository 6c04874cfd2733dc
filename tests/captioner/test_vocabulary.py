# ruff: noqa: RUF001 - letters of other scripts look like Latin ones

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.languages.orthography import split, tokenize
from captioner.vocabulary import END, PAD, SPECIAL, START, UNKNOWN, Vocabulary

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
        ("durch´s Laub", ["durch", "'s", "laub"]),
        ("The T\N{NON-BREAKING HYPHEN}shirt", ["the", "t-shirt"]),
        ("", []),
        (" .,;!?' - ", []),
    ],
)
def test_a_caption_is_split_into_words(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


ZWNJ, ZWJ = "\u200c", "\u200d"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("एक भूरा कुत्ता दौड़ता है।", ["एक", "भूरा", "कुत्ता", "दौड़ता", "है"]),
        ("كَلْبٌ يَجْرِي", ["كَلْبٌ", "يَجْرِي"]),
        ("ẹ́bá", ["ẹ́bá"]),  # no single character has both marks
        ("cafe\u0301 o\u0308l", ["café", "öl"]),
        ("каска́ и\u0306", ["каска́", "й"]),
        ("İki ÇOCUK", ["iki", "çocuk"]),
        ("\u1112\u1161\u11ab 한국", ["한", "한국"]),
        ("gentil·lesa צה״ל", ["gentil·lesa", "צה״ל"]),
        ("ﬁre ﻛﻠﺐ Ｔ３", ["fire", "كلب", "t3"]),
        ("བོད་སྐད།", ["བོད", "སྐད"]),
        ("የውሻ፡ቤት", ["የውሻ", "ቤት"]),
        ("A dog ❤\ufe0f 👩\u200d🚒 5\ufe0f\u20e3", ["a", "dog", "5"]),
    ],
)
def test_a_word_holds_its_marks(text: str, words: list[str]) -> None:
    assert tokenize(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"می{ZWNJ}دود", [f"می{ZWNJ}دود"]),
        (f"ශ්{ZWJ}රී", [f"ශ්{ZWJ}රී"]),
        (f"क्{ZWNJ}ष", [f"क्{ZWNJ}ष"]),
        (f"അവന്{ZWJ}", [f"അവന്{ZWJ}"]),
        (f"Wald{ZWNJ}hund {ZWJ}a{ZWJ}", ["waldhund", "a"]),
        (f"سگ{ZWNJ} می", ["سگ", "می"]),
        ("Wald\u00adhund كـلـب a\u200eb \ufeffc", ["waldhund", "كلب", "ab", "c"]),
        ("ก\u200bข", ["ก", "ข"]),
    ],
)
def test_invisible_characters_stay_only_where_a_script_needs_them(
    text: str, words: list[str]
) -> None:
    assert tokenize(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("两只狗，在草地上。", "两 只 狗 在 草 地 上"),
        ("犬がボールで遊ぶ。", "犬 が ボ ー ル で 遊 ぶ"),
        ("ハ\u3099ス ﾊﾞｽ", "バ ス バ ス"),
        ("คนขี่ม้า", "ค น ขี่ ม้ า"),
        ("น้ำ", "น้ำ"),
        ("ເດັກ", "ເ ດັ ກ"),
        ("ဝက်ဝံ", "ဝ က် ဝံ"),
        ("ខ្មែរ", "ខ្មែ រ"),
        ("𠮷野家", "𠮷 野 家"),
        ("穿T-shirt的3个人", "穿 t-shirt 的 3 个 人"),
    ],
)
def test_scripts_without_spaces_are_cut_into_characters(text: str, words: str) -> None:
    assert tokenize(text) == words.split()


def test_words_can_be_split_as_they_are_written() -> None:
    assert split("Der Hund, İki – 穿T恤") == ["Der", "Hund", "İki", "穿", "T", "恤"]


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


@pytest.mark.parametrize(
    "sentence",
    [
        "两个穿t恤的男人在草地上。",
        "犬が草の上を走っている。",
        "คนกำลังขี่ม้า",
        "ເດັກກຳລັງແລ່ນ",
        "ခွေးပြေး။",
        "ឆ្កែរត់។",
        "བོད་སྐད།",
        "एक भूरा कुत्ता घास पर दौड़ता है।",
        "একটি কুকুর দৌড়ায়।",
        f"سگ می{ZWNJ}دود.",
        "Պատմություն։",
        "ქართული ენა.",  # its capitals begin no sentence
        "개가 달린다.",
        "Um cão à beira-mar.",
        "3个t恤bbq xl狗。",
    ],
)
def test_a_sentence_has_the_spaces_and_the_end_of_its_script(sentence: str) -> None:
    vocabulary = Vocabulary.build([sentence])
    assert vocabulary.decode(vocabulary.encode(sentence)) == sentence


def test_specials_are_never_spelled() -> None:
    ids = [START, 4, UNKNOWN, 5, END, PAD, PAD]
    assert DOGS.spell(ids) == ["a", "dog"]
    assert DOGS.decode(ids) == "A dog."
    assert DOGS.decode([START, END]) == ""


plain_words = st.text(string.ascii_letters + "äéøßжшкλאب한", min_size=1, max_size=6)
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
        assert unicodedata.is_normalized("NFC", word)


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
