"""Equalized channels use the levels of 8 bits better, and the network computes the same."""

import numpy as np
import pytest
import torch

pytest.importorskip("onnx")

from onnx import ModelProto

from captioner.export.channels import measure
from captioner.export.encoder import encoder_graph
from captioner.export.equalization import equalized
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.onnx_decoder import session
from captioner.runtime.protocols import Floats, Squares
from tests.conftest import tiny_model

PREPROCESSING = Preprocessing(size=64)


@pytest.fixture(scope="module")
def photos() -> Squares:
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def graph() -> ModelProto:
    """An encoder some of whose channels are a hundred times as large as others."""
    model = tiny_model()
    with torch.no_grad():
        model.encoder.resnet.layer1[0].bn1.weight[::2] *= 100
        model.encoder.resnet.layer1[1].bn1.weight[0] = 0  # a channel that is always the same
    return encoder_graph(model.eval(), PREPROCESSING)


def outputs(graph: ModelProto, photos: Squares) -> list[Floats]:
    running = session(np.frombuffer(graph.SerializeToString(), np.uint8), 1)
    results: list[Floats] = running.run(None, {"photos": photos})
    return results


def test_a_network_with_equalized_channels_computes_the_same(
    graph: ModelProto, photos: Squares
) -> None:
    before, after = outputs(graph, photos), outputs(equalized(graph, photos), photos)
    for one, same in zip(before, after, strict=True):
        np.testing.assert_allclose(same, one, rtol=1e-3, atol=1e-3 * np.abs(one).max())


def test_small_channels_come_nearer_to_large_ones(graph: ModelProto, photos: Squares) -> None:
    _, inside, *_ = (node.output[0] for node in graph.graph.node if node.op_type == "Relu")

    def spread(graph: ModelProto) -> float:
        peaks = measure(graph, [inside], photos)[inside].peaks
        return float(peaks.max() / np.median(peaks[1::2]))

    before = spread(graph)
    assert before > 10
    assert spread(equalized(graph, photos)) < before / 2


def test_what_others_read_keeps_its_scale(graph: ModelProto, photos: Squares) -> None:
    """The last grid is also pooled, and the projection reads it."""
    grid = next(node for node in graph.graph.node if node.op_type == "ReduceMean").input[0]
    before, after = (
        measure(one, [grid], photos)[grid] for one in (graph, equalized(graph, photos))
    )
    np.testing.assert_allclose(after.peaks, before.peaks, rtol=1e-3, atol=1e-3)
