"""Training batches: images with their captions, and augmentation that keeps the captions true."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from captioner.vision import transforms
from captioner.vocabulary import END, PAD, START, Vocabulary, tokenize
from train.datasets import Record

Item = tuple[torch.Tensor, list[list[int]], bool]
SIDES = {"left", "right"}


@dataclass(frozen=True)
class Images(Dataset[Item]):
    """Photos or cached grids with the captions of each as ids."""

    images: np.ndarray[Any, Any]  # (photos, 3, size, size) uint8, or (photos, regions, channels)
    captions: Sequence[Sequence[list[int]]]  # START, words, END; some for each photo
    sided: Sequence[bool]  # whether a caption names left or right, so that a flip would make it lie
    augment: bool = False

    def __len__(self) -> int:
        """Count the photos."""
        return len(self.captions)

    def __getitem__(self, index: int) -> Item:
        """Return one image, changed a little if it is to be augmented, with all its captions."""
        image = torch.from_numpy(np.array(self.images[index]))
        if self.augment:
            image = _augment(image, flip=not self.sided[index])
        return image, list(self.captions[index]), self.sided[index]


def images(
    array: np.ndarray[Any, Any],
    records: Sequence[Record],
    vocabulary: Vocabulary,
    max_length: int,
    *,
    augment: bool = False,
) -> Images:
    """Pair images with the captions of their records, cut after `max_length` words."""
    captions = [[_ids(text, vocabulary, max_length) for text in r.captions] for r in records]
    sided = [any(SIDES.intersection(tokenize(text)) for text in r.captions) for r in records]
    return Images(array, captions, sided, augment)


def loader(
    dataset: Images,
    photos: int,
    captions: int,
    *,
    seed: int,
    shuffle: bool = True,
    workers: int = 0,
) -> DataLoader[Item]:
    """Make batches `(images, tokens)`: tokens are `(photos * captions, length)`, `PAD` at the end.

    A photo with fewer captions has rows of `PAD` alone; of more, some are drawn by chance.
    """
    return DataLoader(
        dataset,
        photos,
        shuffle=shuffle,
        collate_fn=partial(_collate, captions=captions),
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
    )


def _ids(text: str, vocabulary: Vocabulary, max_length: int) -> list[int]:
    words = vocabulary.encode(text)
    # A caption that is cut does not end there, so it has no END to learn.
    return [START, *words[:max_length], *([END] if len(words) <= max_length else [])]


def _collate(items: Sequence[Item], captions: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [row for _, texts, _ in items for row in _choose(texts, captions)]
    longest = max(2, *(len(row) for row in rows))
    tokens = torch.full((len(rows), longest), PAD)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    return torch.stack([image for image, _, _ in items]), tokens


def _choose(texts: list[list[int]], count: int) -> list[list[int]]:
    order = torch.randperm(len(texts)).tolist()[:count] if len(texts) > count else range(len(texts))
    return [texts[index] for index in order] + [[]] * (count - len(texts))


def _augment(photo: torch.Tensor, *, flip: bool) -> torch.Tensor:
    size = photo.shape[-1]
    changes = [
        # Two thirds of the photo at the least, so that what the captions name is still in it.
        transforms.RandomResizedCrop(size, scale=(0.67, 1.0), ratio=(0.8, 1.25), antialias=True),
        transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
        *([transforms.RandomHorizontalFlip()] if flip else []),
    ]
    changed: torch.Tensor = transforms.Compose(changes)(photo)
    return changed
