"""Scores compared with the papers' formulas: with Java, without it, and with one that fails."""

import shutil
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from math import exp, sqrt
from pathlib import Path

import pytest

from tests.conftest import long
from train.scoring.scores import PTB, PYTHON, WORDS, Scorer, Scores, ScoringError, Tokenizer

spice = pytest.importorskip("pycocoevalcap.spice.spice")

with_java = pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")

REFERENCES = {
    "dog.jpg": ["A man's dog runs through the snow.", "The dog doesn't stop running in snow"],
    "girl.jpg": ["A girl in a T-shirt climbs the stairs .", "A little girl , on some stairs"],
    "surfer.jpg": ['A surfer with the number "7" rides a wave.', "A man is surfing; it's sunny"],
}
CAPTIONS = {
    "dog.jpg": "A dog runs through the snow .",
    "girl.jpg": "A girl climbs the stairs in a",
    "surfer.jpg": "A man rides a big wave .",
}


def score(
    references: Mapping[str, Sequence[str]],
    captions: Mapping[str, str],
    tokenizer: Tokenizer = "auto",
    **metrics: bool,
) -> Scores:
    return Scorer(references, tokenizer=tokenizer).scores(captions, **metrics)


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def broken_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho no runtime installed >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_bleu_is_precision_times_the_brevity_penalty() -> None:
    scores = score({"a": ["the cat sat on the mat"]}, {"a": "the dog sat on"}, "python")
    brevity = exp(1 - 6 / 4)
    assert scores.bleu1 == pytest.approx(100 * brevity * 3 / 4)
    assert scores.bleu2 == pytest.approx(100 * brevity * sqrt(3 / 4 * 1 / 3))
    assert scores.bleu3 == pytest.approx(0, abs=0.01)
    assert scores.bleu4 == pytest.approx(0, abs=0.01)


def test_rouge_l_weighs_recall_of_the_longest_common_subsequence_more() -> None:
    scores = score({"a": ["the cat sat down"]}, {"a": "cat down"}, tokenizer="python")
    precision, recall, beta = 2 / 2, 2 / 4, 1.2
    assert scores.rouge_l == pytest.approx(
        100 * (1 + beta**2) * precision * recall / (recall + beta**2 * precision)
    )


def test_cider_is_the_cosine_over_n_grams_with_a_length_penalty() -> None:
    references = {"a": ["one two three four five"], "b": ["six seven eight nine"]}
    captions = {"b": "six seven eight nine", "a": "one two three four"}
    # Each n-gram is in one photo of two, so all weigh the same; a bigram is missing.
    cosines = [4 / sqrt(4 * 5), 3 / sqrt(3 * 4), 2 / sqrt(2 * 3), 1 / sqrt(1 * 2)]
    expected = 1000 * sum(cosines) / 4 * exp(-1 / (2 * 6**2))
    each = Scorer(references, tokenizer="python").cider_per_photo(captions)
    assert each == pytest.approx({"a": expected, "b": 1000})
    scores = score(references, captions, tokenizer="python")
    assert scores.cider == pytest.approx((expected + 1000) / 2)


def test_words_and_unfinished_sentences_are_counted() -> None:
    scores = Scorer(REFERENCES, tokenizer="python").scores(CAPTIONS)
    assert scores.distinct_words == 14  # 6 for the dog, 4 more for the girl, 4 for the surfer
    assert scores.dangling == pytest.approx(100 / 3)
    assert scores.photos == 3


def test_captions_that_repeat_a_word_for_nothing_are_counted() -> None:
    captions = CAPTIONS | {"surfer.jpg": "A surfer and a surfer ride side by side ."}
    assert score(REFERENCES, CAPTIONS, "python").repeating == 0
    assert score(REFERENCES, captions, "python").repeating == pytest.approx(100 / 3)
    unknown = Scorer(REFERENCES, tokenizer="python", language="tlh").scores(captions)
    assert unknown.repeating is None


@with_java
def test_scores_are_the_same_with_java_and_without() -> None:
    ptb = Scorer(REFERENCES, tokenizer="ptb").scores(CAPTIONS)
    python = Scorer(REFERENCES, tokenizer="python").scores(CAPTIONS)
    assert (ptb.tokenizer, python.tokenizer) == (PTB, PYTHON)
    numbers = [
        [value for value in astuple(scores) if isinstance(value, float)] for scores in (ptb, python)
    ]
    assert numbers[0] == pytest.approx(numbers[1], abs=0.1)


@with_java
def test_a_caption_of_several_lines_does_not_shift_its_neighbours() -> None:
    scorer = Scorer(REFERENCES, tokenizer="ptb")
    plain = scorer.cider_per_photo(CAPTIONS)
    broken = CAPTIONS | {"dog.jpg": "A dog\nruns\u2028through\r\nthe\x85snow .\n"}
    assert scorer.cider_per_photo(broken) == plain


@with_java
@long
def test_meteor_leaves_standard_output_clean(capfd: pytest.CaptureFixture[str]) -> None:
    photos = {photo: [lines[0]] for photo, lines in REFERENCES.items()}
    scores = score(photos, {photo: lines[0] for photo, lines in photos.items()}, meteor=True)
    assert scores.meteor == pytest.approx(100, abs=0.01)
    assert scores.tokenizer == PTB
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("references", "near", "far"),
    [
        (("狗在草地上跑。", "孩子骑着马。"), "狗在草地上跳。", "人们站着。"),
        (("कुत्ता घास पर दौड़ता है।", "बच्चा घोड़े पर है।"), "कुत्ता घास पर कूदता है।", "लोग खड़े हैं।"),
        (("كَلْبٌ يَجْرِي عَلَى الْعُشْبِ", "طِفْلٌ يَلْعَبُ"), "كَلْبٌ يَقْفِزُ عَلَى الْعُشْبِ", "نَاسٌ وَاقِفُونَ"),
        (("หมาวิ่งบนหญ้า", "เด็กขี่ม้า"), "หมาวิ่งบนพื้น", "คนยืน"),
    ],
)
def test_captions_in_other_scripts_are_compared_by_their_words(
    references: tuple[str, str], near: str, far: str
) -> None:
    # Without `language`, which a person may forget.
    scorer = Scorer({"a": references[:1], "b": references[1:]})
    assert scorer.tokenizer == WORDS
    same, close, other = (
        scorer.cider_per_photo({"a": text, "b": references[1]})["a"]
        for text in (references[0], near, far)
    )
    assert same > close > 100 > other


def test_composed_and_decomposed_letters_are_the_same() -> None:
    scorer = Scorer({"a": ["Un café noir ."], "b": ["Two dogs ."]}, tokenizer="python")
    each = scorer.cider_per_photo({"a": "Un cafe\u0301 noir .", "b": "Two dogs ."})
    assert each["a"] == scorer.cider_per_photo({"a": "Un café noir .", "b": "Two dogs ."})["a"]


def test_another_language_is_scored_without_what_is_made_for_english(
    caplog: pytest.LogCaptureFixture,
) -> None:
    references = {"a": ["Der Hund rennt ."], "b": ["Zwei Hunde ."]}
    scores = Scorer(references, language="de").scores(
        {photo: texts[0] for photo, texts in references.items()}, meteor=True
    )
    assert (scores.tokenizer, scores.meteor) == (WORDS, None)
    assert scores.bleu1 == pytest.approx(100)
    assert caplog.messages == ["METEOR was not computed. It is made for English."]


@pytest.mark.usefixtures("no_java")
def test_without_java_the_other_scores_are_computed_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scores = score(REFERENCES, CAPTIONS, meteor=True, spice=True)
    assert (scores.tokenizer, scores.meteor, scores.spice) == (PYTHON, None, None)
    assert scores.cider > 0
    tokenizer_line, meteor_line, spice_line = caplog.messages
    assert tokenizer_line.endswith("A tokenizer in pure Python is used instead.")
    assert meteor_line.startswith("METEOR was not computed. There is no java on the PATH")
    assert spice_line.startswith("SPICE was not computed. There is no java on the PATH")


@pytest.mark.usefixtures("no_java")
def test_asking_for_the_java_tokenizer_without_java_is_an_error() -> None:
    with pytest.raises(ScoringError, match="no java on the PATH"):
        Scorer(REFERENCES, tokenizer="ptb")


@pytest.mark.usefixtures("broken_java")
def test_a_java_that_does_not_run_is_treated_as_none(caplog: pytest.LogCaptureFixture) -> None:
    scores = score(REFERENCES, CAPTIONS, meteor=True)
    assert (scores.tokenizer, scores.meteor) == (PYTHON, None)
    assert caplog.messages == [
        "Java could not run the PTB tokenizer: no runtime installed "
        "A tokenizer in pure Python is used instead.",
        "METEOR was not computed. Java could not run METEOR: no runtime installed",
    ]


@with_java
@pytest.mark.skipif(
    any(Path(spice.__file__).parent.glob("lib/stanford-corenlp-*-models.jar")),
    reason="CoreNLP is here already",
)
def test_spice_that_cannot_be_downloaded_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr(urllib.request, "_opener", None)
    assert score(REFERENCES, CAPTIONS, "python", spice=True).spice is None
    (message,) = caplog.messages
    assert message.startswith("SPICE was not computed. It downloads Stanford CoreNLP")
    assert capfd.readouterr().out == ""


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocoevalcap.bleu.bleu", None)
    with pytest.raises(ScoringError, match=r"pycocoevalcap.*\.\[train\]"):
        score(REFERENCES, CAPTIONS, tokenizer="python")


@pytest.mark.parametrize(
    ("references", "captions", "message"),
    [
        ({}, {}, "no photo has references"),
        ({"a": []}, {"a": "a dog"}, "Photo a has no reference with a word in it"),
        ({"a": [" ", "."]}, {"a": "a dog"}, "Photo a has no reference with a word in it"),
        ({"a": ["x"], "b": ["x"]}, {"a": "a dog"}, "Photo b has no caption"),
        ({"a": ["x"], "b": ["x"]}, {}, r"Photo a has no caption \(and 1 more\)"),
        ({"a": ["x"]}, {"a": "a dog", "c": "a cat"}, "Photo c has no references"),
        ({"a": ["x"]}, {"a": " ... "}, "Photo a has an empty caption"),
    ],
)
def test_the_error_for_captions_that_cannot_be_scored_names_the_photo(
    references: dict[str, list[str]], captions: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score(references, captions, tokenizer="python")
