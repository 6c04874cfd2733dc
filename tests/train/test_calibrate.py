"""Confidences and a detector are fitted, and a checkpoint carries both."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner import Captioner, Options, checkpoint
from captioner.checkpoint import Metadata
from captioner.confidence import Features
from captioner.model import Memory
from captioner.runtime import select
from captioner.runtime.protocols import Squares
from tests import pictures
from tests.conftest import Trained, on_cpu, photo_bytes
from tests.train.tiny_dataset import write_dataset
from train.calibrate import CalibrateConfig, calibrate, start_states
from train.data.datasets import DatasetError, read
from train.evaluate import EvaluateConfig, evaluate

pytestmark = pytest.mark.usefixtures("without_java")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("calibrate") / "data")


@dataclass(frozen=True)
class Calibrated:
    """A checkpoint that was calibrated, and what was fitted."""

    path: Path
    fitted: Metadata


@pytest.fixture(scope="module")
def calibrated(tiny_file: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Calibrated:
    out = tmp_path_factory.mktemp("calibrated")
    path = out / "calibrated.safetensors"
    config = CalibrateConfig(tiny_file, data, out=out, save=path, device="cpu")
    return Calibrated(path, calibrate(config))


def test_a_checkpoint_is_calibrated_measured_and_drawn(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved, out = tmp_path / "calibrated.safetensors", tmp_path / "out"
    # Half the sentences of a random model are above so low a threshold.
    config = CalibrateConfig(tiny_file, data, right=0.1, out=out, save=saved, device="cpu")

    fitted = calibrate(config).calibration

    (before, _), (after, _) = checkpoint.load(tiny_file), checkpoint.load(saved)
    assert after.calibration == fitted
    assert before.calibration is None
    assert (after.scores, after.training) == (before.scores, before.training)
    with Image.open(out / "reliability.png") as picture:
        assert picture.format == "PNG"
    said = capsys.readouterr().out
    assert "right: CIDEr-D above 0.1" in said
    measured = [line for line in said.splitlines() if "calibration error" in line]
    assert [line.split("  ")[0] for line in measured] == ["val, cross-validated", "test"]
    assert "below 0.33" in said
    assert after.out_of_distribution is not None
    (told,) = [line for line in said.splitlines() if line.startswith("out of distribution: ")]
    threshold = after.out_of_distribution.threshold
    assert f"distance above {threshold:.2f}, the 99th percentile of val; " in told

    # Evaluation finds the same error on test, without fitting anything.
    best = evaluate(EvaluateConfig(saved, data, out=out, device="cpu"))
    assert f"calibration error {best.calibration_error:.3f}" in measured[1]


async def test_captions_have_the_confidence_that_was_fitted(calibrated: Calibrated) -> None:
    fitted = calibrated.fitted.calibration
    assert fitted is not None

    async with Captioner.load(calibrated.path, "cpu") as captioner:
        said = await captioner.caption(photo_bytes(1))

    count = len(said.words) + 1
    expected = fitted.probability(Features(said.logprob / count, count))
    assert said.confidence == pytest.approx(expected)


def noise(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    return pictures.saved(Image.fromarray(pixels), "PNG")


async def test_noise_is_out_of_the_distribution_that_was_fitted(
    calibrated: Calibrated, data: Path
) -> None:
    fitted = calibrated.fitted

    async with Captioner.load(calibrated.path, "cpu") as captioner:
        assert fitted.out_of_distribution is not None
        kept = captioner.metadata.out_of_distribution
        assert kept is not None
        np.testing.assert_array_equal(kept.whitening, fitted.out_of_distribution.whitening)
        learned_from = [record.photo.read_bytes() for record in read(data).split("train")]
        greedy = Options(beam=1)
        known = [(await captioner.caption(photo, greedy)) for photo in learned_from]
        strange = [(await captioner.caption(noise(seed), greedy)) for seed in range(4)]

    assert sum(caption.out_of_distribution for caption in known) < len(known) / 4
    assert all(caption.out_of_distribution for caption in strange)


def test_the_share_of_test_that_is_out_of_distribution_is_printed(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = calibrate(CalibrateConfig(tiny_file, data, out=tmp_path, device="cpu"))

    assert fitted.out_of_distribution is not None
    _, network = select.load(tiny_file, "cpu", "torch")
    starts = start_states(network, read(data).split("test"), fitted.preprocessing)
    assert len(starts) == 8
    share = 100 * fitted.out_of_distribution.detect(starts).mean()
    assert f"; {share:.1f} % of test" in capsys.readouterr().out


def test_training_photos_are_encoded_a_batch_at_a_time_and_unreadable_ones_left_out(
    tiny: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_dataset(tmp_path / "data")
    records = read(data).split("train")
    network = on_cpu(tiny)[1]
    together = start_states(network, records, tiny.metadata.preprocessing)
    monkeypatch.setattr("train.captioning.BATCH", 2)
    # The first two and the last one, so that whole batches would be empty.
    for record in (*records[:2], records[-1]):
        record.photo.write_bytes(b"no photo")
    sizes: list[int] = []
    see = network.encode

    def encode(photos: Squares) -> Memory:
        sizes.append(len(photos))
        return see(photos)

    monkeypatch.setattr(network, "encode", encode)
    starts = start_states(network, records, tiny.metadata.preprocessing)
    assert sizes == [2, 2, 2, 2, 1]
    np.testing.assert_allclose(starts, together[2:-1], atol=1e-5)
    with pytest.raises(DatasetError, match="none of the 2 photos can be read"):
        start_states(network, records[:2], tiny.metadata.preprocessing)


def test_a_checkpoint_is_not_changed_without_save(
    tiny_file: Path, data: Path, tmp_path: Path
) -> None:
    before = tiny_file.read_bytes()
    calibrate(CalibrateConfig(tiny_file, data, out=tmp_path, device="cpu"))
    assert tiny_file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["reliability.png"]


def test_a_split_that_is_missing_or_too_small_is_named(tiny_file: Path, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    lists = data / "Flickr8k_text"
    listed = lists / "Flickr_8k.devImages.txt"
    config = CalibrateConfig(tiny_file, data, out=tmp_path, device="cpu")
    listed.write_text(listed.read_text().splitlines()[0] + "\n")
    with pytest.raises(DatasetError, match="too few"):
        calibrate(config)
    (lists / "Flickr_8k.testImages.txt").unlink()
    with pytest.raises(DatasetError):
        calibrate(replace(config, right=1))


def test_without_training_photos_nothing_is_fitted(tiny_file: Path, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    (data / "Flickr8k_text" / "Flickr_8k.trainImages.txt").write_text("")
    with pytest.raises(DatasetError, match="'train'"):
        calibrate(CalibrateConfig(tiny_file, data, out=tmp_path, device="cpu"))
