"""Train a checkpoint further on the reward of its own captions.

    python -m train self-critical data/flickr8k runs/second --start-from runs/first/best.safetensors

Self-critical sequence training (Rennie et al., CVPR 2017) with CIDEr-D as the reward: it samples
several captions of each photo, and raises the probability of those with a higher reward than the
others of the same photo (Luo, *A Better Variant of Self-Critical Sequence Training*, 2020). Some
teacher forcing keeps the vocabulary from shrinking. The encoder stays frozen, and photos are
encoded once in several augmented views, because its features of the photos it was trained on are
better than those of others. With `--encoder-learning-rate` it is trained too, and each step
augments and encodes its photos. After an interruption, add `--resume` to continue.

With `torchrun`, on one machine or several, the processes share the photos of each step.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from torch import nn

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.languages.repetition import SmallWords
from captioner.model import Model
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from captioner.shipped import find
from captioner.vocabulary import Vocabulary
from train import run_folder
from train.captioning import half_is_fast
from train.data.augmentation import Augmentation
from train.data.contents import captions_digest
from train.data.datasets import read
from train.data.feature_cache import Data, compute, compute_views
from train.data.loader import Batch, Images, data_loader, on_device, photo_dataset
from train.data.photos import check_readable
from train.data.words import warn
from train.errors import SettingError
from train.fitting.cider_d import CiderD, ended
from train.fitting.epochs import Epochs, resume, train_epochs
from train.fitting.losses import forced_loss, reward_loss
from train.fitting.optimization import freeze, optimizer
from train.fitting.starting import begin
from train.fitting.validation import Validator
from train.limits import check
from train.processes import Peers, check_photos, join, leave


@dataclass(frozen=True)
class SelfCriticalConfig:
    """Train a checkpoint further on the reward of its own captions."""

    data: Annotated[Path, tyro.conf.Positional]  # the dataset's folder
    run: Annotated[Path, tyro.conf.Positional]  # the run's folder
    start_from: Path  # a trained checkpoint
    languages: Path | None = None  # a folder: train the languages of its captions instead
    rewarded: tuple[str, ...] = ()  # with --languages: those that get a reward; all by default
    epochs: int = 5  # of training
    photos: int = 40  # in a step, of all processes together
    captions: int = 5  # references of each photo
    samples: int = 5  # captions to sample for each photo; at least 2
    teacher_forcing: float = 0.2  # weight of the cross-entropy loss on the references
    learning_rate: float = 1e-4  # of the decoder
    encoder_learning_rate: float = 0.0  # 0 freezes the encoder
    frozen_layers: int = 0  # end to end: how many of the ResNet's four stay frozen, with the stem
    weight_decay: float = 0.01  # of AdamW, for matrices only
    repetition_penalty: float = 0.0  # taken from the reward of a caption that repeats a word
    label_smoothing: float = 0.1  # of teacher forcing: the probability spread over all words
    dropout: float = 0.3  # in the decoder
    max_length: int = Options.max_length  # words; longer captions are cut
    views: int = 4  # with a frozen encoder: augmented views of each photo; the epochs take turns
    crop: float = 0.5  # smallest share of a photo that augmentation keeps
    erase: float = 0.0  # end to end: the share of photos in which a rectangle is blanked
    warmup: float = 0.05  # share of the steps
    clip: float = 1.0  # largest norm of the gradient
    average: float = 0.995  # decay of the averaged weights
    val_beam: int = 3  # beam width of validation
    seed: int = 0  # of samples, the order of photos, and augmentation
    cache: Path | None = None  # for photos and features; by default in the run's folder
    resume: bool = False  # continue the run, which was interrupted

    def arguments(self) -> dict[str, Any]:
        """Return what defines the run, as plain values; not where it is."""
        values = dataclasses.asdict(self)
        for name in ("data", "run", "cache", "resume", "languages"):
            del values[name]
        values["rewarded"] = " ".join(self.rewarded)
        if self.languages is None:
            del values["rewarded"]
        return values | {"start_from": self.start_from.name}


def self_critical(config: SelfCriticalConfig) -> Path:
    """Train a run to its last epoch, from wherever it stopped.

    Returns:
        the best checkpoint, by CIDEr of the captions generated for the validation photos.

    Raises:
        CheckpointError: the checkpoint to start from cannot be read.
        DatasetError: nothing can be read from the dataset.
        PeerError: the processes were started with other arguments or data.
        RunError: the run's folder holds another run, or there is nothing to resume.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    start, model = checkpoint.load(find(config.start_from))
    _check_penalty(config.repetition_penalty, start)
    vocabulary, preprocessing = start.vocabulary, start.preprocessing
    dataset = read(config.data)
    train_records, val_records = dataset.split("train"), dataset.split("val")
    accelerator, peers = join(cpu=False, precision=None)
    check_photos(config.photos, peers)
    peers.agree_on_arguments(config.arguments())
    peers.agree(captions_digest((*train_records, *val_records)), "captions")
    device = str(accelerator.device)
    arguments = config.arguments() | {"before": start.training}
    for records in (val_records, train_records):
        check_readable(records, preprocessing)
    begin(
        config.run,
        config.arguments(),
        start.config,
        vocabulary,
        "--start-from",
        peers,
        resume=config.resume,
    )
    end_to_end = config.encoder_learning_rate > 0
    cache = config.cache or config.run / "cache"
    train = compute(train_records, None, cache / "train", device, preprocessing, peers)
    frozen = None if end_to_end else model.encoder  # end to end needs no frozen features
    val = compute(val_records, frozen, cache / "val", device, preprocessing, peers)
    epoch_images = _images(config, train, model, vocabulary, preprocessing, cache, device, peers)
    captions = [[ended(text, vocabulary) for text in r.captions] for r in train.records]
    cider = CiderD(captions, device)
    if peers.first:
        warn(train_records, vocabulary, config.max_length)

    freeze(model, end_to_end, config.frozen_layers)
    model.decoder.dropout.p = config.dropout
    model.to(device)
    average, progress = resume(config.run, model, config.average, peers)
    validator = Validator(
        config.run, arguments, vocabulary, val, preprocessing, config.val_beam, start.language
    )

    def batches(epoch: int) -> Iterable[Batch]:
        return data_loader(
            epoch_images(epoch),
            config.photos,
            config.captions,
            seed=config.seed + epoch,
            device=device,
            share=(peers.number, peers.count),
        )

    def rewarded(
        images: torch.Tensor, written: torch.Tensor, chance: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=half_is_fast(device)):
            if end_to_end:
                images = model.encoder.grid(preprocessing.normalize(images))
            return _loss(model, images.float(), written, cider, config, start.small_words, chance)

    wrapped = accelerator.prepare(_Calling(model, rewarded))

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (len(batch.images), config.samples, config.max_length + 1)
        chance = batch.draws.uniform(shape).flatten(0, 1)
        minimized, mean = wrapped(batch.images, batch.tokens, chance)
        return minimized, -mean

    epochs = Epochs(
        "self-critical",
        first=1,
        last=config.epochs,
        steps=math.ceil(len(train.records) / config.photos),
        warmup=config.warmup,
        clip=config.clip,
        seed=config.seed,
        end_to_end=end_to_end,
    )
    adamw = optimizer(
        model, config.learning_rate, config.encoder_learning_rate, config.weight_decay
    )
    train_epochs(
        epochs, model, average, adamw, batches, loss, validator, progress, accelerator, peers
    )
    leave(accelerator, peers)
    return config.run / run_folder.BEST


class _Calling(nn.Module):
    """A network whose call is a function that uses it.

    The gradients of several processes are averaged where they belong to the call of a module.
    """

    def __init__(self, model: Model, function: Callable[..., tuple[torch.Tensor, ...]]) -> None:
        super().__init__()
        self.model, self._function = model, function

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._function(*inputs)


def _images(
    config: SelfCriticalConfig,
    train: Data,
    model: Model,
    vocabulary: Vocabulary,
    preprocessing: Preprocessing,
    cache: Path,
    device: str,
    peers: Peers,
) -> Callable[[int], Images]:
    """Return a function from an epoch to its images: photos to augment, or grids of a view."""
    photos = photo_dataset(train.photos, train.records, vocabulary, config.max_length)
    augmentation = Augmentation(config.crop, config.erase)
    if config.encoder_learning_rate:
        augmented = dataclasses.replace(
            photos, images=on_device(train.photos, device), augmentation=augmentation
        )
        return lambda epoch: augmented
    views = compute_views(
        train,
        model.encoder,
        cache / "train",
        device,
        augmentation,
        min(config.views, config.epochs),
        preprocessing,
        peers,
    )

    def view(epoch: int) -> Images:
        return dataclasses.replace(photos, images=on_device(views[epoch % len(views)], device))

    return view


def _check_penalty(penalty: float, start: Metadata) -> None:
    if penalty and not start.small_words:
        raise SettingError(
            "--repetition-penalty", penalty, f"0: no small words of {start.language!r} are known"
        )


def _loss(
    model: Model,
    grids: torch.Tensor,
    written: torch.Tensor,
    cider: CiderD,
    config: SelfCriticalConfig,
    small_words: SmallWords | None,
    chance: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss to minimize, and the mean reward of the sampled captions."""
    memory = model.encode_grid(grids)
    loss, reward = reward_loss(
        model,
        memory,
        written,
        cider,
        samples=config.samples,
        max_length=config.max_length,
        penalty=config.repetition_penalty,
        small_words=small_words,
        chance=chance,
    )
    if config.teacher_forcing:
        forced = forced_loss(model, memory, written, config.label_smoothing)
        loss = loss + config.teacher_forcing * forced
    return loss, reward
