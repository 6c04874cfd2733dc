"""Decoders for other languages are fitted, resumed, matched, calibrated and scored."""

import dataclasses
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from captioner import checkpoint
from captioner.languages.file import LanguagesFile
from captioner.photo.preprocessing import Preprocessing
from captioner.speakers import languages_of
from tests.conftest import tiny_matching, tiny_model, trained
from tests.train.tiny_dataset import COLOURS, GROUNDS, SHAPES, write_dataset
from train import run_folder
from train.__main__ import main
from train.data.datasets import DatasetError, read
from train.errors import SettingError
from train.fit import FitConfig
from train.languages import captions
from train.languages.evaluate import person
from train.languages.fit import fit_languages
from train.run_folder import RunError

WORDS = {
    "de": {
        **dict(zip(COLOURS, ("roter", "grüner", "blauer", "gelber"), strict=True)),
        **dict(zip(SHAPES, ("Kreis", "Klotz"), strict=True)),
        **dict(zip(GROUNDS, ("schwarzem", "grauem", "weißem"), strict=True)),
    },
    "zh": {
        **dict(zip(COLOURS, "红绿蓝黄", strict=True)),
        **dict(zip(SHAPES, "圆方", strict=True)),
        **dict(zip(GROUNDS, "黑灰白", strict=True)),
    },
}
CAPTIONS = {
    "de": ("Ein {colour} {shape}, der auf {ground} Grund ist.", "ein {colour} {shape}"),
    "zh": ("{ground}色上有一个{colour}色的{shape}形。",),
}


@dataclasses.dataclass(frozen=True)
class Bench:
    """A checkpoint, a dataset and its captions in two languages."""

    folder: Path

    @property
    def start(self) -> Path:
        return self.folder / "default.safetensors"

    def config(self, run: str, **changes: Any) -> FitConfig:
        config = FitConfig(
            self.folder / "data",
            self.folder / run,
            languages=self.folder / "languages",
            start_from=self.start,
            min_count=1,
            epochs=6,
            photos=2,
            views=1,
            dropout=0.0,
            learning_rate=2e-2,
            average=0.5,
            val_beam=1,
            cache=self.folder / "cache",
            device="cpu",
            precision="fp32",
        )
        return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("languages")
    write_dataset(folder / "data")
    write_captions(folder / "languages")
    model = tiny_model(attention_score="dot", tie_embeddings=True)
    built = trained(model, preprocessing=Preprocessing(size=64), matching=tiny_matching())
    checkpoint.save(folder / "default.safetensors", *built)
    return Bench(folder)


@pytest.fixture(scope="module")
def fitted(bench: Bench) -> Path:
    """Return the file of a run that nothing interrupted; the checkpoint has it beside it, too."""
    found = fit_languages(bench.config("finished"))
    (bench.folder / "languages.safetensors").write_bytes(found.read_bytes())
    return found


def write_captions(folder: Path) -> None:
    folder.mkdir()
    for code, templates in CAPTIONS.items():
        lines = []
        for colour, shape, ground in product(COLOURS, SHAPES, GROUNDS):
            words = WORDS[code]
            values = {"colour": words[colour], "shape": words[shape], "ground": words[ground]}
            name = f"{colour}-{shape}-{ground}.jpg"
            lines += [f"{name}\t{template.format(**values)}" for template in templates]
        (folder / f"{code}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_run_learns_every_language(bench: Bench, fitted: Path) -> None:
    metadata, _ = checkpoint.load(bench.start)
    file = LanguagesFile(fitted)

    assert file.codes == ("de", "zh")
    assert file.checkpoint == checkpoint.digest(bench.start)
    german = file.metadata("de", metadata)
    assert {"Kreis", "roter", ","} <= set(german.vocabulary.words)
    assert german.scores["cider"] > 0
    assert german.training["epochs"] == 6
    losses = [row.train_loss for row in run_folder.read_metrics(fitted.parent / "metrics.csv")]
    assert losses[-1] < losses[0] - 0.5


def test_the_checkpoint_stays_as_it_is(bench: Bench, fitted: Path) -> None:
    file = LanguagesFile(fitted)
    assert not [name for name in file.shared() if name.startswith(("start.", "attention.key"))]


def test_a_run_that_was_stopped_ends_like_one_that_was_not(bench: Bench, fitted: Path) -> None:
    save = run_folder.save_state
    config = bench.config("stopped")

    def save_and_stop(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        if run_folder.read_progress(config.run).epoch == 3:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            fit_languages(config)
    resumed = fit_languages(dataclasses.replace(config, resume=True))

    first, second = (load_file(path.parent / "state.safetensors") for path in (fitted, resumed))
    assert first.keys() == second.keys()
    assert all(first[name].allclose(second[name], atol=1e-4) for name in first)


def test_another_run_is_not_overwritten(bench: Bench, fitted: Path) -> None:
    with pytest.raises(RunError, match="there is a run already"):
        fit_languages(bench.config("finished"))


def test_languages_need_a_checkpoint_to_share(bench: Bench) -> None:
    with pytest.raises(SettingError, match="--start-from"):
        fit_languages(bench.config("none", start_from=None))


def test_matching_and_confidences_are_fitted_and_scores_printed(
    bench: Bench, fitted: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    common = ["--data", str(bench.folder / "data"), "--languages", str(bench.folder / "languages")]
    file, start = bench.folder / "languages.safetensors", str(bench.start)
    cache = ["--cache", str(bench.folder / "cache")]
    fitting = ["--epochs", "2", "--photos", "4", "--views", "1", *cache]
    assert main(["match", start, *common, *fitting, "--save", str(file)]) == 0
    assert main(["calibrate", start, *common, "--save", str(file)]) == 0
    capsys.readouterr()
    assert main(["evaluate", start, *common, "--out", str(tmp_path), "--save", str(file)]) == 0
    printed = capsys.readouterr().out

    metadata, _ = checkpoint.load(bench.start)
    again = LanguagesFile(file)
    for code in ("de", "zh"):
        found = again.metadata(code, metadata)
        assert found.matching is not None
        assert found.calibration is not None
        assert found.scores["split"] == "test"
        assert f"{code}  CIDEr {found.scores['cider']:.1f}" in printed
        assert np.array_equal(again.words(code).bias, LanguagesFile(fitted).words(code).bias)
    assert "a person: CIDEr" in printed.splitlines()[0]
    assert "a person" not in printed.splitlines()[1]  # one caption a photo
    results = json.loads((tmp_path / "languages.json").read_text())
    assert set(results) == {"de", "zh"}
    said = json.loads((tmp_path / "languages-captions.json").read_text())
    assert all(text.endswith("。") for text in said["zh"].values())


def test_one_language_is_scored_alone(
    bench: Bench, fitted: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    common = ["--data", str(bench.folder / "data"), "--languages", str(bench.folder / "languages")]
    arguments = ["evaluate", str(bench.start), *common, "--out", str(tmp_path)]
    assert main([*arguments, "--language", "zh"]) == 0
    assert [line[:2] for line in capsys.readouterr().out.splitlines()] == ["zh"]
    assert main([*arguments, "--language", "xx"]) == 1
    assert "--language" in capsys.readouterr().err


def test_a_checkpoint_without_languages_is_named(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.safetensors"
    checkpoint.save(path, *trained(tiny_model(seed=9)))
    assert languages_of(path) is None
    common = ["--data", str(bench.folder / "data"), "--languages", str(bench.folder / "languages")]
    assert main(["evaluate", str(path), *common, "--out", str(tmp_path)]) == 1
    assert "there is no languages.safetensors" in capsys.readouterr().err


def test_a_person_is_scored_against_the_others(bench: Bench) -> None:
    dataset = read(bench.folder / "data")
    german = captions.read(bench.folder / "languages", "de", dataset)
    chinese = captions.read(bench.folder / "languages", "zh", dataset)

    scores = person(german.split("test"), "de")
    assert scores is not None
    assert scores.cider > 0
    assert person(chinese.split("test"), "zh") is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no caption of a photo"),
        ("other.jpg\tein Hund\n", "has no caption of a photo"),
        ("no tab at all\n", "has no caption of a photo"),
    ],
)
def test_captions_of_no_photo_are_refused(
    bench: Bench, tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "de.tsv").write_text(content)
    with pytest.raises(DatasetError, match=problem):
        captions.read(tmp_path, "de", read(bench.folder / "data"))


def test_what_is_left_out_is_counted(bench: Bench, tmp_path: Path) -> None:
    lines = ["red-circle-black.jpg\tein Kreis", "broken", "other.jpg\tein Hund", ""]
    (tmp_path / "de.tsv").write_text("\n".join(lines))
    found = captions.read(tmp_path, "de", read(bench.folder / "data"))
    assert len(found.records) == 1
    assert any("1 lines" in problem for problem in found.problems)
    assert any("1 of its photos" in problem for problem in found.problems)


def test_a_folder_without_captions_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"such as de\.tsv"):
        captions.codes(tmp_path)
    with pytest.raises(DatasetError, match="no folder"):
        captions.codes(tmp_path / "nowhere")
