"""The classifier that names objects is made from weights, calibrated and measured."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from captioner.export.efficientnet import EPSILON, STRIDES, classifier_graph
from captioner.naming.classifier import NAMES, NAMING, Naming
from captioner.naming.object_names import ObjectNames, softmax
from captioner.runtime.onnx_decoder import session
from tests.conftest import photo_bytes
from train.errors import PathError
from train.fitting.naming import first, is_right, said, temperature
from train.name import NameConfig, name

SIZE = 32
CHANNELS = (2, 3, 4, 5, 6, 7, 8)  # of the stages
HEAD = 64
PETS = ObjectNames(
    [
        ("a tabby cat", "a cat", "an animal"),
        ("a Siamese cat", "a cat", "an animal"),
        ("a beagle", "a dog", "an animal"),
        ("a cup",),
    ]
)


def random_weights(blocks_in_a_stage: int = 2) -> dict[str, torch.Tensor]:
    """Return the state of a small EfficientNet-Lite, by the names of its package."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, out: int, inside: int, kernel: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, inside, kernel, kernel) / inside**0.5
        state[f"{norm}.weight"] = torch.rand(out) + 0.5
        state[f"{norm}.bias"] = torch.randn(out)
        state[f"{norm}.running_mean"] = torch.randn(out) / 4
        state[f"{norm}.running_var"] = torch.rand(out) + 0.5

    convolution("_conv_stem", "_bn0", 4, 3, 3)
    before, index = 4, 0
    for out in CHANNELS:
        for _ in range(blocks_in_a_stage):
            block, wide = f"_blocks.{index}.", before if index == 0 else 3 * before
            if index:
                convolution(f"{block}_expand_conv", f"{block}_bn0", wide, before, 1)
            convolution(f"{block}_depthwise_conv", f"{block}_bn1", wide, 1, 5 if out % 2 else 3)
            convolution(f"{block}_project_conv", f"{block}_bn2", out, wide, 1)
            before, index = out, index + 1
    convolution("_conv_head", "_bn1", HEAD, before, 1)
    return state | {"_fc.weight": torch.randn(1000, HEAD), "_fc.bias": torch.randn(1000)}


def in_pytorch(state: dict[str, torch.Tensor], photos: torch.Tensor) -> torch.Tensor:
    """Compute the logits of photos `(batch, 3, size, size)` as the paper describes the network."""

    def convolve(x: torch.Tensor, name: str, norm: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        groups = len(weight) if "depthwise" in name else 1
        rest = max(0, (-(-x.shape[-1] // stride) - 1) * stride + weight.shape[-1] - x.shape[-1])
        padded = functional.pad(x, [rest // 2, rest - rest // 2] * 2)
        found = functional.conv2d(padded, weight, stride=stride, groups=groups)
        mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        scale, shift = state[f"{norm}.weight"], state[f"{norm}.bias"]
        return functional.batch_norm(found, mean, variance, scale, shift, eps=EPSILON)

    x = functional.relu6(convolve((photos.float() - 127) / 128, "_conv_stem", "_bn0", 2))
    per_stage = sum("project_conv" in key for key in state) // len(CHANNELS)
    for index in range(per_stage * len(CHANNELS)):
        block, before = f"_blocks.{index}.", x
        stride = STRIDES[index // per_stage] if index % per_stage == 0 else 1
        if index:
            x = functional.relu6(convolve(x, f"{block}_expand_conv", f"{block}_bn0"))
        x = functional.relu6(convolve(x, f"{block}_depthwise_conv", f"{block}_bn1", stride))
        x = convolve(x, f"{block}_project_conv", f"{block}_bn2")
        if index % per_stage:
            x = x + before
    x = functional.relu6(convolve(x, "_conv_head", "_bn1")).mean((2, 3))
    return functional.linear(x, state["_fc.weight"], state["_fc.bias"])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with a photo of each of the first twelve classes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = NAMES.read_text().splitlines()[1:13]
    for index, row in enumerate(rows):
        (folder / f"{row[:9]}_thing.JPEG").write_bytes(photo_bytes(index))
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.mark.parametrize("blocks", [1, 2])
def test_the_graph_computes_what_pytorch_does(blocks: int) -> None:
    state = random_weights(blocks)
    squares = np.random.default_rng(0).integers(256, size=(2, SIZE, SIZE, 3), dtype=np.uint8)
    graph = classifier_graph({key: value.numpy() for key, value in state.items()}, SIZE)
    runtime = session(np.frombuffer(graph.SerializeToString(), np.uint8), threads=1)
    (found,) = runtime.run(None, {"photos": squares})
    wanted = in_pytorch(state, torch.from_numpy(squares).permute(0, 3, 1, 2)).numpy()
    # The last matrix is in 8 bits.
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()


def test_a_file_is_made_calibrated_and_measured(
    photos: Path, tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, made = tmp_path / "weights.pth", tmp_path / "made"
    torch.save(random_weights(), weights)

    name(NameConfig(photos, weights, SIZE, 0.7, made, tiny_file, "cpu"))

    naming = Naming.load(made)
    assert (naming.config.size, naming.config.threshold) == (SIZE, 0.7)
    assert naming.config.temperature > 1  # the weights are random
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert str(naming.config) in lines[0]
    assert lines[1].startswith("9 other photos: the first name is right for ")
    assert lines[8].startswith("3 test photos: ")
    assert "caption is out of distribution or below 0.33" in lines[-3]


def test_a_folder_without_photos_of_classes_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="no photos"):
        name(NameConfig(tmp_path))


def test_weights_of_another_network_are_named(photos: Path, tmp_path: Path) -> None:
    other, text = tmp_path / "other.pth", tmp_path / "text.pth"
    torch.save({"weight": torch.zeros(3)}, other)
    text.write_text("no weights")
    for path in (other, text, tmp_path / "none.pth"):
        with pytest.raises(PathError, match=path.name):
            name(NameConfig(photos, path, SIZE, file=tmp_path / "made"))
    assert not (tmp_path / "made").exists()
    assert NAMING.exists()


def test_the_temperature_that_fits_undoes_a_wrong_scale() -> None:
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(4000, 5)).astype(np.float32)
    classes = np.array([chance.choice(5, p=row) for row in softmax(logits, 1)])
    assert temperature(logits * 2, classes) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize(
    ("classes", "wanted"),
    [
        ([0.6, 0.1, 0.2, 0.1], "a tabby cat"),
        ([0.3, 0.28, 0.3, 0.12], "a tabby cat"),
        ([0.0, 0.0, 0.4, 0.6], "a cup"),
    ],
)
def test_the_first_name_is_of_the_likeliest_group(classes: list[float], wanted: str) -> None:
    assert first(PETS, np.array(classes)) == wanted


def test_between_three_that_are_much_alike_the_first_name_is_the_groups() -> None:
    names = ObjectNames([(f"a dog {index}", "a dog") for index in range(3)] + [("a cup",)])
    assert first(names, np.array([0.3, 0.2, 0.2, 0.3])) == "a dog"


def test_a_name_that_is_too_wide_is_true_but_not_right() -> None:
    assert is_right("a cat", PETS.paths[0])
    assert not is_right("an animal", PETS.paths[0])
    found = np.array([[0.9, 0.1, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 1.0], [0.4, 0, 0.1, 0.5]])
    measured = said(PETS, found, np.array([0, 0, 2, 0]), 0.8)
    assert measured.share == pytest.approx(3 / 4)
    assert measured.right == pytest.approx(1 / 3)
    assert measured.true == pytest.approx(2 / 3)
