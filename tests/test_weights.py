"""The shipped checkpoint, its card and its licence."""

from pathlib import Path

import pytest

from captioner import Captioner, checkpoint
from captioner.captioner import DEFAULT_CHECKPOINT
from captioner.checkpoint import Checkpoint

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.jpg"))
CARD = DEFAULT_CHECKPOINT.with_name("MODEL_CARD.md").read_text()


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return checkpoint.load(DEFAULT_CHECKPOINT)


async def test_every_example_gets_a_sentence_of_its_own(shipped: Checkpoint) -> None:
    async with Captioner(shipped, "cpu") as captioner:
        captions = [(await captioner.caption(path.read_bytes())).text for path in EXAMPLES]
    assert all(len(caption.split()) >= 3 and caption.endswith(".") for caption in captions)
    assert len(set(captions)) == len(EXAMPLES) > 0


def test_the_card_tells_the_scores_that_the_file_holds(shipped: Checkpoint) -> None:
    scores = shipped.scores
    assert scores["split"] == "test"
    names = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider")
    figures = " | ".join(f"{scores[name]:.1f}" for name in names)
    row = f"| test | {scores['beam']} | {scores['length_penalty']:.1f} | {figures} |"
    assert row in CARD
    assert f"{scores['distinct_words']} different words" in CARD
    assert f"{len(shipped.vocabulary):,} words" in CARD


def test_the_file_is_small_and_its_licence_lies_beside_it() -> None:
    assert DEFAULT_CHECKPOINT.stat().st_size < 90e6
    assert "non-commercial" in DEFAULT_CHECKPOINT.with_name("LICENSE").read_text()
    assert "non-commercial use only" in CARD
    assert "github.com/uber-research/permute-quantize-finetune" in CARD


async def test_the_exported_network_is_that_checkpoint(shipped: Checkpoint) -> None:
    photos = [path.read_bytes() for path in EXAMPLES]
    async with (
        Captioner.load(runtime="onnx") as exported,
        Captioner(shipped, "cpu") as captioner,
    ):
        said = [await exported.caption(photo) for photo in photos]
        meant = [await captioner.caption(photo) for photo in photos]
    same = sum(one.text == other.text for one, other in zip(said, meant, strict=True))
    assert same >= len(photos) / 2
    assert exported.checkpoint.vocabulary.words == shipped.vocabulary.words
    assert exported.checkpoint.scores == shipped.scores
