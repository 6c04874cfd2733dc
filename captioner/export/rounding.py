"""Round the weights of a quantized graph so that every processor computes the same with them.

A processor without instructions for it (AVX-512 VNNI, AVX-VNNI) adds two products of 8 bits in 16
bits, and cuts off what does not fit. Neighbouring weights are kept small enough together that it
always fits; a scale is chosen with that in mind.
"""

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from captioner.export.builder import Weights
from captioner.export.channels import Channels

MOST = 127  # the largest weight
# Of two neighbours with the same sign; an input is at most 255, and 128 * 255 fits in 16 bits.
PAIR = 128
LEAST = 1e-4  # of the layer's largest weight; smaller ones need no levels of their own
# Scales to choose from, as shares of the one with which no weight is cut off.
SHARES = np.geomspace(0.6, 2, 13)
CACHED = 1 << 16  # weights at a time, so that they stay in the cache


def round_weights(
    quantized: ModelProto, graph: ModelProto, channels: Mapping[str, Channels]
) -> None:
    """Replace the weights and biases of a quantized graph's convolutions and products.

    Rounding shifts the mean of what a convolution computes; its bias takes that back. See the paper
    named in `equalization`.

    Args:
        quantized: by ONNX Runtime's tool, with signed weights of 8 bits for each channel.
        graph: what it was made from.
        channels: of the inputs of those nodes.
    """
    exact = {value.name: numpy_helper.to_array(value) for value in graph.graph.initializer}
    originals = {node.name: node for node in graph.graph.node}
    writers = {node.output[0]: node for node in quantized.graph.node}
    constants = {value.name: value for value in quantized.graph.initializer}

    def write(name: str, value: Weights) -> None:
        constants[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))

    for node in quantized.graph.node:
        weights = writers.get(node.input[1]) if node.op_type in ("Conv", "MatMul") else None
        if weights is None or weights.input[0] not in constants:
            continue
        original = originals[node.name]
        precise = exact[original.input[1]]
        rows = _rows(precise, node)
        levels, scales = rounded(rows)
        write(weights.input[0], _unrolled(levels, precise, node))
        write(weights.input[1], scales)
        if node.op_type == "Conv":
            error = (levels * scales[:, None] - rows).reshape(len(rows), -1, precise.shape[1])
            means = channels[original.input[0]].means.reshape(-1, precise.shape[1])
            means = means.repeat(len(rows) // len(means), axis=0)  # one row for each output
            shift = (error.sum(1) * means).sum(1)
            bias, given = writers[node.input[2]], writers[node.input[0]]
            step = numpy_helper.to_array(constants[given.input[1]]) * scales
            corrected = (exact[original.input[2]] - shift) / step
            write(bias.input[0], np.rint(corrected).astype(np.int32))
            write(bias.input[1], step.astype(np.float32))


def rounded(rows: Weights) -> tuple[Weights, Weights]:
    """Return the levels `(outputs, inputs)`, int8, and scales `(outputs,)` of weights.

    Args:
        rows: `(outputs, inputs)`, in the order in which they are multiplied.
    """
    sizes = np.abs(rows).max(1)
    largest = np.maximum(sizes, LEAST * sizes.max() or 1).astype(np.float32) / MOST
    count = -(-rows.size // CACHED)
    parts = zip(np.array_split(rows, count), np.array_split(largest, count), strict=True)
    levels, scales = zip(*(_best(*part) for part in parts), strict=True)
    return np.concatenate(levels), np.concatenate(scales)


def _best(rows: Weights, largest: Weights) -> tuple[Weights, Weights]:
    """Return the levels and scales with the least squared error of each row."""
    levels, scales = np.zeros(rows.shape, np.int8), largest.copy()
    least = np.full(len(rows), np.inf)
    for share in SHARES:
        tried = largest * np.float32(share)
        found = _fitting(np.clip(np.rint(rows / tried[:, None]), -MOST, MOST).astype(np.int16))
        errors = np.square(found * tried[:, None] - rows).sum(1)
        better = errors < least
        levels[better], scales[better] = found[better], tried[better]
        least = np.minimum(least, errors)
    return levels, scales


def _fitting(levels: Weights) -> Weights:
    """Move neighbours towards zero, both as far, until each pair fits."""
    inputs = levels.shape[1]
    pairs = np.pad(levels, ((0, 0), (0, inputs % 2))).reshape(len(levels), -1, 2)
    sizes = np.abs(pairs)
    excess = np.where(pairs.prod(2, dtype=np.int32) > 0, sizes.sum(2) - PAIR, 0).clip(min=0)
    first = np.minimum(sizes[..., 0], (excess + 1) // 2)
    second = np.minimum(sizes[..., 1], excess - first)
    sizes[..., 0] -= excess - second
    sizes[..., 1] -= second
    return (np.sign(pairs) * sizes).reshape(len(levels), -1)[:, :inputs]


def _rows(weights: Weights, node: NodeProto) -> Weights:
    """Return weights as `(outputs, inputs)`; channels are next to each other, as in the product."""
    if node.op_type == "MatMul":
        return weights.T
    return weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)


def _unrolled(rows: Weights, like: Weights, node: NodeProto) -> Weights:
    if node.op_type == "MatMul":
        return rows.T
    outputs, inputs, height, width = like.shape
    return rows.reshape(outputs, height, width, inputs).transpose(0, 3, 1, 2)
