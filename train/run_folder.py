"""A run's folder: its settings, its metrics, and the state from which it is resumed.

`state.safetensors` is replaced at the end of every epoch, in one step, so an interruption loses at
most the current epoch.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from captioner.checkpoint import Metadata
from captioner.files import replacing
from train.errors import PathError
from train.limits import flag

Phase = Literal["frozen", "fine-tune", "self-critical"]
BEST = "best.safetensors"  # the best checkpoint so far, inside a run's folder
Average = torch.optim.swa_utils.AveragedModel


class RunError(PathError):
    """A run's folder that cannot be used."""


@dataclass(frozen=True)
class Metrics:
    """The metrics of one epoch."""

    epoch: int  # from 1, through all phases
    phase: Phase
    train_loss: float  # with label smoothing; or minus the reward
    val_loss: float  # nats a word, without smoothing, of the averaged weights
    val_cider: float  # of generated captions, percent points
    val_bleu4: float
    learning_rate: float  # of the decoder, at the end of the epoch
    seconds: float  # training and validation

    def line(self) -> str:
        """Format as one line."""
        return (
            f"epoch {self.epoch:3d} {self.phase:13s}  loss {self.train_loss:.3f}  "
            f"val loss {self.val_loss:.3f}  CIDEr {self.val_cider:.1f}  "
            f"BLEU-4 {self.val_bleu4:.1f}  {self.seconds:.0f} s"
        )


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    epoch: int = 0  # the last finished one
    phase: Phase = "frozen"
    best: float = -1.0  # the best validation CIDEr so far


def prepare(run: Path, config: Mapping[str, Any], *, resume: bool) -> None:
    """Make a run's folder, or check that the run to resume is the same.

    Raises:
        RunError: the folder holds another run, or there is nothing to resume.
    """
    note = run / "config.json"
    if resume:
        if not note.exists():
            raise RunError(run, "there is no run to resume; start it without --resume")
        before = {"language": Metadata.language} | json.loads(note.read_text())
        changed = [key for key, value in config.items() if before.get(key) != value]
        if not changed:
            return
        # A run may get more epochs of fine-tuning.
        if set(changed) - {"fine_tune"}:
            remedy = "resume with the same arguments, or start a new run"
            raise RunError(run, f"{started_with_other(changed)}; {remedy}")
    elif note.exists():
        raise RunError(run, "there is a run already; add --resume, or choose another folder")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be the folder of a run ({error.strerror})"
        raise RunError(run, problem) from error
    with replacing(note) as part:
        part.write_text(json.dumps(config, indent=2) + "\n")


def started_with_other(names: Sequence[str]) -> str:
    """Say which arguments of a run are not those that it was started with."""
    flags = ", ".join(map(flag, names))
    return f"was started with {'another value' if len(names) == 1 else 'other values'} of {flags}"


def results_folder(checkpoint: Path) -> Path:
    """Return where the results of a checkpoint go: its run's folder, or one in `evaluation/`."""
    in_run = (checkpoint.parent / "config.json").exists()
    return checkpoint.parent if in_run else Path("evaluation") / checkpoint.stem


def record(run: Path, metrics: Metrics) -> None:
    """Append an epoch to `metrics.csv`; a line of the same epoch, and later lines, are removed."""
    path = run / "metrics.csv"
    names = [field.name for field in fields(Metrics)]
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < metrics.epoch]
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows([*rows, asdict(metrics)])


def read_metrics(metrics: Path) -> list[Metrics]:
    """Read a run's `metrics.csv`, in the order of the epochs.

    A last line that a crash cut short is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a column is missing, a line before the last is damaged, or there are no epochs.
    """
    with metrics.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.DictReader(file)
        found = lines.fieldnames or ()
        rows = list(lines)
    missing = [field.name for field in fields(Metrics) if field.name not in found]
    if missing:
        raise ValueError(f"{metrics} lacks the columns {', '.join(missing)}")
    epochs = []
    for place, row in enumerate(rows, start=1):
        try:
            epochs.append(_epoch(row))
        except ValueError as error:
            if place == len(rows):
                break
            raise ValueError(f"{metrics}: epoch line {place} is damaged ({error})") from error
    if not epochs:
        raise ValueError(f"{metrics} has no finished epoch")
    return epochs


def best_epoch(epochs: Sequence[Metrics]) -> Metrics:
    """Return the epoch of the highest validation CIDEr, the first one among equals."""
    scored = [metrics for metrics in epochs if not math.isnan(metrics.val_cider)]
    return max(scored or epochs, key=lambda metrics: metrics.val_cider)


def save_state(
    run: Path, model: nn.Module, average: Average, optimizer: Optimizer, progress: Progress
) -> None:
    """Write everything that is needed to resume training."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    # The format allows neither tied weights, which share memory, nor channels last.
    plain = torch.contiguous_format
    copies = {name: tensor.cpu().clone(memory_format=plain) for name, tensor in tensors.items()}
    with replacing(run / "state.safetensors") as part:
        save_file(copies, part, {"progress": json.dumps(asdict(progress))})


def read_progress(run: Path) -> Progress:
    """Read how far a run has come; without a state, no epoch is done."""
    path = run / "state.safetensors"
    if not path.exists():
        return Progress()
    with safe_open(path, framework="pt") as file:
        return Progress(**json.loads(file.metadata()["progress"]))


def load_weights(run: Path, model: nn.Module, average: Average) -> None:
    """Load the weights of the last finished epoch, plain and averaged."""
    tensors = _state(run)
    model.load_state_dict(tensors["model"])
    average.load_state_dict(tensors["average"])


def load_optimizer(run: Path, optimizer: Optimizer) -> None:
    """Load the optimizer's moments; its parameters must be the same, in the same order."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _state(run)["optimizer"].items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _epoch(row: dict[str, str]) -> Metrics:
    if None in row.values():
        raise ValueError("it ends too early")
    return Metrics(
        epoch=int(row["epoch"]),
        phase=cast(Phase, row["phase"]),
        train_loss=float(row["train_loss"]),
        val_loss=float(row["val_loss"]),
        val_cider=float(row["val_cider"]),
        val_bleu4=float(row["val_bleu4"]),
        learning_rate=float(row["learning_rate"]),
        seconds=float(row["seconds"]),
    )


def _state(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
    with safe_open(run / "state.safetensors", framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            part, key = name.split(".", 1)
            parts[part][key] = file.get_tensor(name)
    return parts
