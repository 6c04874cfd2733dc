"""Scale the channels of a network so that they use the levels of 8 bits alike.

A value has one scale for all channels, so a channel with small values has few levels. ReLU, maxima
and sums commute with a positive factor for each channel: the convolutions that write a channel are
divided by its factor, those that read it are multiplied, and the network computes the same.
M. Nagel, M. van Baalen, T. Blankevoort and M. Welling, *Data-Free Quantization Through Weight
Equalization and Bias Correction*, ICCV 2019, arXiv:1906.04721; here by values measured on photos,
because each row of weights has its own scale.
"""

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from captioner.export.builder import Weights
from captioner.export.channels import measure
from captioner.runtime.protocols import Squares

COMMUTING = ("Relu", "MaxPool", "Add")
# Halfway between no change and channels with equal peaks: equal peaks would cost the weights that
# read them more than the values gain.
STRENGTH = 0.5
LEAST = 0.05  # of the largest peak; a channel that is always zero must not be divided by zero


def equalized(graph: ModelProto, photos: Squares) -> ModelProto:
    """Return a graph that computes the same with equalized channels.

    Values that anything but convolutions and `COMMUTING` reads or writes stay as they are.

    Args:
        graph: in single precision; its input is "photos".
        photos: from the training distribution, to measure peaks on.
    """
    result = ModelProto()
    result.CopyFrom(graph)
    constants = {constant.name: constant for constant in result.graph.initializer}
    groups = _groups(graph, set(constants))
    channels = measure(graph, [value for group in groups for value in group], photos)
    factors: dict[str, Weights] = {}
    for group in groups:
        peak = np.max([channels[value].peaks for value in group], axis=0)
        most = max(float(peak.max()), np.finfo(np.float32).tiny)
        factor = np.clip(peak / most, LEAST, 1) ** STRENGTH
        factors |= dict.fromkeys(group, factor)
    for node in result.graph.node:
        if node.op_type != "Conv":
            continue
        weight, bias = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
        if (factor := factors.get(node.output[0])) is not None:
            weight, bias = weight / factor[:, None, None, None], bias / factor
        if (factor := factors.get(node.input[0])) is not None:
            weight = weight * factor[:, None, None]
        for name, array in zip(node.input[1:3], (weight, bias), strict=True):
            constants[name].CopyFrom(numpy_helper.from_array(array.astype(np.float32), name))
    return result


def _groups(graph: ModelProto, constants: set[str]) -> list[set[str]]:
    """Return the values that must share their factors, group by group."""
    group: dict[str, set[str]] = {}  # by each of its values
    fixed = {value.name for value in graph.graph.output}
    for node in graph.graph.node:
        values = {value for value in (*node.input, *node.output) if value not in constants}
        if node.op_type in COMMUTING and values == {*node.input, *node.output}:
            union = set().union(*(group.get(value, {value}) for value in values))
            group |= dict.fromkeys(union, union)
        elif node.op_type == "Conv" and _is_dense(node):
            for value in values:
                group.setdefault(value, {value})
        else:
            fixed |= values
    distinct: dict[int, set[str]] = {id(values): values for values in group.values()}
    return [values for values in distinct.values() if not values & fixed]


def _is_dense(node: NodeProto) -> bool:
    """Return whether a convolution reads all channels for each one that it writes."""
    return all(attribute.i == 1 for attribute in node.attribute if attribute.name == "group")
