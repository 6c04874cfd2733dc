"""Encode and decode many photos, a batch at a time, for training and evaluation."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from captioner.decoding.generate import generate
from captioner.languages.repetition import SmallWords
from captioner.matching import Matching
from captioner.model import Encoder, Model
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from captioner.reranking import Hypothesis
from captioner.runtime.protocols import Memory, Network, Runnable
from captioner.vocabulary import Vocabulary

Array = np.ndarray[Any, Any]
Encoded = TypeVar("Encoded")

BATCH = 50  # photos; with a beam of 5 that is as many rows as a training step has


def in_batches(
    encode: Callable[[Array], Encoded], photos: Iterable[Array], size: int
) -> Iterator[Encoded]:
    """Encode photos a batch at a time; each batch is computed when it is asked for.

    Args:
        encode: a function of a batch; see `Runnable.encode` and `grid_encoder`.
        photos: arrays of the same shape; a stream is read a batch at a time.
        size: photos in a batch; the last one may have fewer.
    """
    rest = iter(photos)
    while batch := list(islice(rest, size)):
        yield encode(np.stack(batch))


def encode_all(
    network: Runnable[Any], photos: Iterable[Array], count: int
) -> Iterator[Memory[Any]]:
    """Encode photos as the captioner does when it serves.

    Args:
        network: on its device; see `captioner.runtime.select`.
        photos: `(size, size, 3)` each, uint8, squeezed.
        count: how many photos to expect, for the progress bar.
    """
    batches = in_batches(network.encode, photos, BATCH)
    yield from tqdm(batches, "encode", -(-count // BATCH), unit="batch", leave=False)


def decode_all(
    network: Network[Any],
    memories: Iterable[Memory[Any]],
    options: Options,
    matching: Matching | None = None,
    small_words: SmallWords | None = None,
    *,
    batches: int | None = None,
) -> list[list[Hypothesis]]:
    """Generate captions for batches of encoded photos; see `captioner.decoding.generate.generate`.

    Args:
        network: in evaluation mode, on its device.
        memories: one for each batch.
        options: of the search.
        matching: of the network, by which captions are reranked.
        small_words: of its vocabulary; without them a caption may repeat a word.
        batches: how many to expect, for the progress bar, if `memories` has no length.

    Returns:
        the hypotheses of each photo, the best first.
    """
    found: list[list[Hypothesis]] = []
    for memory in tqdm(memories, "decode", batches, unit="batch", leave=False):
        found += generate(network, memory, options, matching, small_words)
    return found


def best_captions(found: Iterable[list[Hypothesis]], vocabulary: Vocabulary) -> list[str]:
    """Return each photo's best hypothesis as a sentence."""
    return [vocabulary.decode(hypotheses[0].tokens) for hypotheses in found]


def grid_encoder(
    encoder: Encoder, preprocessing: Preprocessing, device: str
) -> Callable[[Array], Array]:
    """Move an encoder to a device, and return a function that computes grids there.

    Args:
        encoder: in evaluation mode.
        preprocessing: of the photos.
        device: where to compute, in half precision where that is faster.

    Returns:
        a function from squeezed photos `(batch, 3, size, size)`, uint8, to their grids
        `(batch, regions, channels)`, float32.
    """
    encoder.to(device)
    half = half_is_fast(device)

    @torch.inference_mode()
    def grids(photos: Array) -> Array:
        batch = torch.from_numpy(photos).to(device)
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=half):
            grid = encoder.grid(preprocessing.normalize(batch))
        return grid.float().cpu().numpy()

    return grids


def encode_grids(
    encoder: Encoder, photos: Array, preprocessing: Preprocessing, device: str
) -> Array:
    """Return the grids of photos `(photos, 3, size, size)`; see `grid_encoder`."""
    grids = in_batches(grid_encoder(encoder, preprocessing, device), photos, BATCH)
    total = -(-len(photos) // BATCH)
    return np.concatenate([*tqdm(grids, "encode", total, unit="batch", leave=False)])


@torch.inference_mode()
def decode_grids(
    model: Model,
    grids: Array,
    options: Options,
    device: str,
    small_words: SmallWords | None = None,
) -> list[list[Hypothesis]]:
    """Generate captions from the grids of photos.

    Args:
        model: in evaluation mode, on `device`.
        grids: `(photos, regions, channels)`; see `grid_encoder`.
        options: of the search.
        device: where to compute.
        small_words: of the vocabulary; without them a caption may repeat a word.

    Returns:
        the hypotheses of each photo, the best first.
    """

    def remember(batch: Array) -> Memory[torch.Tensor]:
        return model.encode_grid(torch.from_numpy(batch).to(device).float())

    memories = in_batches(remember, grids, BATCH)
    total = -(-len(grids) // BATCH)
    return decode_all(model, memories, options, small_words=small_words, batches=total)


def half_is_fast(device: str) -> bool:
    """Return whether bfloat16 is worth its rounding: on GPUs and CPUs with instructions for it."""
    if device.startswith("cpu"):  # accelerate calls it cpu:0 where there are several processes
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return device.startswith("cuda") and torch.cuda.is_bf16_supported()
