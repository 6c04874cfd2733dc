"""What is said of captions that no model can learn, and that nothing is said of others."""

from pathlib import Path

import pytest

from captioner.vocabulary import Vocabulary
from train.data.datasets import Record
from train.data.words import build_vocabulary, warn
from train.errors import SettingError, TrainError

ENGLISH = ("A dog runs over the grass .", "A man rides a horse .")
OTHERS = {
    "de": ("Der Hund läuft über das Gras.", "Der Mann reitet auf dem Pferd."),
    "hi": ("कुत्ता घास पर दौड़ता है।", "आदमी घोड़े पर सवार है।"),
    "zh": ("狗在草地上跑。", "男人骑着马。"),
    "ar": ("كَلْبٌ يَجْرِي عَلَى الْعُشْبِ", "رَجُلٌ يَرْكَبُ الْحِصَانَ"),
    "th": ("หมาวิ่งบนหญ้า", "ผู้ชายขี่ม้า"),
}


def records(*captions: str) -> tuple[Record, ...]:
    return tuple(Record(Path(f"{n}.jpg"), (text,), "train") for n, text in enumerate(captions))


@pytest.mark.parametrize(("language", "captions"), [("en", ENGLISH), *OTHERS.items()])
def test_nothing_is_said_of_captions_in_any_language(
    language: str, captions: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    photos = records(*captions)
    warn(photos, build_vocabulary(photos, 1), 24, language)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("captions", "vocabulary", "max_length", "language", "message"),
    [
        (("dog", "cat", "A horse"), ENGLISH, 24, None, "67% of the captions are a single word"),
        (ENGLISH, ("A dog",), 24, None, "64% of the words in the captions are not in the"),
        (OTHERS["hi"], ENGLISH, 24, None, "100% of the words in the captions are not in the"),
        (OTHERS["zh"], OTHERS["zh"], 5, "zh", "50% of the captions are cut after 5 words"),
        (OTHERS["zh"], OTHERS["zh"], 24, "en", "most captions are not in Latin letters"),
        (OTHERS["ar"], OTHERS["ar"], 24, "en", "most captions are not in Latin letters"),
    ],
)
def test_captions_that_look_wrong_are_named(
    captions: tuple[str, ...],
    vocabulary: tuple[str, ...],
    max_length: int,
    language: str | None,
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    warn(records(*captions), Vocabulary.build(vocabulary), max_length, language)
    assert any(line.startswith(message) for line in caplog.messages), caplog.messages


@pytest.mark.parametrize(
    ("captions", "min_count", "error", "message"),
    [
        (ENGLISH, 9, SettingError, "--min-count is 9; it must be lower: only 0 words"),
        (("Dog", "Dog"), 1, TrainError, "only 1 different words, and a caption needs 3"),
        (("1.jpg", "2.jpg"), 2, SettingError, "--min-count is 2; it must be lower: only 1 words"),
    ],
)
def test_too_few_words_are_refused_with_the_remedy(
    captions: tuple[str, ...], min_count: int, error: type[TrainError], message: str
) -> None:
    with pytest.raises(error, match=message):
        build_vocabulary(records(*captions), min_count)
