"""A run's folder: its settings, its metrics, and the state from which it is resumed.

`state.safetensors` is replaced at the end of every epoch, in one step, so an interruption loses at
most the current epoch.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.config import ModelConfig
from captioner.files import replacing
from captioner.vocabulary import Vocabulary
from train.errors import PathError
from train.limits import flag

Phase = Literal["frozen", "fine-tune", "self-critical"]
BEST = "best.safetensors"  # the best checkpoint so far, inside a run's folder
STATE = "state.safetensors"  # what a run is resumed from
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

    It may get more epochs, or fewer than it was to have, but not fewer than it has.

    Raises:
        RunError: the folder holds another run, or there is nothing to resume.
    """
    note = run / "config.json"
    if resume:
        if not note.exists():
            raise RunError(run, "there is no run to resume; start it without --resume")
        if not _changed(run, config):
            return
    elif note.exists():
        raise RunError(run, "there is a run already; add --resume, or choose another folder")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be the folder of a run ({error.strerror})"
        raise RunError(run, problem) from error
    with replacing(note) as part:
        part.write_text(json.dumps(config, indent=2) + "\n")


def check_resumed(
    run: Path,
    arguments: Mapping[str, Any],
    config: ModelConfig,
    vocabulary: Vocabulary,
    source: str,
) -> None:
    """Check that a run to resume is the same, and trains the same network on the same words.

    Args:
        run: its folder; before its first epoch ended, there are no words to compare.
        arguments: of the run.
        config: of the network.
        vocabulary: of the network.
        source: what both come from, for the error.

    Raises:
        CheckpointError: the run's checkpoint cannot be read.
        RunError: they are not the same.
    """
    if (run / "config.json").exists():
        _changed(run, arguments)
    best = run / BEST
    if not best.exists():
        return
    before = checkpoint.parse(best, *checkpoint.read(best, "np"), checkpoint.FORMAT)
    if before.vocabulary.words != vocabulary.words or before.config != config:
        raise RunError(
            run,
            f"{source} changed since it was started, and with it the vocabulary or the network; "
            "change it back, or start a new run",
        )


def _changed(run: Path, config: Mapping[str, Any]) -> bool:
    """Return whether a run gets another number of epochs; other changes are refused."""
    before = _settings(run / "config.json")
    changed = [key for key, value in config.items() if before.get(key) != value]
    if set(changed) - {"epochs", "fine_tune"}:
        remedy = "resume with the same arguments, or start a new run"
        raise RunError(run, f"{started_with_other(changed)}; {remedy}")
    if changed:
        _check_epochs(run, before, config)
    return bool(changed)


def _settings(note: Path) -> dict[str, Any]:
    try:
        # The first runs were English, and did not say so.
        return {"language": Metadata.language} | json.loads(note.read_text())
    except (ValueError, TypeError) as error:
        raise RunError(note, f"damaged ({error}); start a new run") from error


def _check_epochs(run: Path, before: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    done, frozen = read_progress(run).epoch, config["epochs"]
    if frozen != before["epochs"] and done > before["epochs"]:
        raise RunError(
            run,
            f"its epochs after the first {before['epochs']} are trained end to end already; "
            f"leave --epochs {before['epochs']} and raise --fine-tune",
        )
    if frozen + config.get("fine_tune", 0) < done or (frozen < done and done <= before["epochs"]):
        raise RunError(run, f"has finished {done} epochs already; it cannot have fewer")


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
    with replacing(run / STATE) as part:
        save_file(copies, part, {"progress": json.dumps(asdict(progress))})


def read_progress(run: Path) -> Progress:
    """Read how far a run has come; without a state, no epoch is done.

    Raises:
        RunError: the state is damaged.
    """
    if not (run / STATE).exists():
        return Progress()
    with _open_state(run) as file:
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


@contextmanager
def _open_state(run: Path) -> Iterator[Any]:
    try:
        with safe_open(run / STATE, framework="pt") as file:
            yield file
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(run / STATE, f"damaged ({error}); start a new run") from error


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
    with _open_state(run) as file:
        for name in file.keys():  # noqa: SIM118
            part, key = name.split(".", 1)
            parts[part][key] = file.get_tensor(name)
    return parts
