"""Go on from a trained checkpoint by what its own captions are worth, with the encoder frozen.

    python -m train self-critical data/flickr8k runs/second --start-from runs/first/best.safetensors

Self-critical sequence training (Rennie et al., CVPR 2017) against CIDEr-D: several captions of each
photo are drawn, and those become likelier that are worth more than the others of the same photo
(Luo, 2020). Teacher forcing goes on beside it: without, the words that are used become few. Photos
are seen in several augmented views, for in the photos that it was trained on the encoder sees more
than in any other. Interrupted, it goes on with `--resume`.
"""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from accelerate import Accelerator
from torch.nn import functional

from captioner import checkpoint
from captioner.model import Model
from captioner.options import Options
from captioner.vocabulary import END, PAD, START, Vocabulary
from captioner.word_rules import NEVER_GENERATED
from train import run_folder
from train.captioning import half_is_fast
from train.data.datasets import read
from train.data.feature_cache import compute, compute_views
from train.data.loader import Augmentation, data_loader, photo_dataset
from train.errors import SettingError
from train.fitting.cider_d import CiderD, Ids, Reals
from train.fitting.epochs import Batch, Epochs, resume, train_epochs
from train.fitting.optimization import adamw
from train.fitting.validation import Validator


@dataclass(frozen=True)
class SelfCriticalConfig:
    """Make the captions likelier that are worth more, from a trained checkpoint on."""

    data: Annotated[Path, tyro.conf.Positional]  # the dataset's folder
    run: Annotated[Path, tyro.conf.Positional]  # where the run is kept
    start_from: Path  # a trained checkpoint
    epochs: int = 5
    photos: int = 40  # a step
    captions: int = 5  # that people wrote of each photo
    samples: int = 5  # captions drawn of each photo; at least 2
    teacher_forcing: float = 0.2  # weight of the loss on what people wrote, beside the reward
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    dropout: float = 0.3
    max_length: int = Options.max_length  # words
    views: int = 4  # augmented looks at every photo, one an epoch in turn
    crop: float = 0.5  # smallest share of a photo that a view leaves
    warmup: float = 0.05  # share of the steps
    clip: float = 1.0  # largest norm of the gradient
    average: float = 0.995  # decay of the averaged weights
    val_beam: int = 3  # beam width when epochs are compared
    seed: int = 0
    cache: Path | None = None  # for photos and what the encoder sees; beside the run otherwise
    resume: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return what defines the run, as plain values; not where it lies."""
        values = dataclasses.asdict(self)
        for name in ("data", "run", "cache", "resume"):
            del values[name]
        return values | {"start_from": self.start_from.name}


def self_critical(config: SelfCriticalConfig) -> Path:
    """Train from where the run stands to its last epoch.

    Returns:
        the best checkpoint, by CIDEr of the captions generated for the validation photos.

    Raises:
        CheckpointError: the checkpoint to start from cannot be read.
        DatasetError: nothing can be read from the dataset.
        RunError: the run's folder holds another run, or there is nothing to resume.
        SettingError: fewer than two captions are drawn of each photo.
    """
    if config.samples < 2:
        # Each caption is measured by the others of its photo, so one alone has nothing to learn.
        raise SettingError("--samples", config.samples, "at least 2")
    start, model = checkpoint.load(config.start_from)
    vocabulary, preprocessing = start.vocabulary, start.preprocessing
    dataset = read(config.data)
    accelerator = Accelerator()
    device = str(accelerator.device)
    arguments = config.arguments() | {"before": start.training}
    run_folder.prepare(config.run, config.arguments(), resume=config.resume)
    cache = config.cache or config.run / "cache"
    train = compute(dataset.split("train"), None, cache / "train", device, preprocessing)
    val = compute(dataset.split("val"), model.encoder, cache / "val", device, preprocessing)
    views = compute_views(
        train,
        model.encoder,
        cache / "train",
        device,
        Augmentation(config.crop),
        min(config.views, config.epochs),
        preprocessing,
    )
    reward = CiderD([[_ended(text, vocabulary) for text in r.captions] for r in train.records])

    model = _prepared(model, config).to(device)
    average, progress = resume(config.run, model, config.average)
    validator = Validator(config.run, arguments, vocabulary, val, preprocessing, config.val_beam)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def batches(epoch: int) -> Iterable[Batch]:
        view = views[epoch % len(views)]
        dataset = photo_dataset(view, train.records, vocabulary, config.max_length)
        return data_loader(dataset, config.photos, config.captions, seed=config.seed + epoch)

    def loss(grids: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        grids, written = grids.to(device).float(), tokens.to(device)
        with torch.autocast(grids.device.type, torch.bfloat16, enabled=half_is_fast(device)):
            minimized, mean = _loss(model, grids, written, reward, config)
        return minimized, torch.tensor(-mean, dtype=torch.float64)

    epochs = Epochs(
        "self-critical",
        first=1,
        last=config.epochs,
        steps=math.ceil(len(train.records) / config.photos),
        warmup=config.warmup,
        clip=config.clip,
        seed=config.seed,
    )
    optimizer = adamw([(trained, config.learning_rate)], config.weight_decay)
    train_epochs(epochs, model, average, optimizer, batches, loss, validator, progress, accelerator)
    return config.run / run_folder.BEST


def _ended(text: str, vocabulary: Vocabulary) -> list[int]:
    return [*vocabulary.encode(text), END]


def _prepared(model: Model, config: SelfCriticalConfig) -> Model:
    model.encoder.resnet.requires_grad_(False)
    model.decoder.dropout.p = config.dropout
    return model


def _loss(
    model: Model,
    grids: torch.Tensor,
    written: torch.Tensor,
    reward: CiderD,
    config: SelfCriticalConfig,
) -> tuple[torch.Tensor, float]:
    """Return what is minimized, and what the drawn captions are worth on average."""
    tokens, logprobs = draw(model, grids, config.samples, config.max_length)
    worth = _worth(reward, tokens, written, config)
    # Each is measured by the mean of the others: what a photo's captions are worth cancels out.
    mean = worth.mean(1, keepdims=True)
    advantage = (worth - mean) * config.samples / (config.samples - 1)
    gain = torch.from_numpy(advantage).to(logprobs).flatten()
    said = tokens != PAD
    loss = -(gain[:, None] * logprobs)[said].mean()
    if config.teacher_forcing:
        logits, _ = model(grids, written)
        following = written[:, 1:]
        targets = following[following != PAD]
        forced = functional.cross_entropy(
            logits.float(), targets, label_smoothing=config.label_smoothing
        )
        loss = loss + config.teacher_forcing * forced
    return loss, float(mean.mean())


def draw(
    model: Model, grids: torch.Tensor, samples: int, max_length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw captions word by word; gradients flow to how likely they were.

    Args:
        model: in training mode, on the device of `grids`.
        grids: what the encoder saw, `(photos, regions, channels)`.
        samples: captions of each photo.
        max_length: words; longer captions are cut.

    Returns:
        word ids `(photos * samples, length)`, the end token and then `PAD` behind each caption,
        and the natural logarithm of each word's probability.
    """
    decoder = model.decoder
    memory = model.encode_grid(grids)
    state = decoder.begin(memory, samples)
    words = torch.full((len(grids) * samples,), START, device=grids.device)
    going = torch.ones_like(words, dtype=torch.bool)
    tokens, logprobs = [], []
    for _ in range(max_length + 1):
        embedded = decoder.dropout(decoder.embedding(words))
        features, state, _ = decoder.advance(embedded, state, memory)
        logits = decoder.predict(features).float()
        logits[:, NEVER_GENERATED] = -torch.inf
        said = logits.log_softmax(-1)
        words = torch.multinomial(said.detach().exp(), 1).squeeze(1)
        tokens.append(words.masked_fill(~going, PAD))
        logprobs.append(said.gather(1, words[:, None]).squeeze(1))
        going = going & (words != END)
        if not going.any():
            break
    return torch.stack(tokens, 1), torch.stack(logprobs, 1)


def _worth(
    reward: CiderD, tokens: torch.Tensor, written: torch.Tensor, config: SelfCriticalConfig
) -> Reals:
    def by_photo(rows: torch.Tensor, count: int) -> Ids:
        return rows.cpu().numpy().reshape(-1, count, rows.shape[1])

    references = by_photo(written[:, 1:], config.captions)
    scores = reward(by_photo(tokens, config.samples), references)
    present = (references != PAD).any(-1)[:, None]
    return scores.sum(-1) / present.sum(-1)
