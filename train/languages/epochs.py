"""The epochs of a run that trains the decoders for other languages."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner.checkpoint import digest
from captioner.languages import file
from captioner.languages.decoders import Decoders
from captioner.options import Options
from captioner.runtime.language_network import LanguageNetwork
from captioner.shipped import find
from captioner.speakers import FILE
from train import run_folder
from train.captioning import best_captions, decode_all
from train.fitting.optimization import adamw, averaging, schedule
from train.languages.task import Batch, Task, batches
from train.run_folder import Metrics, Phase, Progress
from train.scoring.scores import Scores

# Of a batch: what is minimized, and what the metrics record of it.
Loss = Callable[[Batch], tuple[torch.Tensor, torch.Tensor]]


def train_epochs(task: Task, decoders: Decoders, loss: Loss, phase: Phase) -> Path:
    """Train a run to its last epoch, from wherever it stopped; validate and save after each.

    Args:
        task: what it trains on.
        decoders: on their device, as they are before the first epoch.
        loss: of a batch.
        phase: what the metrics call these epochs.

    Returns:
        the file with the best decoders, by the mean of the languages' CIDEr on validation photos.
    """
    config = task.config
    average = AveragedModel(decoders, multi_avg_fn=averaging(config.average))
    progress = run_folder.read_progress(config.run)
    trained = [parameter for parameter in decoders.parameters() if parameter.requires_grad]
    optimizer = adamw([(trained, config.learning_rate)], config.weight_decay)
    if progress.epoch:
        run_folder.load_weights(config.run, decoders, average)
        run_folder.load_optimizer(config.run, optimizer)
    done = task.steps * progress.epoch
    rates = schedule(optimizer, config.warmup, task.steps * config.epochs, done)

    def step(batch: Batch) -> torch.Tensor:
        minimized, recorded = loss(batch)
        minimized.backward()
        nn.utils.clip_grad_norm_(trained, config.clip)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        average.update_parameters(decoders)
        return recorded

    for epoch in range(progress.epoch + 1, config.epochs + 1):
        started = time.monotonic()
        torch.manual_seed(config.seed + 1000 * epoch)
        decoders.train()
        bar = tqdm(batches(task, epoch), f"epoch {epoch}", task.steps, leave=False)
        train_loss = torch.stack([step(batch) for batch in bar]).mean().item()
        averaged = cast(Decoders, average.module)
        scores = _validate(averaged, task)
        metrics = Metrics(
            epoch=epoch,
            phase=phase,
            train_loss=train_loss,
            val_loss=math.nan,  # a word more or less likely is not the same in two languages
            val_cider=statistics.mean(one.cider for one in scores.values()),
            val_bleu4=statistics.mean(one.bleu4 for one in scores.values()),
            learning_rate=float(rates.get_last_lr()[0]),
            seconds=time.monotonic() - started,
        )
        if metrics.val_cider > progress.best:
            _save(averaged, task, scores, epoch)
        progress = Progress(epoch, phase, max(progress.best, metrics.val_cider))
        run_folder.record(config.run, metrics)
        run_folder.save_state(config.run, decoders, average, optimizer, progress)
        each = "  ".join(f"{code} {one.cider:.1f}" for code, one in scores.items())
        print(f"{metrics.line()}  {each}", flush=True)
    return config.run / FILE


def _validate(decoders: Decoders, task: Task) -> dict[str, Scores]:
    decoders.eval()
    options = Options(beam=task.config.val_beam)
    scores = {}
    for language in task.languages:
        speaker = decoders.model(language.code, task.model.encoder)
        start = tuple(part.detach() for part in decoders.start(language.code))
        network = LanguageNetwork(speaker, start)
        found = decode_all(network, task.memories, options, small_words=language.small_words)
        best = best_captions([found[row] for row in language.val_rows], language.vocabulary)
        names = [str(record.photo) for record in language.val]
        scores[language.code] = language.scorer.scores(dict(zip(names, best, strict=True)))
    return scores


def _save(decoders: Decoders, task: Task, scores: Mapping[str, Scores], epoch: int) -> None:
    config = task.config
    assert config.start_from is not None
    languages = {}
    for language in task.languages:
        reached = {"split": "val", "beam": config.val_beam, "epoch": epoch}
        metadata = dataclasses.replace(
            task.start,
            config=decoders.config_of(len(language.vocabulary)),
            vocabulary=language.vocabulary,
            training=config.arguments(),
            scores=reached | dataclasses.asdict(scores[language.code]),
            matching=None,
            calibration=None,
            language=language.code,
        )
        languages[language.code] = file.Language(metadata, decoders.saved(language.code))
    file.save(config.run / FILE, digest(find(config.start_from)), decoders.arrays(), languages)
