r"""Fit one decoder for several other languages beside a checkpoint's own.

    python -m train fit data/flickr8k runs/languages --languages data/languages \
        --start-from captioner/weights/default.safetensors

The encoder is frozen, and its features are computed once, in several augmented views that the
epochs take turns with. Each step is of one language; the steps of all are shuffled.
"""

import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner import checkpoint
from captioner.language import SmallWords
from captioner.languages.decoders import Decoders
from captioner.model import Memory, Model
from captioner.options import Options
from captioner.orthography import written
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.pytorch import pick_device
from captioner.shipped import find
from captioner.vocabulary import PAD, Vocabulary
from train import run_folder
from train.captioning import BATCH, Array, best_captions, decode_all, half_is_fast, in_batches
from train.data.augmentation import Augmentation
from train.data.datasets import Record, read
from train.data.feature_cache import compute, compute_views
from train.data.loader import Images, data_loader, drop_words, on_device, photo_dataset
from train.data.photos import check_readable
from train.data.words import build_vocabulary
from train.errors import SettingError
from train.fit import FitConfig
from train.fitting.optimization import adamw, averaging, schedule
from train.languages import captions
from train.limits import SQUARE, check
from train.run_folder import Metrics, Progress
from train.scoring.scores import Scorer, Scores


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
    assert config.languages is not None
    if config.start_from is None:
        raise SettingError("--start-from", None, "the checkpoint whose encoder the languages share")
    start, model = checkpoint.load(find(config.start_from))
    dataset = read(config.data)
    records = {name: dataset.split(name) for name in ("train", "val")}
    for split in records.values():
        check_readable(split, start.preprocessing)
    every = {
        code: captions.read(config.languages, code, dataset)
        for code in captions.codes(config.languages)
    }
    for found in every.values():
        for problem in found.problems:
            print(f"left out: {problem}")
    run_folder.prepare(config.run, config.arguments(), resume=config.resume)
    device = "cpu" if config.device == "cpu" else pick_device()
    cache = config.cache or config.run / "cache"
    val = compute(records["val"], model.encoder, cache / "val", device, start.preprocessing)
    pooled = captions.pooled(records["train"], every)
    train = compute(pooled, None, cache / "train", device, start.preprocessing)
    views = compute_views(
        train,
        model.encoder,
        cache / "train",
        device,
        Augmentation(config.crop),
        config.views,
        start.preprocessing,
    )
    languages = [
        _language(code, found, train.records, val.records, config) for code, found in every.items()
    ]
    torch.manual_seed(config.seed)
    model.to(device)
    sizes = {language.code: len(language.vocabulary) for language in languages}
    decoders = Decoders(model.decoder, start.config, sizes).to(device)
    dropout = decoders.shared["dropout"]
    assert isinstance(dropout, nn.Dropout)
    dropout.p = config.dropout
    average = AveragedModel(decoders, multi_avg_fn=averaging(config.average))
    progress = run_folder.read_progress(config.run)
    if progress.epoch:
        run_folder.load_weights(config.run, decoders, average)
    memories = list(in_batches(_encoding(model, device), val.grids, BATCH))
    steps = sum(math.ceil(len(language.train) / config.photos) for language in languages)
    trained = [parameter for parameter in decoders.parameters() if parameter.requires_grad]
    optimizer = adamw([(trained, config.learning_rate)], config.weight_decay)
    if progress.epoch:
        run_folder.load_optimizer(config.run, optimizer)
    rates = schedule(optimizer, config.warmup, steps * config.epochs, steps * progress.epoch)
    for epoch in range(progress.epoch + 1, config.epochs + 1):
        started = time.monotonic()
        torch.manual_seed(config.seed + 1000 * epoch)
        decoders.train()
        losses = []
        grids = on_device(views[epoch % len(views)], device)
        batches = _batches(languages, grids, config, epoch, device)
        for batch in tqdm(batches, f"epoch {epoch}", steps, leave=False):
            loss = _loss(decoders, model, batch, config)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, config.clip)
            optimizer.step()
            rates.step()
            optimizer.zero_grad()
            average.update_parameters(decoders)
            losses.append(loss.detach())
        scores = _validate(cast(Decoders, average.module), model, memories, languages, config)
        cider = sum(one.cider for one in scores.values()) / len(scores)
        metrics = Metrics(
            epoch=epoch,
            phase="frozen",
            train_loss=torch.stack(losses).mean().item(),
            val_loss=math.nan,
            val_cider=cider,
            val_bleu4=sum(one.bleu4 for one in scores.values()) / len(scores),
            learning_rate=float(rates.get_last_lr()[0]),
            seconds=time.monotonic() - started,
        )
        progress = Progress(epoch, "frozen", max(progress.best, cider))
        run_folder.record(config.run, metrics)
        run_folder.save_state(config.run, decoders, average, optimizer, progress)
        each = "  ".join(f"{code} {one.cider:.1f}" for code, one in scores.items())
        print(f"{metrics.line()}  {each}", flush=True)
    return config.run / run_folder.BEST


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


def _batches(
    languages: Sequence[Language],
    grids: Array | torch.Tensor,
    config: FitConfig,
    epoch: int,
    device: str,
) -> Iterator[Batch]:
    """Yield the batches of all languages, in random order."""
    seed = config.seed + epoch
    loaders = {}
    order = []
    for language in languages:
        images = dataclasses.replace(language.train, images=grids)
        most = min(config.captions, images.tokens.shape[1])
        loaders[language.code] = data_loader(images, config.photos, most, seed=seed, device=device)
        order += [language] * math.ceil(len(images) / config.photos)
    random.Random(seed).shuffle(order)
    for language in order:
        yield Batch(language, *next(loaders[language.code]))


def _loss(decoders: Decoders, model: Model, batch: Batch, config: FitConfig) -> torch.Tensor:
    code = batch.language.code
    with torch.no_grad():
        memory = model.encode_grid(batch.images.float())
    half = config.precision == "bf16" or (
        config.precision == "auto" and half_is_fast(batch.images.device.type)
    )
    with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=half):
        speaker = decoders.model(code, model.encoder)
        tokens = drop_words(batch.tokens, config.word_dropout)
        logits, _ = speaker.predict(decoders.started(code, memory), tokens)
    following = batch.tokens[:, 1:]
    targets = following[following != PAD]
    return functional.cross_entropy(logits.float(), targets, label_smoothing=config.label_smoothing)


def _validate(
    decoders: Decoders,
    model: Model,
    memories: Sequence[Memory],
    languages: Sequence[Language],
    config: FitConfig,
) -> dict[str, Scores]:
    decoders.eval()
    options = Options(beam=config.val_beam)
    scores = {}
    for language in languages:
        speaker = decoders.model(language.code, model.encoder)
        start = tuple(part.detach() for part in decoders.start(language.code))
        network = LanguageNetwork(speaker, start)
        found = decode_all(network, memories, options, small_words=language.small_words)
        best = best_captions([found[row] for row in language.val_rows], language.vocabulary)
        names = [str(record.photo) for record in language.val]
        scores[language.code] = language.scorer.scores(dict(zip(names, best, strict=True)))
    return scores
