"""The encoder as an ONNX graph, for `runtime.onnx.OnnxNetwork`.

It computes in 8 bits afterwards, with ranges measured on photos: see `quantization`.
"""

import math

import numpy as np
from onnx import ModelProto
from torch import nn

from captioner.export.builder import FLOAT, Graph, Weights
from captioner.export.layers import (
    array,
    linear,
    parameters,
    state_outputs,
    state_parts,
)
from captioner.model import Attention, Encoder, Model
from captioner.photo.preprocessing import Preprocessing

OPERATORS = ("Conv", "Relu", "MaxPool", "MatMul")  # what the encoder computes in 8 bits


def encoder_graph(model: Model, preprocessing: Preprocessing) -> ModelProto:
    """Build the encoder in single precision.

    Takes squeezed photos `(batch, size, size, 3)` uint8, and returns what `Model.encode` does, with
    keys and regions transposed for `decoder_graph`.
    """
    graph, size = Graph(), preprocessing.size
    channels = graph.add("Transpose", "photos", perm=[0, 3, 1, 2])
    levels = graph.add("Cast", channels, to=FLOAT)
    mean = 255 * np.array(preprocessing.mean, np.float32)
    centred = graph.add("Sub", levels, graph.constant(mean[:, None, None]))
    grid = _resnet(graph, centred, model.encoder, 255 * np.array(preprocessing.std, np.float32))
    regions = _project(graph, grid, model.encoder)
    memory = _memory(graph, regions, model, math.ceil(size / 32) ** 2)
    memory["pooled"] = graph.add("ReduceMean", grid, axes=[2, 3], keepdims=0)
    return graph.model({"photos": ("uint8", ["batch", size, size, 3])}, memory)


def _resnet(graph: Graph, photos: str, encoder: Encoder, std: Weights) -> str:
    """Add the ResNet.

    Args:
        graph: where to add it.
        photos: `(batch, 3, size, size)`, their mean subtracted.
        encoder: its weights.
        std: `(3,)`, what the photos are still to be divided by; the first convolution does it.
    """
    resnet = encoder.resnet
    x = graph.add("Relu", _convolve(graph, photos, resnet.conv1, resnet.bn1, std))
    x = graph.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        for block in layer:
            x = _residual(graph, x, block)
    return x


def _residual(graph: Graph, x: str, block: nn.Module) -> str:
    parts = dict(block.named_modules())
    shortcut = x
    if "downsample.0" in parts:
        shortcut = _convolve(graph, x, parts["downsample.0"], parts["downsample.1"])
    depth = 3 if "conv3" in parts else 2
    for number in range(1, depth + 1):
        x = _convolve(graph, x, parts[f"conv{number}"], parts[f"bn{number}"])
        if number < depth:
            x = graph.add("Relu", x)
    return graph.add("Relu", graph.add("Add", x, shortcut))


def _convolve(
    graph: Graph, x: str, convolution: nn.Module, norm: nn.Module, std: Weights | None = None
) -> str:
    """Add a convolution with the batch norm behind it, and a division before it, folded in."""
    assert isinstance(convolution, nn.Conv2d)
    scale, shift = _affine(norm)
    weight = array(convolution.weight) * scale[:, None, None, None]
    if std is not None:
        weight /= std[:, None, None]
    above, left = convolution.padding[0], convolution.padding[1]
    assert isinstance(above, int)  # ResNets pad by numbers
    assert isinstance(left, int)
    return graph.add(
        "Conv",
        x,
        graph.constant(weight),
        graph.constant(shift),
        strides=list(convolution.stride),
        pads=[above, left, above, left],
        kernel_shape=list(convolution.kernel_size),
    )


def _affine(norm: nn.Module) -> tuple[Weights, Weights]:
    """Return what a trained batch norm multiplies by, and what it adds."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = array(norm.weight / (norm.running_var + norm.eps).sqrt())
    return scale, array(norm.bias) - array(norm.running_mean) * scale


def _project(graph: Graph, grid: str, encoder: Encoder) -> str:
    flat = graph.add("Reshape", grid, graph.integers(0, encoder.channels, -1))
    rows = graph.add("Transpose", flat, perm=[0, 2, 1])
    weight, bias = array(encoder.projection.weight), array(encoder.projection.bias)
    if isinstance(encoder.norm, nn.BatchNorm1d):
        scale, shift = _affine(encoder.norm)
        return linear(graph, rows, weight * scale[:, None], bias * scale + shift)
    projected = linear(graph, rows, weight, bias)
    return graph.add(
        "LayerNormalization",
        projected,
        graph.constant(array(encoder.norm.weight)),
        graph.constant(array(encoder.norm.bias)),
        axis=-1,
        epsilon=encoder.norm.eps,
    )


def _memory(graph: Graph, regions: str, model: Model, count: int) -> dict[str, str]:
    decoder = model.decoder
    # A mean by the same sums in a batch of any size: a product with a row of weights, because ONNX
    # Runtime's own adds in another order where there is a single photo.
    share = graph.constant(np.full((1, count), 1 / count, np.float32))
    row = graph.add("MatMul", share, regions)
    pooled = graph.add("Squeeze", row, graph.integers(1))
    # A row for each photo, not a matrix with a row for each: ONNX Runtime would multiply that in
    # single precision, because it fuses it with the bias first.
    begun = graph.add("Tanh", linear(graph, row, *parameters(decoder.start)))
    start = graph.add("Squeeze", begun, graph.integers(1))
    split = graph.integers(*[model.config.hidden_size] * state_parts(model))
    state = graph.several("Split", state_parts(model), start, split, axis=-1)
    if decoder.attention is None:
        whole = graph.add("Unsqueeze", pooled, graph.integers(1))
        return {"regions": whole, "keys": pooled, **state_outputs(state)}  # keys are not used
    key = array(decoder.attention.key.weight)
    keys = linear(graph, regions, key, None)
    if decoder.attention.energy is None:
        keys, regions = (_heads(graph, x, decoder.attention) for x in (keys, regions))
    return {"regions": regions, "keys": keys, **state_outputs(state)}


def _heads(graph: Graph, x: str, attention: Attention) -> str:
    """Turn `(batch, regions, hidden)` into `(batch, heads, regions, width)`."""
    width = attention.query.out_features // attention.heads
    apart = graph.add("Reshape", x, graph.integers(0, 0, attention.heads, width))
    return graph.add("Transpose", apart, perm=[0, 2, 1, 3])
