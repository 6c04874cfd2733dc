"""What people said about captions, as `python -m bot feedback export` writes it, is trained on."""

import shutil
from pathlib import Path

import pytest

from bot.store.feedback_export import digest, export
from bot.store.feedback_rows import FeedbackRow
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train.data.datasets import read
from train.fit import FitConfig, fit
from train.languages import captions

pytestmark = pytest.mark.usefixtures("without_java", "slim_resnet18")


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Return what was exported of 24 photos; half of their captions were corrected."""
    photos = write_dataset(tmp_path / "tiny") / "Flicker8k_Dataset"
    rows = []
    for number, photo in enumerate(sorted(photos.iterdir())):
        colour, shape, ground = photo.stem.split("-")
        right, wrong = f"A {colour} {shape}, on {ground}.", 'A "thing" on the ground.'
        if number % 2:
            rows.append(FeedbackRow(digest(photo), right, "en", "good"))
        else:
            rows.append(FeedbackRow(digest(photo), wrong, "en", "bad", right))
        rows.append(FeedbackRow(digest(photo), f"Hier: {shape}.", "de", "good"))
    export(rows, photos, tmp_path / "out", "en")
    shutil.rmtree(photos)
    return tmp_path / "out"


def test_train_reads_every_caption(exported: Path) -> None:
    dataset = read(exported)

    assert (dataset.name, dataset.problems) == ("folder", ())
    assert len(dataset.records) == 24
    for record in dataset.records:
        colour, shape, ground = record.photo.stem.split("-")
        assert record.captions == (f"A {colour} {shape}, on {ground}.",)
    german = captions.read_all(exported / "languages", dataset)["de"]
    assert german.problems == ()
    assert [record.captions for record in german.records] == [
        (f"Hier: {record.photo.stem.split('-')[1]}.",) for record in dataset.records
    ]


def test_a_model_is_fitted_to_it(exported: Path, tmp_path: Path) -> None:
    config = FitConfig(
        exported,
        tmp_path / "run",
        encoder="resnet18",
        encoder_weights=str(write_encoder_weights(tmp_path / "resnet18.safetensors")),
        embedding_size=24,
        hidden_size=32,
        min_count=1,
        epochs=1,
        fine_tune=0,
        photos=2,
        size=64,
        device="cpu",
        precision="fp32",
    )
    assert fit(config).is_file()
