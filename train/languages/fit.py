r"""Fit one decoder for several other languages beside a checkpoint's own.

    python -m train fit data/flickr8k runs/languages --languages data/languages \
        --start-from captioner/weights/default.safetensors

The encoder is frozen, and its features are computed once, in several augmented views that the
epochs take turns with. Each step is of one language; the steps of all are shuffled.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from captioner.languages.decoders import Decoders
from captioner.languages.orthography import written
from captioner.vocabulary import Vocabulary
from train.captioning import half_is_fast
from train.data.datasets import Record
from train.data.words import build_vocabulary
from train.fit import FitConfig
from train.fitting.losses import forced_loss
from train.languages.epochs import train_epochs
from train.languages.task import Batch, Task, prepare
from train.limits import SQUARE, check
from train.processes import check_alone


def fit_languages(config: FitConfig) -> Path:
    """Train a run to its last epoch, from wherever it stopped.

    Returns:
        the file with the best decoders, by the mean of the languages' CIDEr on validation photos.

    Raises:
        CheckpointError: the checkpoint to start from cannot be read.
        DatasetError: nothing can be read from the dataset, or from the captions.
        RunError: the run's folder holds another run, or there is nothing to resume.
        SettingError: a setting has a value that is not allowed.
    """
    check(config, size=SQUARE)
    check_alone("--languages", config.languages)

    def vocabulary(code: str, records: Sequence[Record]) -> Vocabulary:
        return build_vocabulary(records, config.min_count, written(code))

    task = prepare(config, vocabulary, "cpu" if config.device == "cpu" else None)
    decoders = _decoders(task, config)

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        minimized = _loss(decoders, task, batch, config)
        return minimized, minimized.detach()

    return train_epochs(task, decoders, loss, "frozen")


def _decoders(task: Task, config: FitConfig) -> Decoders:
    torch.manual_seed(config.seed)
    sizes = {language.code: len(language.vocabulary) for language in task.languages}
    decoders = Decoders(task.model.decoder, task.start.config, sizes)
    decoders.set_dropout(config.dropout)
    return decoders.to(task.device)


def _loss(decoders: Decoders, task: Task, batch: Batch, config: FitConfig) -> torch.Tensor:
    code, device = batch.language.code, batch.images.device.type
    with torch.no_grad():
        memory = task.model.encode_grid(batch.images.float())
    half = config.precision == "bf16" or (config.precision == "auto" and half_is_fast(device))
    with torch.autocast(device, torch.bfloat16, enabled=half):
        speaker = decoders.model(code, task.model.encoder)
        started = memory.started(decoders.start(code))
        return forced_loss(
            speaker, started, batch.tokens, config.label_smoothing, config.word_dropout
        )
