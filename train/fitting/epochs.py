"""The epoch loop that `fit` and `self_critical` share: training, validation, and what is saved.

The state of a run is saved at the end of every epoch, and each epoch draws its random numbers from
a seed of its own, so an interrupted run ends like an uninterrupted one.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner.model import Model
from train import run_folder
from train.data.loader import Batch
from train.fitting.optimization import averaging, schedule
from train.fitting.validation import Validator
from train.processes import Peers
from train.run_folder import Phase, Progress

# Of a batch: the loss to minimize, and what the metrics record of it, a scalar without gradient.
# With several processes, the means of both over the processes are what one process would have.
Loss = Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Epochs:
    """The epochs of one phase of a run."""

    phase: Phase
    first: int  # from 1, through all phases
    last: int
    steps: int  # of an epoch
    warmup: float  # share of the phase's steps
    clip: float  # largest norm of the gradient
    seed: int
    end_to_end: bool = False  # whether the encoder is trained, so that validation needs photos


def resume(run: Path, model: Model, decay: float, peers: Peers) -> tuple[AveragedModel, Progress]:
    """Load the weights of a run's last epoch, if there is one.

    The first process reads them; the others get the model's when it is prepared for training, and
    never need the averaged ones.

    Args:
        run: the run's folder.
        model: on its device; its weights are replaced.
        decay: of the averaged weights.
        peers: the processes that train the model.

    Returns:
        the averaged weights, and how far the run has come.
    """
    average = AveragedModel(model, multi_avg_fn=averaging(decay))
    progress = peers.from_first(lambda: run_folder.read_progress(run))
    if progress.epoch and peers.first:
        run_folder.load_weights(run, model, average)
    return average, progress


def train_epochs(
    epochs: Epochs,
    model: Model,
    average: AveragedModel,
    optimizer: AdamW,
    batches: Callable[[int], Iterable[Batch]],
    loss: Loss,
    validator: Validator,
    progress: Progress,
    accelerator: Accelerator,
    peers: Peers,
) -> Progress:
    """Train the epochs of a phase that are not done yet; validate, record and save after each.

    Args:
        epochs: which, and how.
        model: on its device.
        average: of the model's weights; it is updated at every step, and it is validated.
        optimizer: of the parameters that this phase trains.
        batches: those of an epoch, given its number.
        loss: of a batch.
        validator: of the run.
        progress: how far the run has come.
        accelerator: of the processes.
        peers: the processes; the first one validates while the others wait.

    Returns:
        how far the run has come now.
    """
    total = epochs.steps * (epochs.last - epochs.first + 1)
    done = epochs.steps * max(0, progress.epoch - epochs.first + 1)
    prepared = accelerator.prepare(optimizer)
    rates = schedule(optimizer, epochs.warmup, total, done)
    if done:
        if peers.first:
            run_folder.load_optimizer(validator.run, optimizer)
        peers.share_state(optimizer)

    def step(batch: Batch) -> torch.Tensor:
        minimized, recorded = loss(batch)
        accelerator.backward(minimized)
        accelerator.clip_grad_norm_(model.parameters(), epochs.clip)
        prepared.step()
        rates.step()
        prepared.zero_grad()
        if peers.first:
            average.update_parameters(model)
        return recorded

    for epoch in range(progress.epoch + 1, epochs.last + 1):
        started = time.monotonic()
        torch.manual_seed(epochs.seed + 1000 * epoch + peers.number)
        model.train()
        model.encoder.resnet.eval()  # its batch norm keeps ImageNet's statistics throughout
        bar = tqdm(
            batches(epoch), f"epoch {epoch}", epochs.steps, leave=False, disable=not peers.first
        )
        recorded = torch.stack([step(batch) for batch in bar])
        train_loss = accelerator.gather(recorded).mean().item()
        if peers.first:
            averaged = cast(Model, average.module)
            validation = validator(averaged, end_to_end=epochs.end_to_end)
            metrics = validation.metrics(
                epoch, epochs.phase, train_loss, _rate(rates), time.monotonic() - started
            )
            progress = validator.conclude(averaged, metrics, validation, progress.best)
            run_folder.save_state(validator.run, model, average, optimizer, progress)
            print(metrics.line(), f" {validation.scores.distinct_words} words", flush=True)
        peers.wait()
    accelerator.free_memory()  # the next phase prepares the model again
    return dataclasses.replace(progress, epoch=epochs.last)


def _rate(rates: LambdaLR) -> float:
    return float(rates.get_last_lr()[0])
