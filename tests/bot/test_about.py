"""What the bot says about itself: plain words first, and the notices of licences."""

import pytest

from bot.about import NOTICES, about
from bot.replies import replies
from captioner.shipped import NAMES


def test_plain_words_come_before_the_model() -> None:
    said = about.text("ResNet-18 with a GRU", {}, shipped=None).split("\n\n")

    assert said[:4] == [replies.HINT, about.GOOD_AT, about.WEAK_AT, about.ERRS]
    assert said[4] == "I am a ResNet-18 with a GRU, trained to caption photos."


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("default", "The University of Chicago"),
        ("small", "https://github.com/uber-research/permute-quantize-finetune"),
    ],
)
def test_a_shipped_model_comes_with_the_notice_of_its_licence(name: str, origin: str) -> None:
    scores = {"cider": 53.94, "bleu4": 20.9, "split": "test"}

    for say in (about.text, about.model):
        said = say("ResNet-50 with an LSTM", scores, shipped=name)
        assert "CIDEr 53.9, BLEU-4 20.9 on the test photos" in said
        assert "non-commercial" in said
        assert origin in said
        assert "Apache License 2.0" in said


def test_every_shipped_model_has_a_notice_of_its_own() -> None:
    assert list(NOTICES) == list(NAMES)
    assert len(set(NOTICES.values())) == len(NAMES)


def test_another_model_needs_no_notice_of_its_own_and_may_have_no_scores() -> None:
    assert about.model("ResNet-18 with a GRU", {}, shipped=None) == (
        f"I am a ResNet-18 with a GRU, trained to caption photos.\n\n{about.NAMES_NOTICE}"
    )
