"""Validation after each epoch: captions for the validation photos, their scores, and the loss."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.languages.repetition import SmallWords
from captioner.model import Model
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from captioner.vocabulary import PAD, Vocabulary
from train import run_folder
from train.captioning import best_captions, decode_grids, encode_grids
from train.data.feature_cache import Data
from train.data.loader import data_loader, photo_dataset
from train.report import plots
from train.report.plots import Sample
from train.run_folder import Metrics, Phase, Progress
from train.scoring.scores import Scorer, Scores

PHOTOS = 50  # a step of validation
SAMPLES = 24  # photos on the sample sheet


@dataclass(frozen=True)
class Validation:
    """The results of a model on the validation photos."""

    loss: float  # nats a word, teacher forcing, without label smoothing
    scores: Scores
    captions: Mapping[str, str]  # by photo

    def metrics(
        self, epoch: int, phase: Phase, train_loss: float, learning_rate: float, seconds: float
    ) -> Metrics:
        """Return the metrics of the epoch that ended with this validation."""
        return Metrics(
            epoch=epoch,
            phase=phase,
            train_loss=train_loss,
            val_loss=self.loss,
            val_cider=self.scores.cider,
            val_bleu4=self.scores.bleu4,
            learning_rate=learning_rate,
            seconds=seconds,
        )


class Validator:
    """Validates a run's model after each epoch, records the metrics, and keeps the best model."""

    def __init__(
        self,
        run: Path,
        arguments: Mapping[str, Any],
        vocabulary: Vocabulary,
        data: Data,
        preprocessing: Preprocessing,
        beam: int,
        language: str = Metadata.language,
    ) -> None:
        """Tokenize the reference captions.

        Args:
            run: the folder that checkpoints and pictures are written to.
            arguments: of the run; its checkpoints carry them.
            vocabulary: of the models.
            data: the validation split.
            preprocessing: of its photos; the checkpoints carry it.
            beam: width of the beam search.
            language: of the captions; the checkpoints carry it.
        """
        self.run, self.arguments, self.vocabulary, self.data = run, arguments, vocabulary, data
        self.preprocessing, self.language = preprocessing, language
        self.small_words = SmallWords.of(vocabulary, language)
        self.options = Options(beam=beam)

    @cached_property
    def scorer(self) -> Scorer:
        """The scorer, made where it is needed: of several processes, only the first validates."""
        captions = {str(record.photo): record.captions for record in self.data.records}
        return Scorer(captions, language=self.language)

    def __call__(self, model: Model, *, end_to_end: bool) -> Validation:
        """Validate a model on frozen features, or end to end on photos."""
        device = str(next(model.parameters()).device)
        model.eval()
        grids = self.data.grids
        if end_to_end:
            grids = encode_grids(model.encoder, self.data.photos, self.preprocessing, device)
        found = decode_grids(model, grids, self.options, device, self.small_words)
        names = [str(record.photo) for record in self.data.records]
        captions = dict(zip(names, best_captions(found, self.vocabulary), strict=True))
        return Validation(self._loss(model, grids, device), self.scorer.scores(captions), captions)

    def conclude(
        self, model: Model, metrics: Metrics, validation: Validation, best: float
    ) -> Progress:
        """Record an epoch, and save its model if its CIDEr is the best so far."""
        if metrics.val_cider > best:
            self.save_best(model, metrics, validation)
        self.report(metrics, validation)
        return Progress(metrics.epoch, metrics.phase, max(best, metrics.val_cider))

    def save_best(self, model: Model, metrics: Metrics, validation: Validation) -> None:
        """Save a model as the best so far."""
        scores = {"split": "val", "beam": self.options.beam, "epoch": metrics.epoch}
        scores |= {"length_penalty": self.options.length_penalty, **asdict(validation.scores)}
        metadata = Metadata(
            model.config,
            self.vocabulary,
            self.preprocessing,
            self.arguments,
            scores,
            language=self.language,
        )
        checkpoint.save(self.run / run_folder.BEST, metadata, model)

    def report(self, metrics: Metrics, validation: Validation) -> None:
        """Record an epoch: CSV, TensorBoard, curves, and a sheet of photos with their captions."""
        run_folder.record(self.run, metrics)
        with SummaryWriter(self.run / "tensorboard", purge_step=metrics.epoch) as board:
            for name, value in asdict(metrics).items():
                if isinstance(value, float):
                    board.add_scalar(name, value, metrics.epoch)
        plots.draw_curves(self.run / "metrics.csv", self.run / "curves.png")
        records = self.data.records[:: max(1, len(self.data.records) // SAMPLES)][:SAMPLES]
        samples = [
            Sample(r.photo, validation.captions[str(r.photo)], r.captions[0]) for r in records
        ]
        plots.draw_sample_sheet(samples, self.run / "samples.png")

    @torch.inference_mode()
    def _loss(self, model: Model, grids: np.ndarray[Any, Any], device: str) -> float:
        dataset = photo_dataset(grids, self.data.records, self.vocabulary, self.options.max_length)
        total, words = 0.0, 0
        batches = data_loader(dataset, PHOTOS, 5, seed=0, shuffle=False, device=device)
        for images, tokens, _ in batches:
            logits, _ = model(images.float(), tokens)
            targets = tokens[:, 1:][tokens[:, 1:] != PAD]
            total += functional.cross_entropy(logits, targets, reduction="sum").item()
            words += targets.numel()
        return total / max(1, words)
