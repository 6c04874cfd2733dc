"""Rounded weights are near the weights, and no processor cuts off what is computed with them."""

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import ModelProto, numpy_helper

from captioner.export.builder import FLOAT, Graph, Weights
from captioner.export.quantization import quantized
from captioner.export.rounding import rounded
from captioner.runtime.onnx_decoder import session
from captioner.runtime.protocols import Floats, Squares

SIDE = 8


def convolution(weight: Weights, group: int = 1) -> ModelProto:
    graph = Graph()
    x = graph.add("Cast", graph.add("Transpose", "photos", perm=[0, 3, 1, 2]), to=FLOAT)
    bias = np.zeros(len(weight), np.float32)
    x = graph.add(
        "Conv",
        x,
        graph.constant(weight),
        graph.constant(bias),
        kernel_shape=list(weight.shape[2:]),
        group=group,
    )
    inputs: dict[str, tuple[str, list[int | str]]] = {
        "photos": ("uint8", ["batch", SIDE, SIDE, weight.shape[1] * group])
    }
    return graph.model(inputs, {"result": x})


def run(graph: bytes, photos: Squares) -> Floats:
    result: Floats = session(np.frombuffer(graph, np.uint8), 1).run(None, {"photos": photos})[0]
    return result


def images(channels: int, *levels: int) -> Squares:
    return np.stack([np.full((SIDE, SIDE, channels), level, np.uint8) for level in levels])


@pytest.mark.parametrize("inputs", [1, 4, 9, 147])
def test_two_products_always_fit_in_16_bits(inputs: int) -> None:
    generator = np.random.default_rng(inputs)
    rows = generator.normal(size=(64, inputs)).astype(np.float32)
    rows[0], rows[1], rows[2] = 1, -1, 0
    levels = np.pad(rounded(rows)[0].astype(int), ((0, 0), (0, inputs % 2)))
    pairs = levels.reshape(len(rows), -1, 2)
    assert 255 * pairs.clip(min=0).sum(2).max() < 2**15
    assert 255 * pairs.clip(max=0).sum(2).min() >= -(2**15)


def test_weights_lose_less_than_they_would_in_7_bits() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 576)).astype(np.float32)
    levels, scales = rounded(rows)
    step = np.abs(rows).max(1, keepdims=True) / 63
    in_7_bits = np.rint(rows / step) * step
    error = np.square(levels * scales[:, None] - rows).mean()
    assert error < 0.7 * np.square(in_7_bits - rows).mean()


def test_the_brightest_image_is_convolved_as_exactly_as_any() -> None:
    """All weights are the same, and all inputs are the largest: 16 bits would overflow."""
    photos = images(16, 255)
    graph = convolution(np.ones((8, 16, 3, 3), np.float32))
    found = run(quantized(graph, photos, ("Conv",)), photos)
    np.testing.assert_allclose(found, 255 * 16 * 9, rtol=0.01)


@pytest.mark.parametrize("group", [1, 8])
def test_rounding_does_not_shift_the_mean_of_a_channel(group: int) -> None:
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(8, 8 // group, 3, 3)).astype(np.float32)
    weight[:, :, 0, 0] *= 40  # the others get few levels
    photos = generator.integers(0, 256, (6, SIDE, SIDE, 8), np.uint8)
    graph = convolution(weight, group)
    exact = run(graph.SerializeToString(), photos)
    difference = run(quantized(graph, photos, ("Conv",)), photos) - exact
    assert np.abs(difference.mean((0, 2, 3))).max() < 0.2 * exact.std() / 40


def test_a_channel_without_weights_keeps_its_bias() -> None:
    weight = np.ones((2, 4, 1, 1), np.float32)
    weight[0] = 0
    graph = convolution(weight)
    graph.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.array([5, 0], np.float32), graph.graph.initializer[1].name)
    )
    photos = images(4, 0, 255)
    found = run(quantized(graph, photos, ("Conv",)), photos)
    assert np.abs(found[:, 0] - 5).max() < 3  # a level of the output is 4
    onnx.checker.check_model(onnx.load_from_string(quantized(graph, photos, ("Conv",))))
