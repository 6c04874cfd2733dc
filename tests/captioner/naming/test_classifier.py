"""Objects are named where a caption is unsure, by a classifier that ships."""

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest

from captioner import Caption, Captioner, Options
from captioner.checkpoint import CheckpointError
from captioner.confidence import DOUBTFUL, Calibration
from captioner.naming.classifier import NAMES, NAMING, Naming, NamingConfig, save
from captioner.photo.decode import decode
from captioner.photo.preprocessing import middle
from captioner.result import NamedObject
from captioner.runtime.protocols import Squares
from captioner.serving import Measurement, ServingConfig
from captioner.shipped import WEIGHTS
from tests.conftest import Trained, on_cpu, photo_bytes

HARD = Path(__file__).parents[3] / "examples" / "hard"
CAT = NamedObject("a tabby cat", 0.9)
SURE = Calibration(right=50, intercept=9.0, mean=0.0, length=0.0)
UNSURE_OF_ALL = Calibration(right=50, intercept=-9.0, mean=0.0, length=0.0)


class AlwaysACat(Naming):
    """A classifier that needs no network; it keeps the shapes of what it was asked."""

    def __init__(self) -> None:
        self.config, self.asked = NamingConfig(32), list[tuple[int, ...]]()

    def name(self, photos: Squares) -> list[tuple[NamedObject, ...]]:
        self.asked.append(photos.shape)
        return [(CAT,)] * len(photos)


@pytest.fixture(scope="module")
def naming() -> Naming:
    return Naming.load()


async def captioned(
    tiny: Trained, calibration: Calibration, options: Options = Options()
) -> tuple[Caption, list[Measurement], list[tuple[int, ...]]]:
    measured: list[Measurement] = []
    naming = AlwaysACat()
    serving = ServingConfig(decoders=1)
    metadata, network = on_cpu(tiny.having(calibration=calibration))
    async with Captioner(metadata, network, serving, measured.append, naming) as captioner:
        caption = await captioner.caption(photo_bytes(1), options)
    return caption, measured, naming.asked


async def test_the_photo_of_an_unsure_caption_is_named(tiny: Trained) -> None:
    caption, measured, asked = await captioned(tiny, UNSURE_OF_ALL)
    assert caption.objects == (CAT,)
    assert asked == [(1, 32, 32, 3)]
    assert [one.stage for one in measured] == ["decode", "encoder", "decoder", "naming"]
    assert list(caption.seconds) == ["decode", "wait", "encoder", "decoder", "naming"]


async def test_the_photo_of_a_sure_caption_is_not_named(tiny: Trained) -> None:
    caption, measured, asked = await captioned(tiny, SURE)
    assert (caption.objects, asked) == ((), [])
    assert "naming" not in caption.seconds
    assert "naming" not in {one.stage for one in measured}


async def test_sampled_sentences_have_the_names_too(tiny: Trained) -> None:
    options = Options(sample=True, alternatives=2)
    caption, _, asked = await captioned(tiny, UNSURE_OF_ALL, options)
    assert [one.objects for one in (caption, *caption.alternatives)] == [(CAT,)] * 3
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("confidence", "out_of_distribution", "doubtful"),
    [(DOUBTFUL, False, False), (math.nextafter(DOUBTFUL, 0), False, True), (1.0, True, True)],
)
def test_a_caption_is_doubtful_below_a_confidence_or_out_of_distribution(
    confidence: float, out_of_distribution: bool, doubtful: bool
) -> None:
    caption = Caption("A dog.", -1, confidence, (), out_of_distribution=out_of_distribution)
    assert caption.doubtful is doubtful


async def test_a_captioner_stops_after_the_names_of_what_it_accepted(tiny: Trained) -> None:
    metadata, network = on_cpu(tiny.having(calibration=UNSURE_OF_ALL))
    captioner = Captioner(metadata, network, ServingConfig(decoders=1), naming=AlwaysACat())
    async with captioner:
        accepted = [asyncio.create_task(captioner.caption(photo_bytes(seed))) for seed in range(3)]
        await asyncio.sleep(0)
    assert [caption.objects for caption in await asyncio.gather(*accepted)] == [(CAT,)] * 3


@pytest.mark.parametrize(("photo", "name"), [("cat.jpg", "a cat"), ("coffee.jpg", "an espresso")])
def test_the_file_that_ships_names_a_real_photo(naming: Naming, photo: str, name: str) -> None:
    size = naming.config.size
    square = middle(decode((HARD / photo).read_bytes(), side=size), size)
    ((first, *_),) = naming.name(square[None])
    assert first.name == name
    assert naming.config.threshold <= first.confidence <= 1


def test_the_file_that_ships_is_small_and_has_its_licence() -> None:
    assert NAMING.stat().st_size <= 8e6
    licence = (WEIGHTS / "LICENSE-naming").read_text()
    assert "Apache License" in licence
    assert "changed in November 2026" in licence


def test_a_photo_is_named_the_same_alone_and_in_a_batch(naming: Naming) -> None:
    shape = (3, naming.config.size, naming.config.size, 3)
    photos = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    together = naming.logits(photos)
    alone = np.concatenate([naming.logits(photo[None]) for photo in photos])
    assert np.allclose(together, alone, atol=1e-4)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.onnx: there is no such file"):
        Naming.load(tmp_path / "none.onnx")
    with pytest.raises(CheckpointError, match=r"none\.tsv: there is no such file"):
        Naming.load(names=tmp_path / "none.tsv")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    cut, graph, words = tmp_path / "cut", tmp_path / "graph", tmp_path / "words.tsv"
    cut.write_bytes(NAMING.read_bytes()[:1000])
    save(graph, b"not a graph", NamingConfig(64))
    words.write_text("class\tname\nn1\ta cat\nn2\n")
    for file, names, broken in (
        (cut, NAMES, cut),
        (graph, NAMES, graph),
        (NAMING, words, words),
    ):
        with pytest.raises(CheckpointError, match=broken.name):
            Naming.load(file, names)


def test_a_checkpoint_is_not_a_file_for_naming(tiny_file: Path) -> None:
    with pytest.raises(CheckpointError, match="photo-captioner-naming-1"):
        Naming.load(tiny_file)


@pytest.mark.parametrize("values", [(0,), (64, 0.0), (64, 1.0, float("nan")), ("64",)])
def test_settings_that_make_no_sense_are_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^naming: "):
        NamingConfig(*values)


def test_the_table_and_the_network_must_have_the_same_classes(tmp_path: Path) -> None:
    words = tmp_path / "words.tsv"
    words.write_text("class\tname\nn1\ta cat\n")
    with pytest.raises(CheckpointError, match="1000 classes, the table 1"):
        Naming.load(names=words)
