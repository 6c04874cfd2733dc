"""What the decoders for other languages are trained on: captions in each, and encoded photos."""

import dataclasses
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.languages.repetition import SmallWords
from captioner.model import Memory, Model
from captioner.runtime.pytorch import pick_device
from captioner.shipped import find
from captioner.vocabulary import Vocabulary
from train import run_folder
from train.captioning import BATCH, Array, in_batches
from train.data.augmentation import Augmentation
from train.data.datasets import Record, Split, read
from train.data.feature_cache import compute, compute_views
from train.data.loader import Images, data_loader, on_device, photo_dataset
from train.data.photos import check_readable
from train.errors import SettingError
from train.fit import FitConfig
from train.languages import captions
from train.languages.captions import Captions, read_all
from train.scoring.scores import Scorer
from train.self_critical import SelfCriticalConfig

Config = FitConfig | SelfCriticalConfig
# Of a language's code and its training captions.
Vocabularies = Callable[[str, Sequence[Record]], Vocabulary]

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

    config: Config
    start: Metadata
    model: Model  # of the checkpoint, frozen, on its device
    languages: Sequence[Language]
    captions: Sequence[Captions]  # of each language
    views: Sequence[Array]  # of the training photos, (photos, regions, channels) each
    memories: Sequence[Memory]  # of the validation photos
    device: str

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return sum(math.ceil(len(one.train) / self.config.photos) for one in self.languages)


def prepare(config: Config, vocabularies: Vocabularies, device: str | None = None) -> Task:
    """Read everything that is trained on, encode the photos, and make the run's folder.

    Args:
        config: of the run.
        vocabularies: gives each language its words.
        device: where to compute; None: the fastest.

    Raises:
        CheckpointError: the checkpoint to start from cannot be read.
        DatasetError: nothing can be read from the dataset, or from the captions.
        RunError: the run's folder holds another run, or there is nothing to resume.
        SettingError: there is no checkpoint to start from.
    """
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
    device = device or pick_device()
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
        _language(code, found, train.records, val.records, config, vocabularies)
        for code, found in every.items()
    ]
    memories = list(in_batches(_encoding(model, device), val.grids, BATCH))
    return Task(config, start, model, languages, list(every.values()), views, memories, device)


def _language(
    code: str,
    found: captions.Captions,
    train: Sequence[Record],
    val: Sequence[Record],
    config: Config,
    vocabularies: Vocabularies,
) -> Language:
    learned, rows = _among(train, found)
    validated, val_rows = _among(val, found)
    vocabulary = vocabularies(code, learned)
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


def batches(task: Task, epoch: int) -> Iterator[Batch]:
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
        found = next(loaders[language.code])
        yield Batch(language, found.images, found.tokens)
