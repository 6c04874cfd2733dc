import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from captioner import checkpoint
from captioner.checkpoint import CheckpointError
from captioner.confidence import Calibration
from captioner.options import Options
from tests.conftest import Trained, tiny_matching
from tests.train.tiny_dataset import draw_photo, write_dataset
from train.data.datasets import DatasetError
from train.errors import SettingError
from train.evaluate import EvaluateConfig, evaluate
from train.scoring.scores import PYTHON

pytestmark = pytest.mark.usefixtures("without_java")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("evaluate") / "data")


def test_a_split_is_captioned_scored_and_reported(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = evaluate(EvaluateConfig(tiny_file, data, out=tmp_path, device="cpu"))
    scores = json.loads((tmp_path / "scores.json").read_text())
    captions = json.loads((tmp_path / "captions.json").read_text())
    assert scores["photos"] == len(captions) == 8
    assert (scores["split"], scores["beam"]) == ("test", Options.beam)
    assert scores["length_penalty"] == Options.length_penalty
    assert scores["matching"] == Options.matching
    assert scores["tokenizer"] == PYTHON
    assert scores["cider"] == pytest.approx(best.scores.cider)
    assert "red-circle-grey.jpg" in captions
    assert all(caption.endswith(".") for caption in captions.values())
    assert "<html" in (tmp_path / "report.html").read_text()
    assert scores["calibration_error"] is best.calibration_error is None
    said = capsys.readouterr().out
    assert f"{best.scores.cider:.2f}" in said
    assert "calibration" not in said


def test_photos_with_the_same_name_in_two_folders_keep_their_own_captions(
    tiny_file: Path, tmp_path: Path
) -> None:
    rows = ["photo,caption,split"]
    for folder, colour in (("monday", "red"), ("friday", "blue")):
        (tmp_path / folder).mkdir()
        draw_photo(colour, "circle", "white").save(tmp_path / folder / "1.jpg")
        rows.append(f"{folder}/1.jpg,A {colour} circle .,test")
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n")

    evaluate(EvaluateConfig(tiny_file, tmp_path, out=tmp_path / "out", device="cpu"))

    captions = json.loads((tmp_path / "out" / "captions.json").read_text())
    assert set(captions) == {"monday/1.jpg", "friday/1.jpg"}
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(name in page for name in captions)


def test_the_calibration_error_of_a_calibrated_checkpoint_is_reported(
    tiny: Trained, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrated = tmp_path / "calibrated.safetensors"
    certain = Calibration(right=1000.0, intercept=50.0, mean=0.0, length=0.0)
    checkpoint.save(calibrated, *tiny.having(calibration=certain))
    best = evaluate(EvaluateConfig(calibrated, data, out=tmp_path, device="cpu"))
    # It is certain of captions that are all wrong.
    assert best.calibration_error == pytest.approx(1)
    assert json.loads((tmp_path / "scores.json").read_text())["calibration_error"] == 1
    assert "calibration     1.000" in capsys.readouterr().out


def test_photos_may_be_encoded_in_another_size_which_the_saved_checkpoint_keeps(
    tiny_file: Path, data: Path, tmp_path: Path
) -> None:
    larger = tmp_path / "larger.safetensors"
    evaluate(EvaluateConfig(tiny_file, data, out=tmp_path, size=96, save=larger, device="cpu"))
    assert checkpoint.load(tiny_file)[0].preprocessing.size == 64
    assert checkpoint.load(larger)[0].preprocessing.size == 96
    with pytest.raises(SettingError, match="--size is 96; it must be left out"):
        evaluate(EvaluateConfig(tiny_file, data, runtime="onnx", size=96))


def test_the_diversity_of_other_captions_is_measured(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(EvaluateConfig(tiny_file, data, out=tmp_path, another=True, device="cpu"))
    [line] = [row for row in capsys.readouterr().out.splitlines() if row.startswith("another")]
    assert "captions a photo" in line
    assert "distinct-2" in line


def test_captions_that_repeat_a_word_are_counted_and_avoided(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EvaluateConfig(tiny_file, data, beam=(1,), out=tmp_path, device="cpu")
    assert evaluate(config).scores.repeating == 0
    evaluate(replace(config, repeat_words=True))
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["repeat_words"]
    assert scores["repeating"] > 0
    assert f"{scores['repeating']:.1f} % repeating" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert "Sentences that repeat a word" in page


def test_the_best_of_several_ways_of_decoding_is_kept(
    tiny_file: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EvaluateConfig(tiny_file, data, "val", (1, 3), (0.0, 2.0), out=tmp_path, device="cpu")
    best = evaluate(config)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("beam ")]
    assert len(lines) == 4
    shown = [float(line.split("CIDEr ")[1].split()[0]) for line in lines]
    assert round(best.scores.cider, 1) == max(shown)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["beam"], scores["length_penalty"]) in {(1, 0), (1, 2), (3, 0), (3, 2)}


def test_a_checkpoint_is_saved_with_its_scores(tiny_file: Path, data: Path, tmp_path: Path) -> None:
    saved = tmp_path / "scored.safetensors"
    best = evaluate(EvaluateConfig(tiny_file, data, out=tmp_path, save=saved, device="cpu"))
    scored, _ = checkpoint.load(saved)
    assert scored.scores["cider"] == pytest.approx(best.scores.cider)
    assert scored.vocabulary.words == checkpoint.load(tiny_file)[0].vocabulary.words


def test_results_go_to_the_run_of_the_checkpoint(
    tiny_file: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_file, tmp_path / "best.safetensors")
    (tmp_path / "config.json").write_text("{}")
    evaluate(EvaluateConfig(tmp_path / "best.safetensors", data, device="cpu"))
    assert (tmp_path / "scores.json").exists()


def test_results_of_another_checkpoint_go_to_a_folder_of_their_own(
    tiny_file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate(EvaluateConfig(tiny_file, data, device="cpu"))
    assert (tmp_path / "evaluation" / "tiny" / "scores.json").exists()


def test_an_unreadable_photo_is_named_and_left_out(
    tiny_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = write_dataset(tmp_path / "data")
    photos = sorted((data / "Flicker8k_Dataset").iterdir())
    broken = next(photo for photo in photos if photo.name == "red-circle-grey.jpg")
    broken.write_bytes(b"no photo")
    config = EvaluateConfig(tiny_file, data, out=tmp_path, device="cpu")
    assert evaluate(config).scores.photos == 7
    assert "red-circle-grey.jpg is left out" in caplog.text
    for photo in photos:
        photo.write_bytes(b"no photo")
    with pytest.raises(DatasetError, match="none of the 8 photos"):
        evaluate(config)


def test_a_wrong_checkpoint_or_dataset_is_named(
    tiny_file: Path, data: Path, tmp_path: Path
) -> None:
    config = EvaluateConfig(tiny_file, data, out=tmp_path, device="cpu")
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        evaluate(replace(config, checkpoint=tmp_path / "none.safetensors"))
    with pytest.raises(DatasetError, match="nowhere"):
        evaluate(replace(config, data=tmp_path / "nowhere"))


def test_the_weight_of_matching_is_compared(
    tiny: Trained, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matched = tmp_path / "matched.safetensors"
    checkpoint.save(matched, *tiny.having(matching=tiny_matching()))
    config = EvaluateConfig(matched, data, out=tmp_path, device="cpu")
    captions = {}
    for weight in (0.0, 100.0):
        captions[weight] = evaluate(replace(config, matching=(weight,))).captions
    assert captions[0.0] != captions[100.0]
    plain = tmp_path / "plain.safetensors"
    checkpoint.save(plain, *tiny)
    assert evaluate(replace(config, checkpoint=plain)).captions == captions[0.0]
    capsys.readouterr()
    best = evaluate(replace(config, matching=(0.0, 100.0)))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("beam")]
    assert ["matching 0 " in line for line in lines] == [True, False]
    assert best.captions == captions[best.options.matching]
