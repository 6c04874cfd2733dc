r"""Fit one decoder for several other languages beside a checkpoint's own.

    python -m train fit data/flickr8k runs/languages --languages data/languages \
        --start-from captioner/weights/default.safetensors

The encoder is frozen, and its features are computed once, in several augmented views that the
epochs take turns with. Each step is of one language; the steps of all are shuffled.
"""

import dataclasses
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner import checkpoint
from captioner.checkpoint import Metadata, digest
from captioner.language import SmallWords
from captioner.languages import file
from captioner.languages.decoders import Decoders
from captioner.model import Memory, Model
from captioner.options import Options
from captioner.orthography import written
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.pytorch import pick_device
from captioner.shipped import find
from captioner.speakers import FILE
from captioner.vocabulary import PAD, Vocabulary
from train import run_folder
from train.captioning import BATCH, Array, best_captions, decode_all, half_is_fast, in_batches
from train.data.augmentation import Augmentation
from train.data.datasets import Record, Split, read
from train.data.feature_cache import compute, compute_views
from train.data.loader import Images, data_loader, drop_words, on_device, photo_dataset
from train.data.photos import check_readable
from train.data.words import build_vocabulary
from train.errors import SettingError
from train.fit import FitConfig
from train.fitting.optimization import adamw, averaging, schedule
from train.languages import captions
from train.languages.captions import read_all
from train.limits import SQUARE, check
from train.run_folder import Metrics, Progress
from train.scoring.scores import Scorer, Scores

SPLITS: tuple[Split, ...] = ("train", "val")


@dataclass(frozen=True)
class Language:
    """A language to learn: its words, and its captions of the photos."""

    code: str
    vocabulary: Vocabulary
    train: Images  # the images are those of an epoch's view
    val: Sequence[Record]
    val_rows: list[int]  # the place of each among all validation photos
    scorer: Scorer

    @property
    def small_words(self) -> SmallWords | None:
        """The small words of the vocabulary; None if they are not known."""
        return SmallWords.of(self.vocabulary, self.code)


@dataclass(frozen=True)
class Batch:
    """A step's images and captions, and their language."""

    language: Language
    images: torch.Tensor  # (photos, regions, channels)
    tokens: torch.Tensor  # (photos * captions, length)


@dataclass(frozen=True)
class Task:
    """What a run trains, and on what."""

    config: FitConfig
    start: Metadata
    model: Model  # of the checkpoint, frozen, on its device
    languages: Sequence[Language]
    views: Sequence[Array]  # of the training photos, (photos, regions, channels) each
    memories: Sequence[Memory]  # of the validation photos
    device: str

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return sum(math.ceil(len(one.train) / self.config.photos) for one in self.languages)


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
    task = _task(config)
    decoders = _decoders(task)
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
        loss = _loss(decoders, task, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, config.clip)
        optimizer.step()
        rates.step()
        optimizer.zero_grad()
        average.update_parameters(decoders)
        return loss.detach()

    for epoch in range(progress.epoch + 1, config.epochs + 1):
        started = time.monotonic()
        torch.manual_seed(config.seed + 1000 * epoch)
        decoders.train()
        bar = tqdm(_batches(task, epoch), f"epoch {epoch}", task.steps, leave=False)
        train_loss = torch.stack([step(batch) for batch in bar]).mean().item()
        averaged = cast(Decoders, average.module)
        scores = _validate(averaged, task)
        metrics = Metrics(
            epoch=epoch,
            phase="frozen",
            train_loss=train_loss,
            val_loss=math.nan,  # a word more or less likely is not the same in two languages
            val_cider=statistics.mean(one.cider for one in scores.values()),
            val_bleu4=statistics.mean(one.bleu4 for one in scores.values()),
            learning_rate=float(rates.get_last_lr()[0]),
            seconds=time.monotonic() - started,
        )
        if metrics.val_cider > progress.best:
            _save(averaged, task, scores, epoch)
        progress = Progress(epoch, "frozen", max(progress.best, metrics.val_cider))
        run_folder.record(config.run, metrics)
        run_folder.save_state(config.run, decoders, average, optimizer, progress)
        each = "  ".join(f"{code} {one.cider:.1f}" for code, one in scores.items())
        print(f"{metrics.line()}  {each}", flush=True)
    return config.run / FILE


def _task(config: FitConfig) -> Task:
    """Read everything that is trained on, and encode the photos."""
    assert config.languages is not None
    if config.start_from is None:
        raise SettingError("--start-from", None, "the checkpoint whose encoder the languages share")
    start, model = checkpoint.load(find(config.start_from))
    dataset = read(config.data)
    splits = {name: dataset.split(name) for name in SPLITS}
    for split in splits.values():
        check_readable(split, start.preprocessing)
    every = read_all(config.languages, dataset)
    run_folder.prepare(config.run, config.arguments(), resume=config.resume)
    device = "cpu" if config.device == "cpu" else pick_device()
    model.to(device)
    cache, preprocessing = config.cache or config.run / "cache", start.preprocessing
    val = compute(splits["val"], model.encoder, cache / "val", device, preprocessing)
    pooled = captions.pooled(splits["train"], every)
    train = compute(pooled, None, cache / "train", device, preprocessing)
    views = compute_views(
        train,
        model.encoder,
        cache / "train",
        device,
        Augmentation(config.crop),
        config.views,
        preprocessing,
    )
    languages = [
        _language(code, found, train.records, val.records, config) for code, found in every.items()
    ]
    memories = list(in_batches(_encoding(model, device), val.grids, BATCH))
    return Task(config, start, model, languages, views, memories, device)


def _decoders(task: Task) -> Decoders:
    torch.manual_seed(task.config.seed)
    sizes = {language.code: len(language.vocabulary) for language in task.languages}
    decoders = Decoders(task.model.decoder, task.start.config, sizes)
    dropout = decoders.shared["dropout"]
    assert isinstance(dropout, nn.Dropout)
    dropout.p = task.config.dropout
    return decoders.to(task.device)


def _language(
    code: str,
    found: captions.Captions,
    train: Sequence[Record],
    val: Sequence[Record],
    config: FitConfig,
) -> Language:
    learned, rows = _among(train, found)
    validated, val_rows = _among(val, found)
    vocabulary = build_vocabulary(learned, config.min_count, written(code))
    images = photo_dataset(torch.empty(0), learned, vocabulary, config.max_length)
    return Language(
        code,
        vocabulary,
        dataclasses.replace(images, rows=torch.tensor(rows)),
        validated,
        val_rows,
        Scorer({str(one.photo): one.captions for one in validated}, language=code),
    )


def _among(records: Sequence[Record], found: captions.Captions) -> tuple[list[Record], list[int]]:
    """Return the records with captions in a language, and their places among all."""
    by_photo = {record.photo: record for record in found.records}
    rows = [row for row, record in enumerate(records) if record.photo in by_photo]
    return [by_photo[records[row].photo] for row in rows], rows


def _encoding(model: Model, device: str) -> Callable[[Array], Memory]:
    @torch.inference_mode()
    def encode(grids: Array) -> Memory:
        return model.encode_grid(torch.from_numpy(grids).to(device).float())

    return encode


def _batches(task: Task, epoch: int) -> Iterator[Batch]:
    """Yield the batches of all languages, in random order."""
    config, seed = task.config, task.config.seed + epoch
    grids = on_device(task.views[epoch % len(task.views)], task.device)
    loaders, order = {}, []
    for language in task.languages:
        images = dataclasses.replace(language.train, images=grids)
        most = min(config.captions, images.tokens.shape[1])
        loaders[language.code] = data_loader(
            images, config.photos, most, seed=seed, device=task.device
        )
        order += [language] * math.ceil(len(images) / config.photos)
    random.Random(seed).shuffle(order)
    for language in order:
        yield Batch(language, *next(loaders[language.code]))


def _loss(decoders: Decoders, task: Task, batch: Batch) -> torch.Tensor:
    config, code, device = task.config, batch.language.code, batch.images.device.type
    with torch.no_grad():
        memory = task.model.encode_grid(batch.images.float())
    half = config.precision == "bf16" or (config.precision == "auto" and half_is_fast(device))
    with torch.autocast(device, torch.bfloat16, enabled=half):
        speaker = decoders.model(code, task.model.encoder)
        tokens = drop_words(batch.tokens, config.word_dropout)
        logits, _ = speaker.predict(decoders.started(code, memory), tokens)
    following = batch.tokens[:, 1:]
    targets = following[following != PAD]
    return functional.cross_entropy(logits.float(), targets, label_smoothing=config.label_smoothing)


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
