"""Several processes train what one would, and end together."""

import dataclasses
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import long
from tests.train import processes
from tests.train.test_fit import assert_same_tensors, command, metrics
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train import processes as train_processes
from train import run_folder
from train.__main__ import main
from train.fit import FitConfig, fit
from train.self_critical import SelfCriticalConfig, self_critical

pytestmark = pytest.mark.usefixtures("without_java", "in_single_precision", "slim_resnet18")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FitConfig:
    """Return the configuration of a run whose steps do not come out even."""
    folder = tmp_path_factory.mktemp("processes")
    return FitConfig(
        write_dataset(folder / "data"),
        folder / "alone",
        encoder="resnet18",
        encoder_weights=str(write_encoder_weights(folder / "resnet18.safetensors")),
        embedding_size=24,
        hidden_size=32,
        dropout=0.0,  # its random numbers are those of each process
        word_dropout=0.2,
        doubly_stochastic=0.5,
        min_count=1,
        epochs=2,
        fine_tune=1,
        frozen_layers=1,
        erase=0.5,
        photos=11,  # of twelve: in an epoch's last step there is one for the last process alone
        captions=3,
        size=64,
        learning_rate=2e-2,
        fine_tune_learning_rate=5e-3,
        average=0.8,
        cache=folder / "cache",
        device="cpu",
        precision="fp32",
    )


@pytest.fixture(scope="module")
def alone(config: FitConfig) -> Path:
    """Return the folder of the run of one process."""
    fit(config)
    return config.run


@pytest.fixture(scope="module")
def together(config: FitConfig) -> Path:
    """Return the folder of the run of two processes, which compute their own features."""
    run = config.run.with_name("together")
    changed = dataclasses.replace(config, run=run, cache=None)
    assert_ended(processes.run_two_ranks(command(changed), logs(run)), run)
    return run


def logs(run: Path) -> Path:
    """Return the folder with what the processes of a run print."""
    folder = run.with_name(f"{run.name}-logs")
    folder.mkdir(exist_ok=True)
    return folder


def said(run: Path, rank: int, kind: str = "log") -> str:
    return (logs(run) / f"rank-{rank}.{kind}").read_text()


def assert_ended(ended: set[int | None], run: Path) -> None:
    assert ended == {0}, [log.read_text() for log in sorted(logs(run).glob("*.log"))]


def assert_same_run(run: Path, other: Path) -> None:
    """Check that two runs are the same but for what sums of another order round."""
    figures, others = metrics(run), metrics(other)
    assert [row["epoch"] for row in figures] == [row["epoch"] for row in others]
    for row, expected in zip(figures, others, strict=True):
        del row["seconds"], expected["seconds"]
        assert row == pytest.approx(expected, abs=1e-4)
    for name in ("state.safetensors", "best.safetensors"):
        found, wanted = load_file(run / name), load_file(other / name)
        assert found.keys() == wanted.keys()
        for key, tensor in found.items():
            torch.testing.assert_close(tensor, wanted[key], rtol=1e-3, atol=1e-4, msg=key)


def test_two_processes_have_the_losses_and_weights_of_one(alone: Path, together: Path) -> None:
    assert_same_run(together, alone)
    state = load_file(together / "state.safetensors")
    assert state["average.n_averaged"] == 3 * 2


def test_all_processes_end_with_the_same_weights(together: Path) -> None:
    first, second = (load_file(logs(together) / f"rank-{n}.safetensors") for n in (0, 1))
    assert_same_tensors(first, second)


def test_the_first_process_alone_prints(together: Path) -> None:
    printed = said(together, 0, "out")
    assert "12 train and 4 val photos" in printed
    assert "2 x cpu" in printed
    assert "epoch   3 fine-tune" in printed
    assert f"best checkpoint: {together / 'best.safetensors'}" in printed
    assert said(together, 1, "out") == said(together, 1) == ""


def test_processes_compute_the_features_that_one_would(
    config: FitConfig, alone: Path, together: Path
) -> None:
    assert config.cache is not None
    for split in ("train", "val"):
        theirs, ours = together / "cache" / split, config.cache / split
        for name in ("photos.npy", "grids.npy"):
            np.testing.assert_allclose(np.load(theirs / name), np.load(ours / name), rtol=2e-3)
        kept = {path.name for path in theirs.iterdir()}
        assert kept == {path.name for path in ours.iterdir()}


@pytest.fixture(scope="module")
def killed(config: FitConfig) -> Path:
    """Return the folder of a run of two processes, of which one was killed in the second epoch."""
    run = config.run.with_name("killed")
    arguments, folder = command(dataclasses.replace(config, run=run)), logs(run)
    first, second = processes.rank_environments(2)
    ranks = [
        processes.fork(processes.run_rank, arguments, folder, first),
        processes.fork(processes.run_rank_until, 2, arguments, folder, second),
    ]
    processes.ended(ranks)
    assert [rank.exitcode for rank in ranks] == [1, -signal.SIGKILL], said(run, 0)
    return run


def test_a_process_that_loses_another_ends_with_one_line(killed: Path) -> None:
    lines = [line for line in said(killed, 0).splitlines() if line.strip()]
    assert lines[-1].startswith("error: another process of this run has ended")
    assert "--resume" in lines[-1]
    assert not [line for line in lines if "Traceback" in line]
    assert run_folder.read_progress(killed).epoch == 1


def test_a_run_that_lost_a_process_is_resumed_by_two_machines_without_a_shared_folder(
    config: FitConfig, killed: Path, alone: Path
) -> None:
    run = shutil.copytree(killed, killed.with_name("resumed"))
    other = killed.with_name("elsewhere")
    data = shutil.copytree(config.data, other / "data")
    here = dataclasses.replace(config, run=run)
    there = dataclasses.replace(config, data=data, run=other / "run", cache=other / "cache")
    commands = [[*command(one), "--resume"] for one in (here, there)]
    assert_ended(processes.ended(processes.start_ranks(commands, logs(run))), run)

    assert_same_run(run, alone)
    assert not there.run.exists()
    assert (other / "cache" / "train" / "grids.npy").exists()


def test_a_run_that_lost_a_process_is_resumed_by_one_alone(
    config: FitConfig, killed: Path, alone: Path
) -> None:
    run = shutil.copytree(killed, killed.with_name("resumed-alone"))
    fit(dataclasses.replace(config, run=run, resume=True))

    assert_same_run(run, alone)


def test_processes_that_torchrun_starts_again_go_on_without_being_asked(
    config: FitConfig, killed: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    run = shutil.copytree(killed, killed.with_name("restarted"))
    fit(dataclasses.replace(config, run=run))

    assert_same_run(run, alone)


@pytest.mark.parametrize("encoder_rate", [0.0, 1e-3])
def test_two_processes_are_rewarded_as_one(
    encoder_rate: float, config: FitConfig, alone: Path
) -> None:
    run = config.run.with_name(f"rewarded-{encoder_rate}")
    assert config.cache is not None
    one = SelfCriticalConfig(
        config.data,
        run,
        alone / "best.safetensors",
        epochs=2,
        photos=11,
        captions=3,
        samples=3,
        repetition_penalty=1.0,
        learning_rate=1e-3,
        encoder_learning_rate=encoder_rate,
        frozen_layers=3,
        dropout=0.0,
        views=2,
        average=0.5,
        cache=config.cache,
    )
    self_critical(one)
    two = dataclasses.replace(one, run=run.with_name(f"{run.name}-2"), cache=None)
    assert_ended(processes.run_two_ranks(command(two), logs(two.run)), two.run)

    assert_same_run(two.run, run)
    assert said(two.run, 1, "out") == said(two.run, 1) == ""


@long
@pytest.mark.parametrize(
    "launch",
    [
        processes.run_torchrun,
        processes.run_two_torchruns,
        processes.run_two_numbered_torchruns,
    ],
)
def test_torchrun_trains_what_one_process_would(
    launch: Callable[[Sequence[str], Path], set[int | None]], config: FitConfig, alone: Path
) -> None:
    run = config.run.with_name(launch.__name__)
    assert_ended(launch(command(dataclasses.replace(config, run=run)), logs(run)), run)

    assert_same_run(run, alone)


@long
def test_processes_that_fail_alike_say_so_once(tmp_path: Path) -> None:
    assert processes.run_torchrun(["fit", str(tmp_path), str(tmp_path / "run")], tmp_path) == {1}

    said = "".join(path.read_text() for path in tmp_path.glob("rank-*.log"))
    (line,) = said.splitlines()
    assert line.startswith(f"error: {tmp_path}")


@long
def test_processes_that_torchrun_starts_again_end_as_if_nothing_had_happened(
    config: FitConfig, alone: Path
) -> None:
    run = config.run.with_name("started-again")
    # Without this, https://github.com/pytorch/pytorch/issues/135712: they find old addresses.
    environment = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", processes.DYING: "2"}
    launch = [*processes.ONE_MACHINE, "--max-restarts", "1"]
    arguments = command(dataclasses.replace(config, run=run))
    torchrun = processes.start_torchrun(launch, arguments, logs(run), environment)
    assert_ended({torchrun.wait(processes.SECONDS)}, run)

    assert_same_run(run, alone)


@long
def test_ctrl_c_ends_all_processes_with_one_line(config: FitConfig, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = command(dataclasses.replace(config, run=run, epochs=1000))
    torchrun = processes.start_torchrun(processes.ONE_MACHINE, arguments, tmp_path)
    give_up = time.monotonic() + processes.SECONDS
    while run_folder.read_progress(run).epoch < 2:
        assert torchrun.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.05)
    torchrun.send_signal(signal.SIGINT)

    # It would wait for half a minute before it kills them.
    assert torchrun.wait(15)
    first, second = ((tmp_path / f"rank-{rank}.log").read_text() for rank in (0, 1))
    (line,) = [line for line in first.splitlines() if "interrupted" in line]
    assert line == "interrupted; to continue, use the same command and --resume"
    assert "Traceback" not in first + second
    assert "interrupted" not in second


def other_captions(data: Path) -> None:
    texts = data / "Flickr8k_text" / "Flickr8k.token.txt"
    texts.write_text(texts.read_text().replace("There is a red", "Here is a red"))


def another_photo(data: Path) -> None:
    photos = data / "Flicker8k_Dataset"
    shutil.copy(photos / "red-circle-black.jpg", photos / "red-circle-white.jpg")


@pytest.mark.parametrize(
    ("change", "what"),
    [(other_captions, "captions"), (another_photo, "photos or encoder weights")],
)
def test_processes_with_other_data_are_refused(
    change: Callable[[Path], None], what: str, config: FitConfig, tmp_path: Path
) -> None:
    data = shutil.copytree(config.data, tmp_path / "data")
    change(data)
    here = dataclasses.replace(config, run=tmp_path / "run", cache=None)
    there = dataclasses.replace(here, run=tmp_path / "there", data=data)
    commands = [command(here), command(there)]
    assert processes.ended(processes.start_ranks(commands, logs(here.run))) == {1}

    for rank in (0, 1):
        line = said(here.run, rank).splitlines()[-1]
        assert line.startswith("error: process 1, on ")
        assert f"has different {what} from process 0" in line
    assert not (here.run / "metrics.csv").exists()


def test_processes_with_other_arguments_are_refused_by_their_names(
    config: FitConfig, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = command(dataclasses.replace(config, run=run))
    commands = [words, [*words, "--photos", "6", "--no-attention"]]
    assert processes.ended(processes.start_ranks(commands, logs(run))) == {1}

    (line,) = said(run, 0).splitlines()
    assert "has different values of --attention, --photos from process 0" in line


def test_batch_norm_is_estimated_once_for_all(config: FitConfig) -> None:
    one = dataclasses.replace(
        config,
        run=config.run.with_name("estimated"),
        estimate_batch_norm=8,
        epochs=1,
        fine_tune=0,
        cache=None,
    )
    fit(one)
    here = dataclasses.replace(one, run=one.run.with_name("estimated-2"))
    there = dataclasses.replace(one, run=one.run.with_name("estimated-elsewhere"))
    commands = [command(here), command(there)]
    assert_ended(processes.ended(processes.start_ranks(commands, logs(here.run))), here.run)

    assert_same_run(here.run, one.run)
    assert not (there.run / "batch_norm.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--photos", "1"], "--photos is 1; it must be at least 2, one for each process"),
        (["--batch-norm"], "--batch-norm is True; it must be left out with several processes"),
        (["--languages", "texts"], "--languages is texts; it must be left out with several"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    arguments: list[str], message: str, config: FitConfig, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [*command(dataclasses.replace(config, run=run)), *arguments]
    assert processes.run_two_ranks(words, logs(run)) == {1}

    for rank in (0, 1):
        (line,) = said(run, rank).splitlines()
        assert message in line
    assert not run.exists()


def test_self_critical_training_of_languages_is_refused_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    arguments = ["--start-from", "default", "--languages", "texts"]
    assert main(["self-critical", str(tmp_path), str(tmp_path / "run"), *arguments]) == 1
    assert "--languages is texts; it must be left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "local", "lost", "says", "waits"),
    [
        (1, "0", False, True, False),
        (2, "0", False, True, False),  # what is wrong with it is wrong with the others, or news
        (2, "1", False, True, True),  # unless it is ended before, because the first has said it
        (2, "0", True, True, True),  # unless it is ended before, with the one that it lost
        (2, "1", True, False, True),
    ],
)
def test_one_process_of_a_machine_says_what_is_wrong(
    count: int,
    local: str,
    lost: bool,
    says: bool,
    waits: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(count))
    monkeypatch.setenv("LOCAL_RANK", local)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)

    assert train_processes.says_what_is_wrong(lost=lost) is says
    assert waited == [train_processes.ENDING] * waits


def wait_long(environment: dict[str, str]) -> None:
    """Wait for the first process for longer than a step may take."""
    processes.enter(environment)
    seconds = 1.0
    train_processes.STEP = timedelta(seconds=seconds)
    _, peers = train_processes.join(cpu=True, precision=None)
    if peers.first:
        time.sleep(2 * seconds)
    peers.wait()


def test_a_wait_may_take_longer_than_a_step() -> None:
    ranks = [processes.fork(wait_long, one) for one in processes.rank_environments(2)]
    assert processes.ended(ranks) == {0}
