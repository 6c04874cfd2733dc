"""Training from the first epoch to the last, interrupted in every way and resumed."""

import csv
import dataclasses
import json
import math
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from captioner import checkpoint
from captioner.checkpoint import CheckpointError
from captioner.photo.preprocessing import Preprocessing
from tests.conftest import Trained
from tests.train.conftest import drawing
from tests.train.processes import start
from tests.train.slim import CHANNELS
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train import run_folder
from train.__main__ import main
from train.data.datasets import DatasetError
from train.errors import SettingError
from train.fit import FitConfig, _preprocessing, fit
from train.fitting import batch_norm
from train.run_folder import RunError
from train.self_critical import SelfCriticalConfig

pytestmark = pytest.mark.usefixtures("without_java", "slim_resnet18")

ROOT = Path(__file__).parents[2]
Tensors = dict[str, torch.Tensor]
RESNET = "model.encoder.resnet."


@dataclass(frozen=True)
class Bench:
    """What the runs of this file share; the frozen features are computed once for all."""

    folder: Path
    data: Path
    encoder_weights: Path

    def config(self, run: str, **changes: Any) -> FitConfig:
        config = FitConfig(
            self.data,
            self.folder / run,
            encoder="resnet18",
            encoder_weights=str(self.encoder_weights),
            embedding_size=24,
            hidden_size=32,
            dropout=0.1,
            min_count=1,
            epochs=4,
            fine_tune=2,
            photos=2,
            size=64,
            learning_rate=2e-2,
            fine_tune_learning_rate=5e-3,
            average=0.8,
            cache=self.folder / "cache",
            device="cpu",
            precision="fp32",
        )
        return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("fit")
    weights = write_encoder_weights(folder / "resnet18.safetensors")
    return Bench(folder, write_dataset(folder / "data"), weights)


@pytest.fixture(scope="module")
def finished(bench: Bench) -> Path:
    """Return the folder of a run that nothing interrupted."""
    config = bench.config("finished")
    assert fit(config) == config.run / "best.safetensors"
    return config.run


@pytest.fixture(scope="module")
def one_epoch(bench: Bench) -> Path:
    """Return the folder of a run that is short, and so may draw its pictures."""
    with drawing():
        return fit(bench.config("one-epoch", epochs=1, fine_tune=0)).parent


@pytest.fixture(scope="module")
def stopped(bench: Bench) -> tuple[Path, Tensors]:
    """Return a run that was stopped in its first phase and at its end, and its state there."""
    run = interrupt(bench.config("stopped"), after=2)
    interrupt(bench.config("stopped", resume=True), after=4)
    return run, load_file(run / "state.safetensors")


def interrupt(config: FitConfig, after: int) -> Path:
    """Run, and press Ctrl-C when the state of an epoch is written."""
    save = run_folder.save_state

    def save_and_stop(run: Path, *rest: Any) -> None:
        save(run, *rest)
        if run_folder.read_progress(run).epoch == after:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            fit(config)
    return config.run


def metrics(run: Path) -> list[dict[str, Any]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [
            {key: value if key == "phase" else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


def assert_same_run(run: Path, other: Path) -> None:
    figures, others = metrics(run), metrics(other)
    assert [row["epoch"] for row in figures] == [row["epoch"] for row in others]
    for row, expected in zip(figures, others, strict=True):
        del row["seconds"], expected["seconds"]
        assert row == pytest.approx(expected, abs=1e-4)
    for name in ("state.safetensors", "best.safetensors"):
        assert_same_tensors(load_file(run / name), load_file(other / name))


def assert_same_tensors(tensors: Tensors, others: Tensors) -> None:
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(tensor, others[name], rtol=1e-4, atol=1e-5, msg=name)


def given_weights(bench: Bench) -> Tensors:
    tensors = load_file(bench.encoder_weights)
    return {RESNET + name: value for name, value in tensors.items() if not name.startswith("fc.")}


def test_a_run_trains_the_decoder_first_and_then_everything(finished: Path) -> None:
    figures = metrics(finished)

    assert [row["epoch"] for row in figures] == [1, 2, 3, 4, 5, 6]
    assert [row["phase"] for row in figures] == ["frozen"] * 4 + ["fine-tune"] * 2


def test_the_validation_loss_falls(finished: Path) -> None:
    losses = [row["val_loss"] for row in metrics(finished)]

    words = checkpoint.load(finished / "best.safetensors")[0].config.vocabulary_size
    assert losses[0] < math.log(words)
    assert losses[-1] < losses[3] < losses[2] < losses[1] < losses[0]
    assert losses[-1] < 0.5 * math.log(words)


def test_the_learning_rate_of_a_phase_ends_at_a_hundredth(finished: Path) -> None:
    rates = [row["learning_rate"] for row in metrics(finished)]

    assert rates[3] == pytest.approx(0.01 * 2e-2)
    assert rates[5] == pytest.approx(0.01 * 5e-3)
    assert rates[0] > rates[1] > rates[2] > rates[3] < rates[4]


def test_a_run_leaves_its_settings_and_its_pictures(one_epoch: Path) -> None:
    settings = json.loads((one_epoch / "config.json").read_text())

    assert settings["encoder"] == "resnet18"
    assert settings["encoder_weights"] == "resnet18.safetensors"
    assert not {"data", "run", "cache", "device"} & settings.keys()
    for name in ("curves.png", "samples.png"):
        with Image.open(one_epoch / name) as picture:
            picture.load()
    assert list((one_epoch / "tensorboard").iterdir())
    assert not list(one_epoch.glob("*.part"))


def test_the_best_checkpoint_carries_its_scores_and_arguments(finished: Path) -> None:
    best, _ = checkpoint.load(finished / "best.safetensors")
    figures = max(metrics(finished), key=lambda row: row["val_cider"])

    assert best.scores["cider"] == pytest.approx(figures["val_cider"])
    assert (best.scores["split"], best.scores["beam"]) == ("val", 3)
    assert best.scores["epoch"] == figures["epoch"]
    assert best.training == json.loads((finished / "config.json").read_text())
    assert {"circle", "yellow", "ground"} <= set(best.vocabulary.words)


def test_the_frozen_phase_leaves_the_encoder_alone(
    bench: Bench, stopped: tuple[Path, Tensors]
) -> None:
    _, state = stopped

    given = given_weights(bench)
    kept = {name: value for name, value in state.items() if name.startswith(RESNET)}
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], value) for name, value in given.items())


def test_fine_tuning_changes_every_layer_of_the_encoder_but_not_its_statistics(
    bench: Bench, finished: Path
) -> None:
    given = given_weights(bench)
    state = load_file(finished / "state.safetensors")
    changed = {name for name, value in given.items() if not torch.equal(state[name], value)}

    statistics = {name for name in given if "running" in name or "batches_tracked" in name}
    assert len(statistics) == 3 * 20  # ResNet-18 has twenty batch norms
    assert changed == given.keys() - statistics
    assert f"{RESNET}conv1.weight" in changed


def test_the_first_layers_can_stay_frozen_end_to_end(bench: Bench) -> None:
    config = bench.config("layers", epochs=0, fine_tune=1, frozen_layers=2)
    fit(config)

    given = given_weights(bench)
    state = load_file(config.run / "state.safetensors")
    changed = {name for name, value in given.items() if not torch.equal(state[name], value)}
    assert {name.removeprefix(RESNET).split(".")[0] for name in changed} == {"layer3", "layer4"}


def test_batch_norm_is_estimated_first_and_then_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = bench.config(
        "estimated",
        epochs=1,
        fine_tune=1,
        estimate_batch_norm=8,
        other_photos=bench.data / "Flicker8k_Dataset",
        cache=bench.folder / "estimated-cache",
    )
    interrupt(config, after=1)
    estimated = load_file(config.run / "batch_norm.safetensors")
    given = load_file(bench.encoder_weights)
    assert not torch.allclose(estimated["bn1.running_mean"], given["bn1.running_mean"])
    monkeypatch.setattr(batch_norm, "estimate", None)  # a resumed run does not estimate again
    fit(dataclasses.replace(config, resume=True))

    state = load_file(config.run / "state.safetensors")
    assert len(estimated) == 3 * 20
    assert all(torch.equal(state[RESNET + name], value) for name, value in estimated.items())
    settings = json.loads((config.run / "config.json").read_text())
    assert settings["other_photos"] == "Flicker8k_Dataset"


def test_other_photos_need_an_estimate(bench: Bench) -> None:
    with pytest.raises(SettingError, match=r"--estimate-batch-norm is 0; it must be above 0"):
        fit(bench.config("unused", other_photos=bench.data))
    assert not (bench.folder / "unused").exists()


def test_a_run_can_start_from_a_checkpoint(bench: Bench, finished: Path) -> None:
    start = finished / "best.safetensors"
    rates = {"fine_tune_learning_rate": 1e-9, "encoder_learning_rate": 1e-9}
    config = bench.config("further", start_from=start, epochs=0, fine_tune=1, dropout=0.5, **rates)
    fit(config)

    (first,) = metrics(config.run)
    best = max(metrics(finished), key=lambda row: row["val_cider"])
    assert first["val_loss"] == pytest.approx(best["val_loss"], abs=0.01)
    further, _ = checkpoint.load(config.run / "best.safetensors")
    assert further.training["start_from"] == start.name
    assert further.config.dropout == 0.5


def test_a_run_can_start_from_the_decoder_of_another_encoder(
    bench: Bench, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = checkpoint.load(finished / "best.safetensors")[1].state_dict()
    weights = write_encoder_weights(bench.folder / "resnet50.safetensors", "resnet50")
    first: list[Tensors] = []

    def note_and_stop(model: torch.nn.Module, *_: Any) -> None:
        first.append({name: value.clone() for name, value in model.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr("train.fit._loss", note_and_stop)
    config = bench.config(
        "behind",
        encoder="resnet50",
        encoder_weights=str(weights),
        start_from=finished / "best.safetensors",
        cache=bench.folder / "cache50",
    )
    with pytest.raises(KeyboardInterrupt):
        fit(config)

    (model,) = first
    kept = {name for name in model if name.startswith(("decoder.", "encoder.norm."))}
    assert all(torch.equal(model[name], start[name]) for name in kept)
    resnet = load_file(weights)
    assert torch.equal(model["encoder.resnet.conv1.weight"], resnet["conv1.weight"])
    assert model["encoder.projection.weight"].shape == (32, 2048)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_size": 16}, "its hidden_size is 32, not 16"),
        ({"min_count": 20}, "its vocabulary_size is 26, not"),
    ],
)
def test_a_checkpoint_with_another_configuration_is_refused_as_a_start(
    bench: Bench, finished: Path, changes: dict[str, Any], said: str
) -> None:
    config = bench.config("other", start_from=finished / "best.safetensors", **changes)

    with pytest.raises(CheckpointError, match=said):
        fit(config)
    assert not config.run.exists()


def test_fine_tuning_starts_from_the_averaged_weights(
    bench: Bench, stopped: tuple[Path, Tensors], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, between = stopped
    averaged = {
        name.replace("average.module.", "model."): value
        for name, value in between.items()
        if name.startswith("average.module.")
    }
    plain = {name: value for name, value in between.items() if name in averaged}
    assert plain.keys() == averaged.keys()
    assert not torch.equal(
        plain["model.decoder.output.weight"], averaged["model.decoder.output.weight"]
    )
    before: list[Tensors] = []

    def note_and_stop(model: torch.nn.Module, *_: Any) -> None:
        before.append({f"model.{name}": value for name, value in model.state_dict().items()})
        raise KeyboardInterrupt

    monkeypatch.setattr("train.fit._loss", note_and_stop)
    config = bench.config("between", resume=True)
    config.run.mkdir()
    shutil.copy(run / "config.json", config.run)
    progress = {"epoch": 4, "phase": "frozen", "best": 0.0}
    save_file(between, config.run / "state.safetensors", {"progress": json.dumps(progress)})
    with pytest.raises(KeyboardInterrupt):
        fit(config)

    assert_same_tensors(before[0], averaged)


def test_a_run_that_is_stopped_and_killed_and_resumed_ends_as_if_nothing_had_happened(
    bench: Bench,
    finished: Path,
    stopped: tuple[Path, Tensors],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    run, _ = stopped
    arguments = [*command(bench.config(run.name)), "--resume"]
    log = tmp_path / "log"
    process = start(arguments, log)
    said = ""
    while not re.search(r"epoch 6: +(0|17|33|50|67|83)%", said):  # it has six steps
        assert process.is_alive(), f"ended before it was killed, after saying: {said}"
        time.sleep(0.01)
        said = log.read_text() if log.exists() else ""
    process.kill()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert run_folder.read_progress(run).epoch == 5
    assert [row["epoch"] for row in metrics(run)] == [1, 2, 3, 4, 5]
    assert main(arguments) == 0
    assert str(run / "best.safetensors") in capsys.readouterr().out
    assert_same_run(run, finished)


def test_a_run_that_is_stopped_before_its_first_state_starts_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("train.fit._loss", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(bench.config("early", epochs=1, fine_tune=0))
    assert not (bench.folder / "early" / "state.safetensors").exists()
    fit(bench.config("early", epochs=1, fine_tune=0, resume=True))

    assert [row["epoch"] for row in metrics(bench.folder / "early")] == [1]


def test_resuming_a_finished_run_changes_nothing(bench: Bench, finished: Path) -> None:
    files = [path for path in sorted(finished.iterdir()) if path.is_file()]
    before = [(path, path.stat().st_mtime_ns) for path in files]

    assert fit(bench.config("finished", resume=True)) == finished / "best.safetensors"
    assert [(path, path.stat().st_mtime_ns) for path in files] == before


def test_a_second_start_does_not_overwrite_a_run(bench: Bench, finished: Path) -> None:
    with pytest.raises(RunError, match="there is a run already; add --resume"):
        fit(bench.config("finished"))
    assert len(metrics(finished)) == 6


def test_a_resume_with_other_arguments_names_them(bench: Bench, finished: Path) -> None:
    with pytest.raises(RunError, match="other values of --hidden-size, --dropout;"):
        fit(bench.config("finished", resume=True, hidden_size=16, dropout=0.5))
    assert len(metrics(finished)) == 6


def test_a_run_may_be_resumed_from_another_place(bench: Bench, finished: Path) -> None:
    """The paths of files do not define a run."""
    elsewhere = bench.folder / "elsewhere.d" / bench.encoder_weights.name
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(bench.encoder_weights)
    config = bench.config("finished", resume=True, encoder_weights=str(elsewhere))

    assert fit(config) == finished / "best.safetensors"


def test_there_must_be_a_run_to_resume(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(bench.config("nowhere")), "--resume"]) == 1
    assert "nowhere: there is no run to resume; start it without --resume" in (
        capsys.readouterr().err
    )


def test_a_model_without_attention_runs_through_both_phases(bench: Bench) -> None:
    config = bench.config("plain", attention=False, cell="gru", epochs=1, fine_tune=1)
    fit(config)

    _, model = checkpoint.load(config.run / "best.safetensors")
    assert (model.config.attention, model.config.cell) == (False, "gru")
    assert len(metrics(config.run)) == 2


def test_attention_can_be_regularized_to_cover_every_region(bench: Bench) -> None:
    settings: dict[str, Any] = {
        "attention_score": "additive",
        "batch_norm": True,
        "tie_embeddings": False,
        "size": 224,
        "cache": bench.folder / "large-cache",
    }
    both = [
        bench.config(f"looks-{weight}", epochs=1, fine_tune=0, doubly_stochastic=weight, **settings)
        for weight in (0.0, 1.0)
    ]
    for config in both:
        fit(config)
    without, rewarded = (metrics(config.run)[0] for config in both)

    # About eight words attend to 49 regions: each gets a sixth of the attention it should.
    assert 0.5 < rewarded["train_loss"] - without["train_loss"] < 1.0


def test_photos_may_be_squeezed_to_another_size(bench: Bench) -> None:
    cache = bench.folder / "small-cache"
    config = bench.config("small", epochs=1, fine_tune=0, size=96, cache=cache)
    trained, _ = checkpoint.load(fit(config))
    assert trained.preprocessing.size == 96
    assert np.load(cache / "train" / "photos.npy").shape == (12, 3, 96, 96)
    assert np.load(cache / "val" / "grids.npy").shape == (4, 9, CHANNELS)


def test_word_dropout_makes_the_next_word_harder_to_predict(bench: Bench, one_epoch: Path) -> None:
    [plain] = metrics(one_epoch)
    dropped = bench.config("dropped", epochs=1, fine_tune=0, word_dropout=0.9)
    [harder] = metrics(fit(dropped).parent)
    assert harder["train_loss"] > plain["train_loss"]


def test_half_precision_learns_too(bench: Bench) -> None:
    # What accelerate keeps for the whole process is kept away from the other run.
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    try:
        config = bench.config("half", precision="bf16", epochs=2, fine_tune=0)
        fit(config)
    finally:
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    losses = [row["val_loss"] for row in metrics(config.run)]

    assert losses[1] < losses[0] < math.log(30)
    state = load_file(config.run / "state.safetensors")
    assert state["model.decoder.output.weight"].dtype == torch.float32


def test_photos_that_are_missing_are_named(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_dataset(tmp_path / "data")
    photo = data / "Flicker8k_Dataset" / "red-circle-black.jpg"
    photo.unlink()
    fit(bench.config("missing", data=data, cache=None, epochs=0, fine_tune=0))

    said = capsys.readouterr().out
    assert "red-circle-black.jpg is missing" in said
    assert "11 train and 4 val photos" in said
    cache = bench.folder / "missing" / "cache" / "train"
    assert [path.name for path in cache.glob("*.npy")] == ["photos.npy"]


def test_an_error_is_raised_if_all_photos_are_broken(bench: Bench, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    for photo in (data / "Flicker8k_Dataset").iterdir():
        photo.write_bytes(b"no photo")

    with pytest.raises(DatasetError, match="none of its 4 photos in the split 'val' can be read"):
        fit(bench.config("broken", data=data, cache=tmp_path / "cache"))


def command(config: FitConfig | SelfCriticalConfig) -> list[str]:
    """Return the command line of a configuration, without `resume`."""
    name = "fit" if isinstance(config, FitConfig) else "self-critical"
    words = [name, str(config.data), str(config.run)]
    for field in dataclasses.fields(config):
        value, option = getattr(config, field.name), "--" + field.name.replace("_", "-")
        if field.name in ("data", "run", "resume") or value == field.default:
            continue
        if isinstance(value, bool):
            words.append(option if value else option.replace("--", "--no-", 1))
        else:
            words += [option, str(value)]
    return words


def test_a_run_keeps_the_normalization_of_the_encoder_that_it_starts_from(
    finished: Path,
) -> None:
    mean = (0.1, 0.2, 0.3)
    best = Trained(*checkpoint.load(finished / "best.safetensors"))
    start = best.having(preprocessing=Preprocessing(64, mean=mean))
    config = FitConfig(Path(), Path(), encoder="resnet18", size=96)
    assert _preprocessing(config, start) == Preprocessing(96, mean=mean)

    other = dataclasses.replace(config, encoder="resnet50")
    assert _preprocessing(other, start) == Preprocessing(96)
