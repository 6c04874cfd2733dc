import errno
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tqdm import tqdm

from tests.conftest import long
from tests.train.tiny_dataset import write_dataset, write_encoder_weights
from train import __main__ as command_file
from train import fit, run_folder
from train.__main__ import main

Captured = pytest.CaptureFixture[str]
CPU = ("--device", "cpu", "--precision", "fp32")


@pytest.mark.parametrize(
    "command",
    [
        "download",
        "fit",
        "self-critical",
        "evaluate",
        "match",
        "calibrate",
        "name",
        "compare",
        "sweep",
    ],
)
def test_each_command_explains_itself_and_each_option(
    command: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert f"train {command}" in told
    rows = [re.split(" {2,}", line.strip("│ ")) for line in told.splitlines() if line[0:1] == "│"]
    texts = [row[-1] for row in rows if not row[-1].startswith("--")]
    assert not [text for text in texts if text.startswith("(")], "an option without a text"
    # tyro shows a comment above a field as the text of every field after it.
    assert len({text.partition(" (")[0] for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere", "run"], "nowhere"),
        (["evaluate", "none.safetensors"], "none.safetensors: there is no such file"),
        (["calibrate", "none.safetensors"], "none.safetensors: there is no such file"),
        (["name", "nowhere"], "nowhere: it has no photos"),
        (["compare", "nowhere"], "nowhere"),
        (["sweep", "nowhere", "runs"], "nowhere"),
        (["evaluate", "default", "--data", "nowhere"], "nowhere"),
        (["evaluate", "default", "--size", "0"], "--size is 0; it must be at least 32"),
        (["evaluate", "default", "--beam"], "--beam is empty"),
        (["evaluate", "default", "--beam", "3", "0"], "--beam is 0; it must be at least 1"),
        (["evaluate", "default", "--device", "toaster"], "--device 'toaster' cannot be used"),
        (["evaluate", "default", "--save", "no/x"], "--save cannot write this file: there is no"),
        (["calibrate", "default", "--data", "nowhere"], "nowhere"),
        (["calibrate", "default", "--beam", "0"], "--beam is 0; it must be at least 1"),
        (["match", "default", "--data", "nowhere"], "nowhere"),
        (["match", "default", "--cache", "/proc/x"], "/proc/x: --cache cannot be this folder"),
        (
            ["self-critical", "x", "y", "--start-from", "default", "--samples", "1"],
            "--samples is 1",
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    arguments: list[str],
    message: str,
    capsys: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "0", "--size is 0; it must be a multiple of 32, at least 32"),
        ("--size", "40", "--size is 40; it must be a multiple of 32, at least 32"),
        ("--heads", "3", "--heads is 3; it must be a divisor of hidden_size, 512"),
        ("--dropout", "2", "--dropout is 2.0; it must be at least 0 and below 1"),
        ("--min-count", "1000", "--min-count is 1000; it must be lower: only 0 words"),
        ("--val-beam", "0", "--val-beam is 0; it must be at least 1"),
        ("--cache", "/proc/x", "/proc/x: --cache cannot be this folder"),
        ("--start-from", "small", "small"),
        ("--other-photos", "nowhere", "--estimate-batch-norm is 0"),
    ],
)
def test_a_fit_that_is_refused_for_its_arguments_leaves_no_run(
    option: str, value: str, message: str, tmp_path: Path, capsys: Captured
) -> None:
    data, run = write_dataset(tmp_path / "data"), tmp_path / "run"
    # A file of weights, because others are downloaded.
    weights = ["--encoder", "resnet18", "--encoder-weights", str(tmp_path / "none.safetensors")]
    assert main(["fit", str(data), str(run), *weights, *CPU, option, value]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not run.exists()


def test_a_file_in_the_place_of_a_run_is_one_clear_error(tmp_path: Path, capsys: Captured) -> None:
    data, run = write_dataset(tmp_path / "data"), tmp_path / "run"
    run.touch()
    write_encoder_weights(tmp_path / "resnet18.safetensors")
    weights = ["--encoder", "resnet18", "--encoder-weights", str(tmp_path / "resnet18.safetensors")]
    assert main(["fit", str(data), str(run), *weights, "--min-count", "1", *CPU]) == 1
    assert f"{run}: cannot be the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("started", [False, True])
def test_an_interrupted_run_says_in_one_line_how_to_continue(
    started: bool, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(config: fit.FitConfig) -> Path:
        if started:
            run_folder.prepare(config.run, config.arguments(), resume=False)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "fit", interrupted)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)  # of pytest, too
    monkeypatch.setattr(sys, "argv", ["train", "fit", "data", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(command_file.__file__, run_name="__main__")
    assert ended.value.code == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "interrupted; to continue, use the same command" + " and --resume" * started


@pytest.mark.parametrize(
    ("arguments", "computes"),
    [
        (["evaluate", "default"], "evaluate"),
        (["calibrate", "default"], "calibrate"),
        (["match", "default"], "match"),
        (["name", "photos"], "name"),
        (["compare", "run"], "compare"),
        (["sweep", "data", "runs"], "sweep"),
        (["download", "flickr8k", "data"], "fetch"),
        (["self-critical", "data", "run", "--start-from", "default"], "self_critical"),
    ],
)
def test_every_command_ends_in_one_line_after_ctrl_c(
    arguments: list[str], computes: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_file, computes, interrupted)
    assert main(arguments) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("interrupted")


def test_ctrl_c_leaves_no_progress_bar_before_its_line(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        for step in tqdm(range(9), "epoch 1", leave=False):
            if step == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(command_file, "evaluate", interrupted)
    assert main(["evaluate", "default"]) == 130
    assert capsys.readouterr().err.rpartition("\r")[2] == "interrupted\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "run/state"), "run/state: No space left"),
        (OSError("a pipe broke"), "a pipe broke"),
        (
            torch.OutOfMemoryError("CUDA out of memory"),
            "too little memory for this; lower --photos",
        ),
    ],
)
def test_a_machine_that_is_too_small_is_one_clear_error(
    error: Exception, message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(command_file, "fit", failing)
    assert main(["fit", "data", "run"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "data", "FOLDER"],
        ["self-critical", "data", "FOLDER", "--start-from", "default"],
        ["evaluate", "default", "--out", "FOLDER"],
        ["calibrate", "default", "--out", "FOLDER"],
        ["match", "default", "--cache", "FOLDER"],
        ["compare", "runs", "--out", "FOLDER"],
        ["sweep", "data", "FOLDER"],
        ["sweep", "data", "runs", "--results", "FOLDER"],
        ["name", "photos", "--weights", "weights", "--file", "FOLDER"],
        ["download", "flickr8k", "FOLDER"],
    ],
)
@pytest.mark.parametrize("folder", ["file/below", "/proc/below"])
def test_a_folder_that_cannot_be_written_is_refused_first(
    folder: str,
    arguments: list[str],
    capsys: Captured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main([folder if word == "FOLDER" else word for word in arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert folder in line
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_checkpoint_is_evaluated(
    tiny_file: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    data = write_dataset(tmp_path / "data")
    places = ["--data", str(data), "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main(["evaluate", str(tiny_file), *places, "--beam", "1", "3"]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


def test_a_wrong_argument_is_refused(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["download", "imagenet", "."])
    assert stopped.value.code == 2
    assert "flickr8k" in capsys.readouterr().err


@pytest.fixture(scope="module")
def command() -> subprocess.CompletedProcess[str]:
    """Run the command once, because it takes seconds to import PyTorch; list what it imports."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "train", "download", "imagenet", "."],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def imported(command: subprocess.CompletedProcess[str]) -> set[str]:
    lines = [line for line in command.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@long
def test_a_wrong_argument_is_refused_by_the_command(
    command: subprocess.CompletedProcess[str],
) -> None:
    assert command.returncode == 2
    assert "flickr8k" in command.stderr
    assert "Traceback" not in command.stderr


@long
def test_training_needs_no_bot(imported: set[str]) -> None:
    assert {"train.fit", "captioner.model"} <= imported
    assert not {name for name in imported if name.partition(".")[0] == "bot"}


@long
def test_only_calibration_imports_scikit_learn(imported: set[str]) -> None:
    assert "accelerate" in imported
    assert "sklearn" not in imported


@long
def test_drawing_needs_no_screen_and_no_pyplot(imported: set[str]) -> None:
    assert {"train.compare", "matplotlib.figure"} <= imported
    assert "matplotlib.pyplot" not in imported


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tyro", None)
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(command_file.__file__)
    # Python prints it, and ends with status 1.
    assert "pip install -e '.[train]'" in str(stopped.value.code)
