"""Training batches: images with their captions, put together where the network computes.

The images of a split are kept on the device if they fit there; then an epoch copies nothing to it
but the words. Otherwise each batch is copied from a memory-mapped file. Photos are augmented on the
device.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from captioner.languages.orthography import tokenize
from captioner.vocabulary import END, PAD, START, UNKNOWN, Vocabulary
from train.data.augmentation import Augmentation
from train.data.datasets import Record
from train.data.draws import Draws
from train.data.sides import SIDES
from train.processes import prints

Array = np.ndarray[Any, Any]

SHARE = 0.5  # of a GPU's free memory that images may take; the network and its gradients follow


class Batch(NamedTuple):
    """The photos of a step that this process has."""

    images: torch.Tensor  # (photos, ...), photos or grids
    tokens: torch.Tensor  # (photos * captions, length), of their captions, with PAD at the end
    draws: Draws  # more random numbers for these photos


@dataclass(frozen=True)
class Images:
    """Photos or cached grids with the captions of each as ids."""

    # (photos, 3, size, size) uint8, or (photos, regions, channels); a tensor is on the device.
    images: Array | torch.Tensor
    tokens: torch.Tensor  # (photos, captions, length), START, words, END, then PAD
    sided: torch.Tensor  # (photos,), whether a caption names left or right: a flip makes it false
    augmentation: Augmentation | None = None
    rows: torch.Tensor | None = None  # (photos,), the image of each; None: they are in this order

    def __len__(self) -> int:
        """Count the photos."""
        return len(self.tokens)

    def batch(self, photos: torch.Tensor, device: str, draws: Draws) -> torch.Tensor:
        """Return some images, by their indices, on a device; augmented if that is configured."""
        rows = photos if self.rows is None else self.rows[photos]
        if isinstance(self.images, torch.Tensor):
            images = self.images[moved(rows, device)]
        else:
            images = moved(torch.from_numpy(self.images[rows.numpy()]), device)
        if self.augmentation is None:
            return images
        return self.augmentation(images, moved(~self.sided[photos], device), draws)


def photo_dataset(
    images: Array | torch.Tensor,
    records: Sequence[Record],
    vocabulary: Vocabulary,
    max_length: int,
    *,
    augmentation: Augmentation | None = None,
) -> Images:
    """Pair images with the captions of their records, cut after `max_length` words."""
    rows = [_ids(text, vocabulary, max_length) for r in records for text in r.captions]
    groups = pad_sequence(rows, True, PAD).split([len(record.captions) for record in records])
    sided = torch.tensor([names_a_side(record.captions) for record in records])
    return Images(images, pad_sequence(groups, True, PAD), sided, augmentation)


def names_a_side(captions: Sequence[str]) -> bool:
    """Return whether a caption names left or right, so a flip would make it false."""
    return any(SIDES.intersection(tokenize(text)) for text in captions)


def on_device(images: Array, device: str) -> Array | torch.Tensor:
    """Move all images to a GPU; where they do not fit, say so and return them as they are."""
    if not device.startswith("cuda"):
        return images
    free, _ = torch.cuda.mem_get_info(device)
    if images.nbytes > SHARE * free:
        if prints():
            print(
                f"{images.nbytes / 1e9:.1f} GB of images do not fit into half of the "
                f"{free / 1e9:.1f} GB that are free on the GPU; each batch is copied from the "
                "cache",
                flush=True,
            )
        return images
    dtype = torch.from_numpy(np.empty(0, images.dtype)).dtype
    found = torch.empty(images.shape, dtype=dtype, device=device)
    for first in range(0, len(images), 1000):  # the file need not fit into memory
        part = slice(first, first + 1000)
        found[part] = torch.from_numpy(np.array(images[part]))
    return found


def data_loader(
    dataset: Images,
    photos: int,
    captions: int,
    *,
    seed: int,
    shuffle: bool = True,
    device: str = "cpu",
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Make the batches of an epoch, on a device.

    Args:
        dataset: of the images.
        photos: in a step, of all processes; the last step may have fewer.
        captions: of each photo. One with fewer gets rows of `PAD`; of one with more, some captions
            are sampled.
        seed: of the order, of the captions and of the augmentation.
        shuffle: whether the order is random.
        device: where the batches are needed.
        share: of several processes, which one this is, and how many there are. Together they have
            the photos, captions and random numbers that one process would have in the step.

    Yields:
        this process's share of each step. Where a step has too few photos for all processes, some
        get a photo without captions.
    """
    number, processes = share
    chance = torch.Generator().manual_seed(seed)
    count = len(dataset)
    order = torch.randperm(count, generator=chance) if shuffle else torch.arange(count)
    generator = torch.Generator(device).manual_seed(seed)
    for index in order.split(photos):
        first, last = (len(index) * one // processes for one in (number, number + 1))
        tokens = _choose(dataset.tokens[index], captions, chance)[
            first * captions : last * captions
        ]
        if first == last:  # every process has to take the step
            first, last = 0, 1
            tokens = torch.full((captions, tokens.shape[1]), PAD)
        draws = Draws(generator, first, len(index))
        images = dataset.batch(index[first:last], device, draws)
        yield Batch(images, moved(tokens, device), draws)


def drop_words(
    tokens: torch.Tensor, share: float, chance: torch.Tensor | None = None
) -> torch.Tensor:
    """Apply word dropout: replace a share of the words by `UNKNOWN`.

    It makes the decoder rely on the photo (Bowman et al., *Generating Sentences from a Continuous
    Space*, CoNLL 2016). `START`, `END` and `PAD` stay.

    Args:
        tokens: `(rows, length)`.
        share: of the words.
        chance: a random number below 1 for each word; None draws them here.
    """
    if chance is None:
        chance = torch.rand(tokens.shape, device=tokens.device)
    return tokens.masked_fill((chance < share) & (tokens > UNKNOWN), UNKNOWN)


def moved(tensor: torch.Tensor, device: str) -> torch.Tensor:
    """Copy a tensor from memory to a device; to a GPU without waiting for it."""
    if not device.startswith("cuda"):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def _ids(text: str, vocabulary: Vocabulary, max_length: int) -> torch.Tensor:
    words = vocabulary.encode(text)
    # A caption that is cut does not end there, so it gets no END.
    ended = [END] if len(words) <= max_length else []
    return torch.tensor([START, *words[:max_length], *ended])


def _choose(tokens: torch.Tensor, count: int, chance: torch.Generator) -> torch.Tensor:
    """Choose captions: `(photos, captions, length)` to `(photos * count, length)`."""
    photos, captions, _ = tokens.shape
    if captions > count:
        missing = tokens[:, :, 0] == PAD  # these come last
        order = (torch.rand(photos, captions, generator=chance) + missing).argsort(1)[:, :count]
        tokens = tokens[torch.arange(photos)[:, None], order]
    rows = torch.full((photos, count, tokens.shape[-1]), PAD)
    rows[:, : tokens.shape[1]] = tokens
    longest = max(2, int((rows != PAD).sum(-1).max()))
    return rows.flatten(0, 1)[:, :longest]
