"""What the tests share: a tiny real model, built in a second, and small real photos.

What takes seconds to import is imported where it is used: the process that only hands the files out
to others reads this file first, and they wait for it.
"""

import copy
import gc
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from bot import logs
from bot.answers import CaptionPhoto
from captioner import Caption, Options, checkpoint
from captioner.checkpoint import Metadata, digest, exported_path
from captioner.config import ModelConfig
from captioner.explain import PHOTO_SIDE
from captioner.matching import Matching
from captioner.photo import sandbox
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Pixels, Preprocessing, shrink
from captioner.vocabulary import Vocabulary
from tests.bot import leaks

if TYPE_CHECKING:
    from captioner.model import Model
    from captioner.runtime.pytorch import PyTorchNetwork

logs.connect()
# A shell has the commands that it starts in the background ignore Ctrl-C, and so their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# A collection looks at every object of every library, for half a second, and training asks for
# many: none until all is imported, and then none of what was imported.
gc.disable()

LONG = bool(os.environ.get("TEST_ALL"))  # `make test-all` runs the long versions
long = pytest.mark.skipif(not LONG, reason="`make test-all` runs it")

# The files that take longest come first, so that no process is left alone with one at the end.
LONGEST = (
    "tests/deploy/test_captions.py",
    "tests/bot/web/page/test_page.py",
    "tests/bot/web/page/test_actions.py",
    "tests/bot/web/page/test_axe.py",
    "tests/bot/web/page/test_glass.py",
    "tests/train/test_fit.py",
    "tests/train/sweep/test_command.py",
    "tests/captioner/runtime/test_onnx.py",
    "tests/bot/test_kill.py",
    "tests/bot/test_kill_several.py",
    "tests/bot/test_main.py",
    "tests/captioner/test_main.py",
    "tests/captioner/photo/test_hostile.py",
    "tests/train/test_self_critical.py",
)

CAPTIONS = (
    "a black dog runs across green grass",
    "two young children play in the water",
    "man and woman sitting on red bench near big old tree",
)
VOCABULARY = Vocabulary.build(CAPTIONS)


def photo_bytes(seed: int, format: str = "JPEG") -> bytes:
    """Return the file of a photo, 96 x 80 pixels: coloured patches that the seed chooses."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    patches = torch.randint(256, (5, 6, 3), generator=generator, dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(patches.numpy()).resize((96, 80)).save(file, format)
    return file.getvalue()


def tiny_model(seed: int = 4, **fields: Any) -> "Model":
    """Build a small network in evaluation mode; `fields` are those of `ModelConfig`.

    Its weights are random, and scaled so that each photo gets a sentence of its own, and a
    sentence ends where the photo has it end.
    """
    return copy.deepcopy(_tiny_model(seed, tuple(sorted(fields.items()))))


@cache
def _tiny_model(seed: int, fields: tuple[tuple[str, Any], ...]) -> "Model":
    import torch

    from captioner.model import Model

    small = {"encoder": "resnet18", "embedding_size": 32, "hidden_size": 32}
    torch.manual_seed(seed)
    model = Model(
        ModelConfig(**{"vocabulary_size": len(VOCABULARY), **small, **dict(fields)})
    ).eval()
    with torch.no_grad():
        projection = model.encoder.projection
        common = model.encoder.grid(torch.randn(8, 3, 64, 64)).mean((0, 1))
        projection.bias.copy_(-projection.weight @ common)
        model.decoder.start.weight.mul_(4)
        model.decoder.cell.weight_ih.mul_(3)
        model.decoder.cell.weight_hh.mul_(3)
        model.decoder.output.weight.mul_(8)
    return model


def tiny_matching(words: int = len(VOCABULARY), channels: int = 512) -> Matching:
    """Place photos and words by chance; half precision holds it."""
    chance = np.random.default_rng(8)
    shapes = ((channels, 16), (16,), (words, 16))
    return Matching(
        *(chance.normal(size=shape).astype(np.float16).astype(np.float32) for shape in shapes)
    )


class Trained(NamedTuple):
    """A checkpoint in memory, as `checkpoint.load` returns it and `checkpoint.save` takes it."""

    metadata: Metadata
    model: "Model"

    def having(self, **fields: Any) -> "Trained":
        """Return the same with other metadata."""
        return Trained(replace(self.metadata, **fields), self.model)


def trained(model: "Model", **fields: Any) -> Trained:
    """Return a model with its metadata; `fields` are those of `Metadata`."""
    return Trained(Metadata(model.config, VOCABULARY, **fields), model)


def on_cpu(trained: Trained) -> tuple[Metadata, "PyTorchNetwork"]:
    """Return a network as `select.load` does, and as `Captioner` takes it."""
    from captioner.runtime.pytorch import PyTorchNetwork

    metadata, model = trained
    return metadata, PyTorchNetwork(model, metadata.preprocessing, "cpu")


async def pixels(photo: bytes) -> Pixels:
    """Decode a photo to draw on, as `Captioner.pixels` does, but here."""
    return shrink(decode(photo), PHOTO_SIDE)


def failing(error: Exception) -> CaptionPhoto:
    """Return a captioner that fails at every photo."""

    async def caption(photo: bytes, options: Options) -> Caption:
        raise error

    return caption


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest files run first; the order of all others, and within a file, stays."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over what the imports left."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Have PyTorch use one thread again, also after a test that lets it use more."""
    import torch

    # Small tensors are slower on several threads, and one thread gives the same sums everywhere.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def log_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which a token passes the levels of the logs; leave the logs as they were."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    with leaks.watched(monkeypatch) as found:
        yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    assert not found


@pytest.fixture(scope="session", autouse=True)
def one_decoder() -> Iterator[None]:
    """Decode photos in one process unless a test asks for more: each takes a third of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "FEWEST", 1)
        patch.setattr(sandbox, "cores", lambda: 1)
        yield


@pytest.fixture(scope="session")
def tiny() -> Trained:
    """Return a model for photos of 64 x 64 pixels, in which it tells 2 x 2 regions apart."""
    training, scores = {"seed": 4}, {"CIDEr": 0.5, "split": "test"}
    return trained(
        tiny_model(), preprocessing=Preprocessing(size=64), training=training, scores=scores
    )


@pytest.fixture(scope="session")
def tiny_file(tiny: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file in which `tiny` is saved."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    checkpoint.save(path, *tiny)
    return path


@pytest.fixture(scope="session")
def served_file(tiny: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of `tiny` with its exported network beside it: it needs no PyTorch.

    For tests that start whole processes, which would take four seconds to import PyTorch.
    """
    from captioner.export.command import export

    path = tmp_path_factory.mktemp("served") / "tiny.safetensors"
    checkpoint.save(path, *tiny)
    photos = np.random.default_rng(0).integers(256, size=(4, 64, 64, 3), dtype=np.uint8)
    export(*tiny, digest(path), photos, exported_path(path))
    return path


@pytest.fixture(scope="module")
def without_java() -> Iterator[None]:
    """Score with the tokenizer in pure Python: Java takes a second to start, every epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")
        yield


@pytest.fixture(scope="module")
def in_single_precision() -> Iterator[None]:
    """Let self-critical training say the same on every processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.self_critical.half_is_fast", lambda device: False)
        yield
