"""What both graphs have in common: how they multiply, and how they take PyTorch's arrays."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from captioner.export.builder import FLOAT, MICROSOFT, Graph, Weights
from captioner.model import Model

# The largest of an 8-bit weight. Where a processor has no instruction for 8-bit products, two of
# them are added in 16 bits: the most that fits is 2 * 255 * 64.
LARGEST = 63


class Arithmetic(NamedTuple):
    """How a graph computes."""

    # Multiplies values of at most a magnitude by a matrix (outputs, inputs), and adds a bias.
    product: Callable[[Graph, str, float, Weights, Weights], str]
    # Looks up the rows of a table (rows, size) by their indices.
    rows: Callable[[Graph, str, Weights], str]


def linear(graph: Graph, x: str, weight: Weights, bias: Weights | None) -> str:
    """Multiply by a matrix `(outputs, inputs)` in single precision."""
    product = graph.add("MatMul", x, graph.constant(weight.T))
    return product if bias is None else graph.add("Add", product, graph.constant(bias))


def _linear_8_bit(graph: Graph, x: str, largest: float, weight: Weights, bias: Weights) -> str:
    scales = np.maximum(np.abs(weight).max(-1), 1e-12) / LARGEST
    levels = np.rint(weight / scales[:, None]).astype(np.int8)
    step = graph.constant(np.array(largest / 127, np.float32))
    zero = graph.constant(np.array(128, np.uint8))
    return graph.add(
        "MatMulIntegerToFloat",
        graph.add("QuantizeLinear", x, step, zero),  # cut where it is beyond the largest value
        graph.constant(levels.T),
        step,
        graph.constant(scales.astype(np.float32)),
        zero,
        graph.constant(np.zeros(len(weight), np.int8)),
        graph.constant(bias),
        domain=MICROSOFT,
    )


def _rows_8_bit(graph: Graph, indices: str, table: Weights) -> str:
    scales = np.maximum(np.abs(table).max(-1, keepdims=True), 1e-12) / 127
    levels = graph.constant(np.rint(table / scales).astype(np.int8))
    found = graph.add("Cast", graph.add("Gather", levels, indices, axis=0), to=FLOAT)
    # A node that did both, with a scale for each column, takes longer.
    scale = graph.add("Gather", graph.constant(scales.astype(np.float32)), indices, axis=0)
    return graph.add("Mul", found, scale)


IN_8_BITS = Arithmetic(_linear_8_bit, _rows_8_bit)
IN_32_BITS = Arithmetic(
    lambda graph, x, largest, weight, bias: linear(graph, x, weight, bias),
    lambda graph, indices, table: graph.add("Gather", graph.constant(table), indices, axis=0),
)


def state_parts(model: Model) -> int:
    """Return how many arrays the decoder's state has."""
    return 2 if model.config.cell == "lstm" else 1


def state_outputs(state: list[str]) -> dict[str, str]:
    """Name the parts of a state as both graphs return it."""
    return {f"after{index}": value for index, value in enumerate(state)}


def parameters(layer: nn.Linear) -> tuple[Weights, Weights]:
    """Return a layer's matrix `(outputs, inputs)` and its bias."""
    return array(layer.weight), array(layer.bias)


def array(tensor: torch.Tensor) -> Weights:
    """Return a tensor in single precision."""
    return tensor.detach().float().cpu().numpy()
