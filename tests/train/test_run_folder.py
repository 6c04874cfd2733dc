"""A run's folder: its settings, its metrics, and its state."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from tests.train.metrics import FROZEN, HEADER, TUNED, metrics_file
from train import run_folder
from train.run_folder import Metrics, Progress, RunError, best_epoch, read_metrics

CONFIG = {"encoder": "resnet18", "epochs": 3, "dropout": 0.4}


class Tied(nn.Module):
    """What the state must cope with: channels last, tied weights, and statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        last = self.convolution.weight.contiguous(memory_format=torch.channels_last)
        self.convolution.weight = nn.Parameter(last)
        self.norm = nn.BatchNorm2d(4)
        self.embedding = nn.Embedding(5, 4)
        self.output = nn.Linear(4, 5)
        self.output.weight = self.embedding.weight

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.output(self.norm(self.convolution(photos)).mean((2, 3)))
        return logits


@dataclasses.dataclass
class Training:
    model: Tied
    average: AveragedModel
    optimizer: AdamW

    def step(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.model(torch.rand(2, 3, 8, 8)).square().sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.model)


def begin(seed: int, rate: float = 0.1) -> Training:
    torch.manual_seed(seed)
    model = Tied()
    return Training(model, AveragedModel(model), AdamW(model.parameters(), lr=rate))


def save(run: Path, training: Training, progress: Progress) -> None:
    run_folder.save_state(run, training.model, training.average, training.optimizer, progress)


def metrics(epoch: int, **changes: Any) -> Metrics:
    return dataclasses.replace(
        Metrics(epoch, "frozen", 3.5, 3.25, 40.5, 12.5, 6e-4, 61.7), **changes
    )


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_new_run_notes_its_settings(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path / "deep" / "run", CONFIG, resume=False)

    assert json.loads((tmp_path / "deep" / "run" / "config.json").read_text()) == CONFIG
    assert [path.name for path in (tmp_path / "deep" / "run").iterdir()] == ["config.json"]


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG, resume=False)

    with pytest.raises(RunError, match=f"{tmp_path}: there is a run already; add --resume"):
        run_folder.prepare(tmp_path, CONFIG | {"epochs": 5}, resume=False)
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG


def test_a_run_is_resumed_with_the_same_settings(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG, resume=False)
    run_folder.prepare(tmp_path, CONFIG, resume=True)

    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG


def test_settings_that_changed_are_named(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG, resume=False)

    with pytest.raises(
        RunError, match="was started with other values of --epochs, --dropout; resume with"
    ):
        run_folder.prepare(tmp_path, CONFIG | {"epochs": 5, "dropout": 0.3}, resume=True)


def test_fine_tuning_may_be_added_to_a_run(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG | {"fine_tune": 0}, resume=False)
    run_folder.prepare(tmp_path, CONFIG | {"fine_tune": 3}, resume=True)

    assert json.loads((tmp_path / "config.json").read_text())["fine_tune"] == 3


def test_a_setting_that_an_older_run_did_not_have_is_named(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG, resume=False)

    with pytest.raises(RunError, match="was started with another value of --heads;"):
        run_folder.prepare(tmp_path, CONFIG | {"heads": 4}, resume=True)


def test_a_run_that_does_not_say_its_language_is_english(tmp_path: Path) -> None:
    run_folder.prepare(tmp_path, CONFIG, resume=False)
    run_folder.prepare(tmp_path, CONFIG | {"language": "en"}, resume=True)

    with pytest.raises(RunError, match="was started with another value of --language;"):
        run_folder.prepare(tmp_path, CONFIG | {"language": "de"}, resume=True)


def test_a_missing_run_to_resume_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run to resume; start it without --resume"):
        run_folder.prepare(tmp_path / "run", CONFIG, resume=True)
    assert not (tmp_path / "run").exists()


def test_every_epoch_adds_a_line(tmp_path: Path) -> None:
    run_folder.record(tmp_path, metrics(1))
    run_folder.record(tmp_path, metrics(2, phase="fine-tune", val_cider=41.25))

    first, second = rows(tmp_path)
    assert first == {name: str(value) for name, value in dataclasses.asdict(metrics(1)).items()}
    assert (second["epoch"], second["phase"], second["val_cider"]) == ("2", "fine-tune", "41.25")


def test_an_epoch_that_is_done_again_replaces_its_line_and_those_after(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        run_folder.record(tmp_path, metrics(epoch))
    run_folder.record(tmp_path, metrics(2, train_loss=9.0))

    assert [(row["epoch"], row["train_loss"]) for row in rows(tmp_path)] == [
        ("1", "3.5"),
        ("2", "9.0"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_an_epoch_is_formatted_as_one_line() -> None:
    assert metrics(7).line() == (
        "epoch   7 frozen         loss 3.500  val loss 3.250  CIDEr 40.5  BLEU-4 12.5  62 s"
    )


def test_without_a_state_nothing_is_done(tmp_path: Path) -> None:
    assert run_folder.read_progress(tmp_path) == Progress(epoch=0, phase="frozen", best=-1.0)


def test_training_resumes_from_its_state_without_a_difference(tmp_path: Path) -> None:
    through = begin(seed=1)
    for seed in (1, 2):
        through.step(seed)
    save(tmp_path, through, Progress(2, "fine-tune", 55.5))
    again = begin(seed=2)
    run_folder.load_weights(tmp_path, again.model, again.average)
    run_folder.load_optimizer(tmp_path, again.optimizer)
    for training in (through, again):
        training.step(seed=3)

    assert run_folder.read_progress(tmp_path) == Progress(2, "fine-tune", 55.5)
    for part in ("model", "average"):
        expected = getattr(through, part).state_dict()
        for name, tensor in getattr(again, part).state_dict().items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0, msg=name)
    assert again.average.n_averaged == 3
    assert again.model.output.weight is again.model.embedding.weight
    assert again.model.convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_learning_rate_is_the_schedule_s_and_not_the_state_s(tmp_path: Path) -> None:
    training = begin(seed=1, rate=0.1)
    training.step(seed=1)
    save(tmp_path, training, Progress(1))
    again = begin(seed=1, rate=0.025)
    run_folder.load_optimizer(tmp_path, again.optimizer)

    assert again.optimizer.param_groups[0]["lr"] == 0.025


def test_a_state_whose_writing_is_cut_off_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = begin(seed=1)
    save(tmp_path, training, Progress(1))

    def run_out_of_space(_: object, path: Path, *__: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "save_file", run_out_of_space)
        with pytest.raises(OSError, match="no space"):
            save(tmp_path, training, Progress(2))
    assert run_folder.read_progress(tmp_path).epoch == 1
    run_folder.load_weights(tmp_path, training.model, training.average)

    save(tmp_path, training, Progress(3))
    assert run_folder.read_progress(tmp_path).epoch == 3
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_the_lines_of_a_run_are_read_in_order(tmp_path: Path) -> None:
    epochs = read_metrics(metrics_file(tmp_path, HEADER + FROZEN + TUNED))

    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert [epoch.phase for epoch in epochs] == ["frozen", "frozen", "fine-tune"]
    assert (epochs[2].train_loss, epochs[2].val_loss) == (2.9, 3.1)
    assert (epochs[2].val_cider, epochs[2].val_bleu4) == (0.55, 0.2)


@pytest.mark.parametrize("kept", [1, 2, 5, 12, 16, 20, 23])
def test_a_last_line_cut_short_by_a_crash_is_left_out(tmp_path: Path, kept: int) -> None:
    metrics = metrics_file(tmp_path, HEADER + FROZEN + TUNED[:kept])

    assert [epoch.epoch for epoch in read_metrics(metrics)] == [1, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks the columns epoch"),
        (HEADER, "no finished epoch"),
        (HEADER + "1,froz", "no finished epoch"),
        (HEADER.replace("val_cider", "cider") + FROZEN, "lacks the columns val_cider"),
        (HEADER + "1,frozen,oops,4,0.2,0.1,0,0\n" + TUNED, "line 1 is damaged.*oops"),
        (HEADER + "1,frozen,4.1\n" + TUNED, "line 1 is damaged.*too early"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_reason(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=rf"metrics\.csv.*{reason}"):
        read_metrics(metrics_file(tmp_path, text))


def test_the_best_epoch_is_the_first_of_the_highest_cider(tmp_path: Path) -> None:
    lines = [
        f"{number},frozen,3,3,{cider},0.1,0,0\n"
        for number, cider in enumerate(["nan", "0.3", "0.5", "0.5", "nan"], start=1)
    ]
    metrics = metrics_file(tmp_path, HEADER + "".join(lines))

    assert best_epoch(read_metrics(metrics)).epoch == 3
