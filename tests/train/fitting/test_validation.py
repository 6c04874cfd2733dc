"""Validation after an epoch, and what is recorded and saved."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from captioner import checkpoint
from captioner.config import ModelConfig
from captioner.model import Model
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import END, START, Vocabulary
from tests.train.conftest import drawing
from tests.train.slim import CHANNELS
from tests.train.tiny_dataset import write_dataset
from train import captioning
from train.captioning import encode_grids
from train.data.datasets import read
from train.data.feature_cache import Data
from train.fitting import validation as validation_module
from train.fitting.validation import Validator
from train.run_folder import Metrics

pytestmark = pytest.mark.usefixtures("slim_resnet18")

SMALL = Preprocessing(size=64)
ARGUMENTS = {"encoder": "resnet18", "epochs": 3}
METRICS = Metrics(2, "frozen", 3.5, 3.25, 40.5, 12.5, 6e-4, 61.7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Photos of 64 pixels, which the encoder divides into four regions, and random grids."""
    records = read(write_dataset(tmp_path_factory.mktemp("validation") / "data")).split("test")
    chance = np.random.default_rng(1)
    photos = np.stack(
        [np.asarray(Image.open(record.photo)).transpose(2, 0, 1) for record in records]
    )
    return Data(records, photos, chance.random((len(records), 4, CHANNELS)).astype(np.float16))


@pytest.fixture(scope="module")
def vocabulary(data: Data) -> Vocabulary:
    return Vocabulary.build(text for record in data.records for text in record.captions)


@pytest.fixture(scope="module")
def model(vocabulary: Vocabulary) -> Model:
    torch.manual_seed(1)
    config = ModelConfig(len(vocabulary), "resnet18", embedding_size=12, hidden_size=16)
    return Model(config).eval()


@pytest.fixture
def validator(
    data: Data, vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Validator:
    monkeypatch.setenv("PATH", "")  # without Java, which takes a second to start
    return Validator(tmp_path, ARGUMENTS, vocabulary, data, SMALL, beam=2)


def test_every_photo_has_its_caption(validator: Validator, model: Model, data: Data) -> None:
    validation = validator(model, end_to_end=False)

    assert list(validation.captions) == [str(record.photo) for record in data.records]
    assert all(text[0].isupper() and text[-1] == "." for text in validation.captions.values())
    assert validation.scores.photos == len(data.records)
    assert validation.scores.cider == validator.scorer.scores(validation.captions).cider


@torch.inference_mode()
def test_the_loss_is_that_of_every_word_of_every_caption(
    validator: Validator, model: Model, data: Data, vocabulary: Vocabulary
) -> None:
    losses = []
    for record, grid in zip(data.records, data.grids, strict=True):
        memory = model.encode_grid(torch.from_numpy(grid.astype(np.float32))[None])
        for text in record.captions:
            state, last = model.decoder.begin(memory, 1), START
            for word in [*vocabulary.encode(text), END]:
                logprobs, state = model.step(torch.tensor([last]), state, memory)
                losses.append(-logprobs[0, word].item())
                last = word

    assert validator(model, end_to_end=False).loss == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_batch_size_does_not_change_a_validation(
    validator: Validator, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = validator(model, end_to_end=True)
    monkeypatch.setattr(validation_module, "PHOTOS", 3)
    monkeypatch.setattr(captioning, "BATCH", 3)
    in_parts = validator(model, end_to_end=True)

    assert in_parts.captions == at_once.captions
    assert in_parts.loss == pytest.approx(at_once.loss, rel=1e-4)


def test_a_model_is_validated_without_its_dropout(validator: Validator, model: Model) -> None:
    calm = validator(model, end_to_end=False)
    model.train()

    assert validator(model, end_to_end=False) == calm
    assert not model.training


def test_end_to_end_the_photos_are_encoded_again(
    validator: Validator, model: Model, data: Data, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    seen = Data(data.records, data.photos, encode_grids(model.encoder, data.photos, SMALL, "cpu"))
    expected = Validator(tmp_path, ARGUMENTS, vocabulary, seen, SMALL, beam=2)(
        model, end_to_end=False
    )
    validation = validator(model, end_to_end=True)

    assert validation.captions == expected.captions
    assert validation.loss == pytest.approx(expected.loss)
    assert validation.loss != pytest.approx(validator(model, end_to_end=False).loss)


def test_the_best_model_is_saved_with_its_scores(
    validator: Validator, model: Model, vocabulary: Vocabulary
) -> None:
    validation = validator(model, end_to_end=False)
    validator.save_best(model, METRICS, validation)

    kept, _ = checkpoint.load(validator.run / "best.safetensors")
    assert kept.config == model.config
    assert kept.vocabulary.words == vocabulary.words
    assert kept.preprocessing == SMALL
    assert kept.training == ARGUMENTS
    assert {"split": "val", "beam": 2, "epoch": 2, "length_penalty": 0.7}.items() <= (
        kept.scores.items()
    )
    assert kept.scores["cider"] == validation.scores.cider
    assert "Python" in kept.scores["tokenizer"]


def test_an_epoch_is_recorded_for_people_and_programs(validator: Validator, model: Model) -> None:
    with drawing():
        validator.report(METRICS, validator(model, end_to_end=False))

    with (validator.run / "metrics.csv").open(newline="") as file:
        assert [row["val_cider"] for row in csv.DictReader(file)] == ["40.5"]
    for name in ("curves.png", "samples.png"):
        with Image.open(validator.run / name) as picture:
            picture.load()
    board = EventAccumulator(str(validator.run / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("val_cider")] == [(2, 40.5)]
    assert [event.value for event in board.Scalars("train_loss")] == [3.5]


def test_the_sample_sheet_shows_photos_from_the_whole_split(
    validator: Validator, model: Model, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []
    monkeypatch.setattr(validation_module, "SAMPLES", 4)
    monkeypatch.setattr(
        "train.report.plots.draw_sample_sheet",
        lambda samples, png: shown.extend(sample.photo for sample in samples),
    )
    validator.report(METRICS, validator(model, end_to_end=False))

    assert shown == [record.photo for record in data.records[::2]]
