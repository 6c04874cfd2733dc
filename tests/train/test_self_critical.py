"""Self-critical training: the reward, and a run that can be resumed."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from captioner import checkpoint
from captioner.vocabulary import END
from tests.train.slim import CHANNELS
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train import run_folder, self_critical
from train.__main__ import main
from train.fit import FitConfig, fit
from train.fitting.cider_d import CiderD
from train.fitting.repetition import repeats
from train.fitting.sampling import sample
from train.run_folder import RunError
from train.self_critical import SelfCriticalConfig

pytestmark = pytest.mark.usefixtures("without_java", "in_single_precision", "slim_resnet18")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> SelfCriticalConfig:
    """Train a little, and return the configuration that continues from there."""
    folder = tmp_path_factory.mktemp("self-critical")
    data = write_dataset(folder / "data")
    first = FitConfig(
        data,
        folder / "first",
        encoder="resnet18",
        encoder_weights=str(write_encoder_weights(folder / "resnet18.safetensors")),
        embedding_size=24,
        hidden_size=32,
        dropout=0.0,
        min_count=1,
        epochs=3,
        photos=2,
        size=64,
        learning_rate=1e-2,
        average=0.5,
        cache=folder / "cache",
        device="cpu",
        precision="fp32",
    )
    return SelfCriticalConfig(
        data,
        folder / "run",
        fit(first),
        epochs=3,
        photos=3,
        learning_rate=1e-3,
        dropout=0.0,
        views=2,
        average=0.5,
        cache=folder / "views",
    )


@pytest.fixture(scope="module")
def finished(start: SelfCriticalConfig) -> Path:
    assert self_critical.self_critical(start) == start.run / run_folder.BEST
    return start.run


def metrics(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_reward_rises(start: SelfCriticalConfig) -> None:
    # The rewards of an epoch vary by chance as much as training changes them in a few.
    config = dataclasses.replace(
        start, run=start.run.with_name("long"), epochs=12, learning_rate=1e-2
    )
    self_critical.self_critical(config)
    rewards = [-float(row["train_loss"]) for row in metrics(config.run)]
    assert len(rewards) == 12
    assert sum(rewards[-4:]) > 1.1 * sum(rewards[:4]) > 0
    assert {row["phase"] for row in metrics(config.run)} == {"self-critical"}


def test_the_best_checkpoint_carries_the_arguments_it_was_trained_with(
    finished: Path, start: SelfCriticalConfig
) -> None:
    best, _ = checkpoint.load(finished / run_folder.BEST)
    assert best.training["samples"] == start.samples
    assert best.training["before"]["learning_rate"] == 1e-2
    assert best.preprocessing == checkpoint.load(start.start_from)[0].preprocessing
    assert best.scores["cider"] == max(float(row["val_cider"]) for row in metrics(finished))


def test_only_the_decoder_changes(finished: Path, start: SelfCriticalConfig) -> None:
    before, after = load_file(start.start_from), load_file(finished / run_folder.BEST)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("decoder.") for name in changed)
    assert not any(name.startswith("encoder.resnet.") for name in changed)


def test_a_resumed_run_ends_like_an_uninterrupted_one(
    finished: Path, start: SelfCriticalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(start, run=start.run.with_name("stopped"))
    save = run_folder.save_state

    def save_and_stop(run: Path, *rest: Any) -> None:
        save(run, *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "save_state", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            self_critical.self_critical(config)
    assert run_folder.read_progress(config.run).epoch == 1
    self_critical.self_critical(dataclasses.replace(config, resume=True))
    expected, found = (load_file(run / "state.safetensors") for run in (finished, config.run))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.fixture(scope="module")
def end_to_end(start: SelfCriticalConfig) -> Path:
    run = start.run.with_name("end-to-end")
    config = dataclasses.replace(
        start,
        run=run,
        epochs=2,
        learning_rate=5e-3,
        encoder_learning_rate=1e-3,
        frozen_layers=1,
        erase=0.25,
    )
    self_critical.self_critical(config)
    return run


def test_the_encoder_is_trained_too_where_it_has_a_learning_rate(
    end_to_end: Path, start: SelfCriticalConfig
) -> None:
    before, after = load_file(start.start_from), load_file(end_to_end / run_folder.BEST)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    resnet = {name for name in before if name.startswith("encoder.resnet.")}
    layers = {name.split(".")[2] for name in changed & resnet}
    assert layers == {"layer2", "layer3", "layer4"}
    assert any(name.startswith("decoder.") for name in changed)
    # Batch norm keeps its statistics; its weights and biases are trained.
    assert not any("running_" in name or "tracked" in name for name in changed)
    assert "encoder.resnet.layer4.1.bn2.weight" in changed


def test_end_to_end_the_reward_rises_too(end_to_end: Path) -> None:
    first, last = (-float(row["train_loss"]) for row in metrics(end_to_end))
    assert last > first > 0


def test_end_to_end_no_features_are_kept(start: SelfCriticalConfig, tmp_path: Path) -> None:
    config = dataclasses.replace(
        start, run=tmp_path / "run", epochs=0, encoder_learning_rate=1e-3, cache=None
    )
    self_critical.self_critical(config)
    kept = (tmp_path / "run" / "cache").rglob("*.npy")
    assert {path.name for path in kept} == {"photos.npy"}


def test_a_run_is_not_mixed_with_another(finished: Path, start: SelfCriticalConfig) -> None:
    with pytest.raises(RunError, match="--resume"):
        self_critical.self_critical(start)
    with pytest.raises(RunError, match="samples"):
        self_critical.self_critical(dataclasses.replace(start, samples=3, resume=True))


def test_the_command_prints_what_is_wrong_with_a_checkpoint(
    start: SelfCriticalConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(start.data), str(tmp_path / "run"), "--start-from", str(tmp_path / "none")]
    assert main(["self-critical", *arguments]) == 1
    assert "there is no such file" in capsys.readouterr().err


def test_captions_that_repeat_a_word_lose_as_much_of_their_reward_as_is_asked_for(
    start: SelfCriticalConfig,
) -> None:
    trained, model = checkpoint.load(start.start_from)
    grids, written = torch.randn(6, 4, CHANNELS), torch.full((30, 6), END)

    def reward(penalty: float) -> float:
        torch.manual_seed(1)
        config = dataclasses.replace(start, repetition_penalty=penalty, teacher_forcing=0)
        cider = CiderD([[[END]]] * 6)
        _, mean = self_critical._loss(model, grids, written, cider, config, trained.small_words)
        return float(mean)

    torch.manual_seed(1)
    assert trained.small_words is not None
    tokens, _ = sample(model, model.encode_grid(grids), start.samples, start.max_length)
    share = float(repeats(tokens, trained.small_words).float().mean())
    assert 0 < share < 1
    assert reward(0.0) - reward(2.0) == pytest.approx(2 * share)


def test_one_sample_is_refused_because_it_has_no_others_to_compare_with(
    start: SelfCriticalConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(start.data), str(tmp_path / "run"), "--start-from", str(start.start_from)]
    assert main(["self-critical", *arguments, "--samples", "1"]) == 1
    assert capsys.readouterr().err == "error: --samples is 1; it must be at least 2\n"
    assert not (tmp_path / "run").exists()
