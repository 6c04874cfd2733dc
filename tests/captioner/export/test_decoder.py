"""The decoder's graph: its products in 8 bits."""

import math

import numpy as np
import pytest

from captioner.export.layers import IN_8_BITS, IN_32_BITS, LARGEST
from captioner.runtime.protocols import Floats
from tests.conftest import tiny_model

pytest.importorskip("onnx")

import onnx
from onnx import numpy_helper

from captioner.export.builder import Graph
from captioner.export.decoder import decoder_graph
from captioner.runtime.onnx_decoder import session


def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    return {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}


def test_two_products_of_the_decoder_always_fit_in_16_bits() -> None:
    graph = decoder_graph(tiny_model(), IN_8_BITS, 1.0).graph
    arrays = constants(graph)
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 4
    for node in products:
        weights = arrays[node.input[1]].astype(np.int32)
        assert np.abs(weights).max() == LARGEST
        assert 2 * 255 * np.abs(weights).max() < 2**15


@pytest.mark.parametrize("rows", [1, 5])
def test_a_product_in_8_bits_is_near_the_exact_one_and_that_of_each_row_alone(rows: int) -> None:
    chance = np.random.default_rng(3)
    weight = chance.normal(size=(24, 64)).astype(np.float32)
    bias = chance.normal(size=24).astype(np.float32)
    x = chance.uniform(-2, 2, (1, rows, 64)).astype(np.float32)

    def multiplied(values: Floats) -> Floats:
        graph = Graph()
        product = IN_8_BITS.product(graph, "x", 2.0, weight, bias)
        model = graph.model({"x": ("float", [1, "rows", 64])}, {"y": product})
        running = session(np.frombuffer(model.SerializeToString(), np.uint8), 1)
        return np.asarray(running.run(["y"], {"x": values})[0])

    found, exact = multiplied(x), x @ weight.T + bias
    assert 0 < np.abs(found - exact).max() < 0.02 * math.sqrt(64) * np.abs(weight).max()
    for row in range(rows):
        assert np.array_equal(multiplied(x[:, row : row + 1])[0, 0], found[0, row])


def test_the_words_of_a_table_in_8_bits_are_near_the_exact_ones() -> None:
    table = np.random.default_rng(4).normal(size=(7, 32)).astype(np.float32)
    tokens = np.array([[0, 6, 3]])
    found = []
    for arithmetic in (IN_8_BITS, IN_32_BITS):
        graph = Graph()
        rows = arithmetic.rows(graph, "tokens", table)
        model = graph.model({"tokens": ("int64", [1, "rows"])}, {"y": rows})
        running = session(np.frombuffer(model.SerializeToString(), np.uint8), 1)
        found.append(running.run(["y"], {"tokens": tokens})[0])
    assert np.array_equal(found[1][0], table[tokens[0]])
    assert 0 < np.abs(found[0] - found[1]).max() < np.abs(table).max() / 127
