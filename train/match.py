"""Fit the embeddings that measure how well captions match photos; see `captioner.matching`.

    python -m train match runs/second/best.safetensors --data data/flickr8k --save FILE

The loss is contrastive: in a batch, each photo must be matched with its own reference caption, and
each caption with its own photo (A. Radford et al., *Learning Transferable Visual Models From
Natural Language Supervision*, ICML 2021). The encoder is frozen; it encodes every photo in a few
augmented views, which are cached, so the command continues after an interruption. `--save` writes a
checkpoint that reranks its captions by the result; calibrate it again, because its captions change.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.matching import TINY, Matching
from captioner.model import Model
from captioner.options import Options
from captioner.runtime.protocols import Floats
from captioner.runtime.pytorch import PyTorchNetwork
from captioner.shipped import find
from captioner.vocabulary import PAD, Vocabulary
from train.captioning import Array, encode_all
from train.data.augmentation import Augmentation
from train.data.datasets import DatasetError, Record, read
from train.data.feature_cache import Data, compute, compute_views
from train.data.photos import check_readable, read_photos
from train.data.words import warn
from train.fitting.optimization import adamw, schedule
from train.limits import check, check_folder
from train.run_folder import results_folder

SCALE = 10.0  # of the cosines before the first step; it is learned
LARGEST_SCALE = 50.0
RANKS = (1, 5, 10)


@dataclass(frozen=True)
class MatchConfig:
    """Fit the embeddings that rerank captions by how well they match a photo."""

    checkpoint: Annotated[Path, tyro.conf.Positional]  # a file, or default or small
    data: Path = Path("data/flickr8k")  # the dataset's folder
    languages: Path | None = None  # a folder: fit the languages of its captions instead
    size: int = 512  # of the embeddings of photos and words
    epochs: int = 48  # of fitting
    photos: int = 200  # in a step; each is matched against all
    learning_rate: float = 4e-3  # the highest of the schedule
    weight_decay: float = 0.05  # of AdamW, for matrices only
    dropout: float = 0.5  # of a photo's features, and of words
    label_smoothing: float = 0.1  # the probability spread over all photos, or captions, of a step
    views: int = 2  # augmented views of each photo
    crop: float = Augmentation.crop  # smallest share of a photo that a view keeps
    warmup: float = 0.1  # share of the steps
    clip: float = 2.0  # largest norm of the gradient
    seed: int = 0  # of the first embeddings and the order of photos
    cache: Path | None = None  # for photos and features; by default in the folder of results
    save: Path | None = None  # write the checkpoint here, with what was fitted
    device: str = "auto"  # of the encoder; the embeddings are too small to need a GPU


def match(config: MatchConfig) -> Metadata:
    """Encode the training photos, fit, and measure on the validation split.

    Returns:
        the checkpoint's metadata with what was fitted, and without its calibration, which was
        fitted to other captions.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DatasetError: the dataset or one of its splits cannot be read, or is too small.
        PathError: a folder or file cannot be written.
        SettingError: a setting has a value that is not allowed.
    """
    check(config)
    cache = config.cache or results_folder(config.checkpoint) / "cache"
    check_folder(cache, "cannot be the folder of the cache; choose another with --cache")
    trained, model = checkpoint.load(find(config.checkpoint))
    network = PyTorchNetwork(model, trained.preprocessing, config.device)
    dataset = read(config.data)
    if len(dataset.split("train")) < 2:
        raise DatasetError("one training photo is too few: there are no others to compare it with")
    check_readable(dataset.split("train"), trained.preprocessing)
    warn(dataset.split("train"), trained.vocabulary)
    val, squares = read_photos(dataset.split("val"), trained.preprocessing)
    memories = encode_all(network, squares, len(squares))
    pooled = np.concatenate([network.pooled_features(memory) for memory in memories])
    data = compute(dataset.split("train"), None, cache / "train", "cpu", trained.preprocessing)
    views = pooled_views(trained, model, data, cache / "train", network.device, config)
    matching = fit(views, caption_ids(data.records, trained.vocabulary), trained.vocabulary, config)
    print(recall(matching, pooled, val, trained.vocabulary))
    matched = dataclasses.replace(trained, matching=matching, calibration=None)
    if config.save:
        checkpoint.save(config.save, matched, model)
    return matched


def fit(
    views: Sequence[Floats],
    sentences: torch.Tensor,
    vocabulary: Vocabulary,
    config: MatchConfig,
    photo: Matching | None = None,
) -> Matching:
    """Fit the embeddings of photos and words.

    Args:
        views: `(photos, channels)` each; see `Network.pooled_features`.
        sentences: `(photos, sentences, words)`, word ids, then `PAD`.
        vocabulary: of the sentences.
        config: how to fit.
        photo: has the embedding of photos that words are fitted to; None: it is fitted too.

    Returns:
        the embeddings, rounded as a checkpoint keeps them.
    """
    torch.manual_seed(config.seed)
    features = torch.from_numpy(np.stack(views))
    photos, channels = features.shape[1:]
    size = config.size if photo is None else len(photo.bias)
    embeddings = _Embeddings(channels, len(vocabulary), config, size).train()
    if photo:
        embeddings.keep(photo)
    fitted = [parameter for parameter in embeddings.parameters() if parameter.requires_grad]
    optimizer = adamw([(fitted, config.learning_rate)], config.weight_decay)
    steps = math.ceil(photos / config.photos)
    rates = schedule(optimizer, config.warmup, steps * config.epochs, 0)
    for _ in tqdm(range(config.epochs), "match", leave=False):
        for batch in torch.randperm(photos).split(config.photos):
            view = int(torch.randint(len(features), (1,)))
            which = torch.randint(sentences.shape[1], (len(batch),))
            loss = embeddings(
                features[view, batch], sentences[batch, which], config.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(embeddings.parameters(), config.clip)
            optimizer.step()
            rates.step()
    return embeddings.matching()


class _Embeddings(nn.Module):
    """The joint embedding space while it is fitted."""

    def __init__(self, channels: int, words: int, config: MatchConfig, size: int) -> None:
        super().__init__()
        self.photo = nn.Linear(channels, size)
        self.words = nn.Embedding(words, size, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=0.1)
        self.scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, pooled: torch.Tensor, sentences: torch.Tensor, smoothing: float
    ) -> torch.Tensor:
        """Return the mean contrastive loss of photos and sentences, in nats.

        Args:
            pooled: `(photos, channels)`, features.
            sentences: `(photos, words)`, one for each photo.
            smoothing: of the labels.
        """
        standardized = functional.layer_norm(pooled, pooled.shape[1:], eps=TINY)
        photos = functional.normalize(self.photo(self.dropout(standardized)), dim=-1)
        present = (sentences != PAD).unsqueeze(-1)
        words = self.dropout(self.words(sentences)) * present
        means = words.sum(1) / present.sum(1).clamp(min=1)
        scale = self.scale.exp().clamp(max=LARGEST_SCALE)
        cosines = scale * photos @ functional.normalize(means, dim=-1).T
        own = torch.arange(len(pooled))
        losses = (
            functional.cross_entropy(table, own, label_smoothing=smoothing)
            for table in (cosines, cosines.T)
        )
        return sum(losses, torch.zeros(())) / 2

    def keep(self, fitted: Matching) -> None:
        """Take an embedding of photos that was fitted before, and keep it as it is."""
        self.photo.weight.data = torch.from_numpy(fitted.weight.T.copy())
        self.photo.bias.data = torch.from_numpy(fitted.bias.copy())
        self.photo.requires_grad_(False)

    def matching(self) -> Matching:
        """Return the embeddings as they serve, in half precision."""
        return Matching(
            *(
                tensor.detach().half().float().numpy()
                for tensor in (self.photo.weight.T, self.photo.bias, self.words.weight)
            )
        )


def pooled_views(
    trained: Metadata, model: Model, data: Data, folder: Path, device: str, config: MatchConfig
) -> list[Floats]:
    """Return the pooled features of each photo, in each of its views.

    Args:
        trained: the checkpoint's metadata.
        model: of the checkpoint.
        data: the photos of the training split.
        folder: of the cache.
        device: where to compute.
        config: how many views, and how they are augmented.
    """
    changes, encoder = Augmentation(config.crop), model.encoder
    grids = compute_views(
        data, encoder, folder, device, changes, config.views, trained.preprocessing
    )
    return [_means(grid) for grid in grids]


def _means(grids: Array) -> Floats:
    # One photo at a time, because the file may be a gigabyte.
    return np.stack([grid.mean(0, dtype=np.float32) for grid in grids])


def caption_ids(records: Sequence[Record], vocabulary: Vocabulary) -> torch.Tensor:
    """Return captions as word ids: `(photos, captions, words)`; a photo with fewer repeats some.

    Args:
        records: with the captions.
        vocabulary: of the captions.
    """
    most = max(len(record.captions) for record in records)
    ids = [
        [vocabulary.encode(text)[: Options.max_length] for text in record.captions]
        for record in records
    ]
    longest = max(1, *(len(words) for texts in ids for words in texts))
    sentences = torch.full((len(records), most, longest), PAD)
    for photo, texts in enumerate(ids):
        for index in range(most):
            words = texts[index % len(texts)]
            sentences[photo, index, : len(words)] = torch.tensor(words)
    return sentences


def recall(
    matching: Matching, pooled: Floats, records: Sequence[Record], vocabulary: Vocabulary
) -> str:
    """Describe how often a photo's first caption is among the captions that match it best.

    Args:
        matching: what was fitted.
        pooled: `(photos, channels)`, the encoder's features.
        records: of the photos.
        vocabulary: of the captions.
    """
    captions = [tuple(vocabulary.encode(record.captions[0])) for record in records]
    rank = [
        sum(other >= cosines[index] for other in cosines)
        for index, cosines in enumerate(
            matching.cosines(photo, captions) for photo in matching.embed(pooled)
        )
    ]
    shares = [f"{100 * np.mean(np.array(rank) <= most):.1f} % at {most}" for most in RANKS]
    return f"validation captions found among {len(captions)} by their photo: {', '.join(shares)}"
