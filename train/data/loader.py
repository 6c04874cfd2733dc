"""Training batches: images with their captions, and augmentation that keeps captions true."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from captioner.vision import transforms
from captioner.vocabulary import END, PAD, START, UNKNOWN, Vocabulary, tokenize
from train.data.datasets import Record

Item = tuple[torch.Tensor, list[list[int]]]  # an image and its captions as ids
SIDES = {"left", "right"}
GREY = 116  # near the mean of ImageNet's photos, which is zero after normalization


@dataclass(frozen=True)
class Augmentation:
    """Random changes of photos, so that no two epochs get the same pixels."""

    crop: float = 0.67  # smallest share of a photo that is kept; captions must stay true of it
    erase: float = 0.0  # share of photos in which a rectangle is blanked

    def __call__(self, photo: torch.Tensor, *, flip: bool) -> torch.Tensor:
        """Change a photo `(3, size, size)`, uint8; it may be mirrored only if `flip`."""
        size = photo.shape[-1]
        changes = [
            transforms.RandomResizedCrop(
                size, scale=(self.crop, 1.0), ratio=(0.8, 1.25), antialias=True
            ),
            transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            transforms.RandomErasing(self.erase, scale=(0.02, 0.2), value=GREY),
            *([transforms.RandomHorizontalFlip()] if flip else []),
        ]
        changed: torch.Tensor = transforms.Compose(changes)(photo)
        return changed


@dataclass(frozen=True)
class Images(Dataset[Item]):
    """Photos or cached grids with the captions of each as ids."""

    images: np.ndarray[Any, Any]  # (photos, 3, size, size) uint8, or (photos, regions, channels)
    captions: Sequence[Sequence[list[int]]]  # START, words, END; at least one for each photo
    sided: Sequence[bool]  # whether a caption names left or right, so a flip would make it false
    augmentation: Augmentation | None = None

    def __len__(self) -> int:
        """Count the photos."""
        return len(self.captions)

    def __getitem__(self, index: int) -> Item:
        """Return one image, augmented if that is configured, with all its captions."""
        image = torch.from_numpy(np.array(self.images[index]))
        if self.augmentation:
            image = self.augmentation(image, flip=not self.sided[index])
        return image, list(self.captions[index])


def photo_dataset(
    array: np.ndarray[Any, Any],
    records: Sequence[Record],
    vocabulary: Vocabulary,
    max_length: int,
    *,
    augmentation: Augmentation | None = None,
) -> Images:
    """Pair images with the captions of their records, cut after `max_length` words."""
    captions = [[_ids(text, vocabulary, max_length) for text in r.captions] for r in records]
    sided = [names_a_side(record.captions) for record in records]
    return Images(array, captions, sided, augmentation)


def names_a_side(captions: Sequence[str]) -> bool:
    """Return whether a caption names left or right, so a flip would make it false."""
    return any(SIDES.intersection(tokenize(text)) for text in captions)


def data_loader(
    dataset: Images,
    photos: int,
    captions: int,
    *,
    seed: int,
    shuffle: bool = True,
    workers: int = 0,
) -> DataLoader[Item]:
    """Make batches `(images, tokens)`: tokens are `(photos * captions, length)`, `PAD` at the end.

    A photo with fewer captions gets rows of `PAD`; of one with more, some captions are sampled.
    """
    return DataLoader(
        dataset,
        photos,
        shuffle=shuffle,
        collate_fn=partial(_collate, captions=captions),
        num_workers=workers,
        generator=torch.Generator().manual_seed(seed),
    )


def drop_words(tokens: torch.Tensor, share: float) -> torch.Tensor:
    """Apply word dropout: replace a share of the words by `UNKNOWN`.

    It makes the decoder rely on the photo (Bowman et al., *Generating Sentences from a Continuous
    Space*, CoNLL 2016). `START`, `END` and `PAD` stay.
    """
    dropped = (torch.rand(tokens.shape, device=tokens.device) < share) & (tokens > UNKNOWN)
    return tokens.masked_fill(dropped, UNKNOWN)


def _ids(text: str, vocabulary: Vocabulary, max_length: int) -> list[int]:
    words = vocabulary.encode(text)
    # A caption that is cut does not end there, so it gets no END.
    return [START, *words[:max_length], *([END] if len(words) <= max_length else [])]


def _collate(items: Sequence[Item], captions: int) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [row for _, texts in items for row in _sample(texts, captions)]
    longest = max(2, *(len(row) for row in rows))
    tokens = torch.full((len(rows), longest), PAD)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row, dtype=torch.long)
    return torch.stack([image for image, _ in items]), tokens


def _sample(texts: list[list[int]], count: int) -> list[list[int]]:
    order = torch.randperm(len(texts)).tolist()[:count] if len(texts) > count else range(len(texts))
    return [texts[index] for index in order] + [[]] * (count - len(texts))
