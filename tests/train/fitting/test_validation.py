"""What an epoch is judged by, and what is kept of it."""

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
from tests.train.tiny_dataset import write_dataset
from train import captioning
from train.captioning import encode_grids
from train.data.datasets import read
from train.data.feature_cache import Data
from train.fitting import validation
from train.fitting.validation import Judge
from train.run_folder import Metrics

SMALL = Preprocessing(size=64)
ARGUMENTS = {"encoder": "resnet18", "epochs": 3}
METRICS = Metrics(2, "frozen", 3.5, 3.25, 40.5, 12.5, 6e-4, 61.7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Photos of 64 pixels, which the encoder sees as four regions, and grids of chance."""
    records = read(write_dataset(tmp_path_factory.mktemp("validation") / "data")).split("test")
    chance = np.random.default_rng(1)
    photos = np.stack(
        [np.asarray(Image.open(record.photo)).transpose(2, 0, 1) for record in records]
    )
    return Data(records, photos, chance.random((len(records), 4, 512)).astype(np.float16))


@pytest.fixture(scope="module")
def vocabulary(data: Data) -> Vocabulary:
    return Vocabulary.build(text for record in data.records for text in record.captions)


@pytest.fixture(scope="module")
def model(vocabulary: Vocabulary) -> Model:
    torch.manual_seed(1)
    config = ModelConfig(len(vocabulary), "resnet18", embedding_size=12, hidden_size=16)
    return Model(config).eval()


@pytest.fixture
def judge(
    data: Data, vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Judge:
    monkeypatch.setenv("PATH", "")  # without Java, which takes a second to start
    return Judge(tmp_path, ARGUMENTS, vocabulary, data, SMALL, beam=2)


def test_every_photo_has_its_caption(judge: Judge, model: Model, data: Data) -> None:
    verdict = judge(model, end_to_end=False)

    assert list(verdict.captions) == [str(record.photo) for record in data.records]
    assert all(text[0].isupper() and text[-1] == "." for text in verdict.captions.values())
    assert verdict.scores.photos == len(data.records)
    assert verdict.scores.cider == judge.scorer.scores(verdict.captions).cider


@torch.inference_mode()
def test_the_loss_is_that_of_every_word_of_every_caption(
    judge: Judge, model: Model, data: Data, vocabulary: Vocabulary
) -> None:
    losses = []
    for record, grid in zip(data.records, data.grids, strict=True):
        memory = model.encode_grid(torch.from_numpy(grid.astype(np.float32))[None])
        for text in record.captions:
            state, last = model.decoder.begin(memory, 1), START
            for word in [*vocabulary.encode(text), END]:
                logprobs, state, _ = model.step(np.array([last]), state, memory)
                losses.append(-logprobs[0, word].item())
                last = word

    assert judge(model, end_to_end=False).loss == pytest.approx(np.mean(losses), rel=1e-4)


def test_batches_do_not_change_the_verdict(
    judge: Judge, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = judge(model, end_to_end=True)
    monkeypatch.setattr(validation, "PHOTOS", 3)
    monkeypatch.setattr(captioning, "BATCH", 3)
    in_parts = judge(model, end_to_end=True)

    assert in_parts.captions == at_once.captions
    assert in_parts.loss == pytest.approx(at_once.loss, rel=1e-4)


def test_a_model_is_judged_without_its_dropout(judge: Judge, model: Model) -> None:
    calm = judge(model, end_to_end=False)
    model.train()

    assert judge(model, end_to_end=False) == calm
    assert not model.training


def test_a_fine_tuned_encoder_looks_at_the_photos_anew(
    judge: Judge, model: Model, data: Data, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    seen = Data(data.records, data.photos, encode_grids(model.encoder, data.photos, SMALL, "cpu"))
    expected = Judge(tmp_path, ARGUMENTS, vocabulary, seen, SMALL, beam=2)(model, end_to_end=False)
    verdict = judge(model, end_to_end=True)

    assert verdict.captions == expected.captions
    assert verdict.loss == pytest.approx(expected.loss)
    assert verdict.loss != pytest.approx(judge(model, end_to_end=False).loss)


def test_the_best_model_is_kept_with_what_it_scored(
    judge: Judge, model: Model, vocabulary: Vocabulary
) -> None:
    verdict = judge(model, end_to_end=False)
    judge.keep(model, METRICS, verdict)

    kept, _ = checkpoint.load(judge.run / "best.safetensors")
    assert kept.config == model.config
    assert kept.vocabulary.words == vocabulary.words
    assert kept.preprocessing == SMALL
    assert kept.training == ARGUMENTS
    assert {"split": "val", "beam": 2, "epoch": 2, "length_penalty": 0.7}.items() <= (
        kept.scores.items()
    )
    assert kept.scores["cider"] == verdict.scores.cider
    assert "Python" in kept.scores["tokenizer"]


def test_an_epoch_is_written_down_for_people_and_programs(judge: Judge, model: Model) -> None:
    judge.report(METRICS, judge(model, end_to_end=False))

    with (judge.run / "metrics.csv").open(newline="") as file:
        assert [row["val_cider"] for row in csv.DictReader(file)] == ["40.5"]
    for name in ("curves.png", "samples.png"):
        with Image.open(judge.run / name) as picture:
            picture.load()
    board = EventAccumulator(str(judge.run / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("val_cider")] == [(2, 40.5)]
    assert [event.value for event in board.Scalars("train_loss")] == [3.5]


def test_the_sample_sheet_shows_photos_from_the_whole_split(
    judge: Judge, model: Model, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Path] = []
    monkeypatch.setattr(validation, "SAMPLES", 4)
    monkeypatch.setattr(
        "train.report.plots.draw_sample_sheet",
        lambda samples, png: shown.extend(sample.photo for sample in samples),
    )
    judge.report(METRICS, judge(model, end_to_end=False))

    assert shown == [record.photo for record in data.records[::2]]
