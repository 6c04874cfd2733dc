"""A run of captions in another language: started, prolonged, and refused after changes."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from captioner import checkpoint
from captioner.checkpoint import CheckpointError
from captioner.vocabulary import SPECIAL, Vocabulary
from tests.train.tiny_dataset import draw_photo, write_encoder_weights
from train import run_folder, self_critical
from train.data.datasets import DatasetError
from train.fit import FitConfig, fit
from train.fitting.optimization import schedule
from train.run_folder import RunError, read_metrics
from train.self_critical import SelfCriticalConfig

pytestmark = pytest.mark.usefixtures("without_java", "in_single_precision", "slim_resnet18")

COLOURS = {"red": "लाल", "green": "हरा", "blue": "नीला"}
PHOTOS = {f"{colour}-{shape}.jpg": (colour, shape) for colour in COLOURS for shape in ("a", "b")}
SPLITS = ("train", "train", "val", "train", "val", "train")


def write_data(folder: Path) -> Path:
    """Write six photos, as a spreadsheet in Hindi describes them, and a file of macOS."""
    folder.mkdir()
    rows = ["Photo;Caption;Split"]
    for split, (name, (colour, shape)) in zip(SPLITS, PHOTOS.items(), strict=True):
        draw_photo(colour, "circle" if shape == "a" else "square", "white").save(folder / name)
        (folder / f"._{name}").write_bytes(b"no photo")
        rows.append(f'{name};"यह {COLOURS[colour]} रंग का\nकुत्ता है।";{split}')
    (folder / "captions.csv").write_bytes("\r\n".join(rows).encode("utf-16"))
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    """Return the configuration of a run whose only epoch is trained."""
    folder = tmp_path_factory.mktemp("resume")
    config = FitConfig(
        write_data(folder / "data"),
        folder / "run",
        language="hi",
        encoder="resnet18",
        encoder_weights=str(write_encoder_weights(folder / "resnet18.safetensors")),
        embedding_size=8,
        hidden_size=8,
        min_count=1,
        epochs=1,
        photos=2,
        size=64,
        learning_rate=1e-2,
        warmup=0.0,
        cache=folder / "cache",
        device="cpu",
        precision="fp32",
    )
    fit(config)
    return config


def again(config: FitConfig, name: str, **changes: Any) -> FitConfig:
    """Copy the run to a folder, to resume it from there."""
    run = config.run.with_name(name)
    shutil.copytree(config.run, run)
    return dataclasses.replace(config, run=run, resume=True, **changes)


def rates(run: Path) -> list[float]:
    return [metrics.learning_rate for metrics in read_metrics(run / "metrics.csv")]


def test_a_run_learns_words_with_marks_and_ends_sentences_as_its_script_does(
    config: FitConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    trained, _ = checkpoint.load(config.run / run_folder.BEST)

    assert {"लाल", "हरा", "रंग", "कुत्ता", "है"} <= set(trained.vocabulary.words)
    assert trained.language == "hi"
    assert trained.scores["tokenizer"] == "words of the vocabulary"
    text = "यह लाल रंग का कुत्ता है।"
    assert trained.vocabulary.decode(trained.vocabulary.encode(text)) == text


def test_a_run_that_is_prolonged_follows_the_schedule_of_all_its_epochs(config: FitConfig) -> None:
    longer = again(config, "longer", epochs=3)
    fit(longer)

    adamw = torch.optim.SGD([torch.zeros(1)], lr=config.learning_rate)
    steps = 2  # an epoch: four photos, two in a step
    expected = [schedule(adamw, 0.0, 3 * steps, done).get_last_lr()[0] for done in (4, 6)]
    assert rates(longer.run)[0] == rates(config.run)[0] == pytest.approx(1e-4)
    assert rates(longer.run)[1:] == pytest.approx(expected)
    assert json.loads((longer.run / "config.json").read_text())["epochs"] == 3
    assert run_folder.read_progress(longer.run).epoch == 3
    optimizer = load_file(longer.run / run_folder.STATE)["optimizer.0.step"]
    assert optimizer == 3 * steps  # of the state that the run had


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("कुत्ता", "बिल्ली"),  # another word
        ("यह", "यह भी"),  # one word more
        ("लाल", "a"),  # the same words otherwise, in another order
    ],
)
def test_a_run_is_not_resumed_with_other_captions(
    old: str, new: str, config: FitConfig, tmp_path: Path
) -> None:
    data = shutil.copytree(config.data, tmp_path / "data")
    table = data / "captions.csv"
    table.write_text(table.read_text("utf-16").replace(old, new), "utf-16")
    changed = again(config, f"changed-{new}", data=data, epochs=2)

    with pytest.raises(RunError, match="the captions changed since it was started"):
        fit(changed)
    assert run_folder.read_progress(changed.run).epoch == 1
    assert json.loads((changed.run / "config.json").read_text())["epochs"] == 1


def test_arguments_that_change_the_words_are_named_as_such(config: FitConfig) -> None:
    with pytest.raises(RunError, match="was started with another value of --min-count"):
        fit(dataclasses.replace(config, min_count=3, resume=True))


def test_unreadable_validation_photos_are_named_before_anything_is_computed(
    config: FitConfig, tmp_path: Path
) -> None:
    data = shutil.copytree(config.data, tmp_path / "data")
    for split, name in zip(SPLITS, PHOTOS, strict=True):
        if split == "val":
            (data / name).write_bytes(b"no photo")
    broken = dataclasses.replace(config, data=data, run=tmp_path / "run", cache=tmp_path / "cache")

    with pytest.raises(DatasetError, match="none of its 2 photos in the split 'val' can be read"):
        fit(broken)
    assert not broken.run.exists()
    assert not list((tmp_path / "cache").iterdir())


def test_self_critical_training_is_prolonged_too_but_not_from_another_start(
    config: FitConfig, tmp_path: Path
) -> None:
    start = tmp_path / "start.safetensors"
    shutil.copy(config.run / run_folder.BEST, start)
    first = SelfCriticalConfig(
        config.data, tmp_path / "run", start, epochs=1, photos=2, views=1, cache=tmp_path / "cache"
    )
    self_critical.self_critical(first)
    longer = dataclasses.replace(first, epochs=2, resume=True)
    self_critical.self_critical(longer)
    assert run_folder.read_progress(first.run).epoch == 2

    metadata, model = checkpoint.load(start)
    swapped = Vocabulary((*SPECIAL, *reversed(metadata.vocabulary.words[len(SPECIAL) :])))
    checkpoint.save(start, dataclasses.replace(metadata, vocabulary=swapped), model)
    with pytest.raises(RunError, match="--start-from changed since it was started"):
        self_critical.self_critical(longer)


@pytest.mark.parametrize(
    ("done", "phase", "before", "after", "message"),
    [
        (3, "frozen", (3, 0), (5, 0), None),
        (3, "frozen", (3, 2), (5, 2), None),
        (2, "frozen", (5, 0), (2, 0), None),
        (4, "fine-tune", (3, 2), (3, 5), None),
        (4, "fine-tune", (3, 2), (3, 1), None),
        (3, "frozen", (5, 0), (2, 0), "has finished 3 epochs already"),
        (3, "frozen", (5, 2), (2, 2), "has finished 3 epochs already"),
        (5, "fine-tune", (3, 2), (3, 1), "has finished 5 epochs already"),
        (4, "fine-tune", (3, 2), (5, 2), "leave --epochs 3 and raise --fine-tune"),
    ],
)
def test_a_run_may_have_more_epochs_but_not_fewer_than_it_has(
    done: int,
    phase: run_folder.Phase,
    before: tuple[int, int],
    after: tuple[int, int],
    message: str | None,
    tmp_path: Path,
) -> None:
    def settings(epochs: tuple[int, int]) -> dict[str, int]:
        return {"epochs": epochs[0], "fine_tune": epochs[1]}

    run_folder.prepare(tmp_path, settings(before), resume=False)
    model = torch.nn.Linear(1, 1)
    average = torch.optim.swa_utils.AveragedModel(model)
    progress = run_folder.Progress(done, phase)
    run_folder.save_state(tmp_path, model, average, torch.optim.AdamW(model.parameters()), progress)
    if message:
        with pytest.raises(RunError, match=message):
            run_folder.prepare(tmp_path, settings(after), resume=True)
    else:
        run_folder.prepare(tmp_path, settings(after), resume=True)
    noted = json.loads((tmp_path / "config.json").read_text())
    assert noted == settings(before if message else after)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("config.json", RunError),
        ("state.safetensors", RunError),
        ("best.safetensors", CheckpointError),
    ],
)
def test_a_damaged_file_of_a_run_is_named(
    name: str, error: type[ValueError], config: FitConfig
) -> None:
    damaged = again(config, f"damaged-{name}", epochs=2)
    path = damaged.run / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(error, match=f"{name}: damaged"):
        fit(damaged)
