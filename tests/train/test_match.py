"""Photos match their captions after fitting, and a checkpoint carries the result."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from captioner import checkpoint
from captioner.confidence import Calibration
from captioner.matching import Matching
from captioner.model import Encoder
from captioner.runtime.protocols import Floats
from captioner.vocabulary import PAD, SPECIAL, Vocabulary
from tests.train.tiny_dataset import write_dataset
from train.__main__ import main
from train.data.datasets import DatasetError
from train.match import MatchConfig, fit, match

VOCABULARY = Vocabulary.build(["red circle white square black"] * 5)
RED, CIRCLE, WHITE, SQUARE, BLACK = VOCABULARY.encode("red circle white square black")
CONFIG = MatchConfig(Path(), size=8, epochs=150, photos=4, views=2, learning_rate=1e-2)
# Four kinds of photos, each with two sentences; every kind has channels of its own.
SENTENCES = torch.tensor(
    [
        [[RED, CIRCLE, PAD], [CIRCLE, RED, RED]],
        [[WHITE, CIRCLE, PAD], [CIRCLE, WHITE, PAD]],
        [[RED, SQUARE, BLACK], [SQUARE, RED, PAD]],
        [[WHITE, SQUARE, PAD], [SQUARE, WHITE, BLACK]],
    ]
)


def views(count: int, seed: int = 0) -> list[Floats]:
    chance = np.random.default_rng(seed)
    kinds = np.repeat(np.eye(4, dtype=np.float32), 3, axis=1)
    return [kinds + chance.normal(0, 0.2, kinds.shape).astype(np.float32) for _ in range(count)]


def fitted(config: MatchConfig = CONFIG) -> Matching:
    return fit(views(2), SENTENCES, VOCABULARY, config)


def test_new_photos_match_the_sentences_of_their_kind() -> None:
    found = fitted()

    sentences = [(RED, CIRCLE), (WHITE, CIRCLE), (RED, SQUARE), (WHITE, SQUARE)]
    for kind, place in enumerate(found.embed(views(1, seed=5)[0])):
        assert int(np.argmax(found.cosines(place, sentences))) == kind


def test_the_same_seed_fits_the_same_in_half_precision() -> None:
    first, second = fitted(), fitted()
    other = fitted(dataclasses.replace(CONFIG, seed=1))

    assert first.weight.shape == (12, 8)
    assert first.words.shape == (len(SPECIAL) + 5, 8)
    for field in dataclasses.fields(Matching):
        array = getattr(first, field.name)
        np.testing.assert_array_equal(array, getattr(second, field.name))
        np.testing.assert_array_equal(array, array.astype(np.float16))
    assert not np.array_equal(first.words, other.words)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("match") / "data")


def test_a_checkpoint_is_fitted_and_measured(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrated, saved = tmp_path / "calibrated.safetensors", tmp_path / "matched.safetensors"
    loaded, model = checkpoint.load(tiny_file)
    before = dataclasses.replace(loaded, calibration=Calibration(50, 1.0, 1.0, 0.0))
    checkpoint.save(calibrated, before, model)
    command = ["match", str(calibrated), "--data", str(data), "--save", str(saved)]
    options = ["--epochs", "2", "--size", "8", "--device", "cpu", "--cache", str(tmp_path / "kept")]

    assert main([*command, *options]) == 0

    after, same = checkpoint.load(saved)
    assert after.matching is not None
    assert after.matching.weight.shape == (512, 8)
    assert len(after.matching.words) == len(before.vocabulary)
    # Other captions are chosen now, so their confidence has to be fitted again.
    assert after.calibration is None
    assert (after.scores, after.training) == (before.scores, before.training)
    for name, tensor in model.state_dict().items():
        assert torch.equal(same.state_dict()[name].half(), tensor.half()), name
    said = capsys.readouterr().out
    assert "validation captions found among 4 by their photo: " in said
    assert "100.0 % at 5, 100.0 % at 10" in said


def test_encoded_views_are_kept(
    tiny_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = MatchConfig(tiny_file, data, epochs=1, size=8, cache=tmp_path, device="cpu")
    seen: list[int] = []
    grid = Encoder.grid

    def counted(encoder: Encoder, photos: torch.Tensor) -> torch.Tensor:
        seen.append(len(photos))
        return grid(encoder, photos)

    monkeypatch.setattr(Encoder, "grid", counted)
    first = match(config).matching
    assert seen == [4, 12, 12]  # the validation photos, and two views of the others
    second = match(config).matching
    assert seen == [4, 12, 12, 4]
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first.words, second.words)


def test_a_checkpoint_is_not_changed_without_save(
    tiny_file: Path, data: Path, tmp_path: Path
) -> None:
    before = tiny_file.read_bytes()
    match(MatchConfig(tiny_file, data, epochs=1, size=8, cache=tmp_path, device="cpu"))
    assert tiny_file.read_bytes() == before


def test_one_photo_is_too_few(tiny_file: Path, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    listed = data / "Flickr8k_text" / "Flickr_8k.trainImages.txt"
    listed.write_text(listed.read_text().splitlines()[0] + "\n")
    with pytest.raises(DatasetError, match="no others to compare it with"):
        match(MatchConfig(tiny_file, data, cache=tmp_path, device="cpu"))
