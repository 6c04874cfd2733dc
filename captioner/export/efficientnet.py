"""EfficientNet-Lite as an ONNX graph, for `captioner.naming`.

M. Tan and Q. V. Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*,
ICML 2019, arXiv:1905.11946; the Lite variants leave out squeeze-and-excitation and use ReLU6, so
that they lose little in 8 bits. The weights say how wide and how deep a variant is; only the
strides of its stages must be known.
"""

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto

from captioner.export.builder import FLOAT, MICROSOFT, Graph, Weights
from captioner.export.quantization import optimized, quantized
from captioner.runtime.protocols import Squares

# Of the first block of each stage; the other blocks have 1. Stages differ in their channels.
STRIDES = (1, 2, 2, 2, 1, 2, 1)
EPSILON = 1e-3  # of the batch norms
# What it was trained on is (value - MEAN) / SCALE, of values in 0..255.
MEAN, SCALE = 127, 128
BLOCK = 64  # weights of a row of the last matrix that share a scale
OPERATORS = ("Conv", "Clip", "Add")  # what is rounded to 8 bits


def export(weights: Mapping[str, Weights], photos: Squares) -> bytes:
    """Return the bytes of the classifier's graph in 8 bits.

    Args:
        weights: see `classifier_graph`.
        photos: `(photos, size, size, 3)`, to measure ranges on; the classifier takes this size.

    Raises:
        KeyError: a weight is missing.
    """
    graph = classifier_graph(weights, size=photos.shape[1])
    return optimized(quantized(graph, photos, OPERATORS))


def classifier_graph(weights: Mapping[str, Weights], size: int) -> ModelProto:
    """Build the classifier, with convolutions in single precision.

    Takes squeezed photos `(batch, size, size, 3)` uint8, and returns `logits` `(batch, classes)`.

    Args:
        weights: the arrays of its state, by the names that efficientnet-lite-pytorch gives them.
        size: side of the photos in pixels.

    Raises:
        KeyError: a weight is missing.
    """
    graph = Graph()
    photos = graph.add("Cast", "photos", to=FLOAT)
    centred = graph.add("Sub", photos, graph.constant(np.array(MEAN, np.float32)))
    scaled = graph.add("Mul", centred, graph.constant(np.array(1 / SCALE, np.float32)))
    x = graph.add("Transpose", scaled, perm=[0, 3, 1, 2])
    x = _relu6(graph, _convolve(graph, x, weights, "_conv_stem", "_bn0", stride=2))
    strides, channels = iter(STRIDES), 0
    for index in range(_blocks(weights)):
        prefix = f"_blocks.{index}."
        before, channels = channels, len(weights[f"{prefix}_project_conv.weight"])
        x = _block(graph, x, weights, prefix, next(strides) if channels != before else 1)
    x = _relu6(graph, _convolve(graph, x, weights, "_conv_head", "_bn1"))
    pooled = graph.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    logits = _linear(graph, pooled, weights["_fc.weight"], weights["_fc.bias"])
    return graph.model({"photos": ("uint8", ["batch", size, size, 3])}, {"logits": logits})


def _blocks(weights: Mapping[str, Weights]) -> int:
    return sum(name.endswith("._project_conv.weight") for name in weights)


def _block(graph: Graph, x: str, weights: Mapping[str, Weights], prefix: str, stride: int) -> str:
    """Add an inverted residual: expand, convolve each channel by itself, project."""
    inside, channels = x, weights[f"{prefix}_depthwise_conv.weight"].shape[0]
    if f"{prefix}_expand_conv.weight" in weights:
        channels = weights[f"{prefix}_expand_conv.weight"].shape[1]
        expanded = _convolve(graph, x, weights, f"{prefix}_expand_conv", f"{prefix}_bn0")
        inside = _relu6(graph, expanded)
    depthwise = f"{prefix}_depthwise_conv"
    inside = _relu6(graph, _convolve(graph, inside, weights, depthwise, f"{prefix}_bn1", stride))
    projected = _convolve(graph, inside, weights, f"{prefix}_project_conv", f"{prefix}_bn2")
    same = stride == 1 and channels == len(weights[f"{prefix}_project_conv.weight"])
    return graph.add("Add", projected, x) if same else projected


def _convolve(
    graph: Graph, x: str, weights: Mapping[str, Weights], name: str, norm: str, stride: int = 1
) -> str:
    """Add a convolution with the batch norm behind it folded in."""
    weight = weights[f"{name}.weight"]
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    depthwise = name.endswith("_depthwise_conv")
    return graph.add(
        "Conv",
        x,
        graph.constant(weight * scale[:, None, None, None]),
        graph.constant(shift),
        strides=[stride, stride],
        kernel_shape=list(weight.shape[2:]),
        group=len(weight) if depthwise else 1,
        auto_pad="SAME_UPPER",  # as TensorFlow pads, where it was trained
    )


def _relu6(graph: Graph, x: str) -> str:
    bounds = (graph.constant(np.array(bound, np.float32)) for bound in (0, 6))
    return graph.add("Clip", x, *bounds)


def _linear(graph: Graph, x: str, weight: Weights, bias: Weights) -> str:
    """Multiply by a matrix `(outputs, inputs)` that is kept in 8 bits."""
    outputs, inputs = weight.shape
    padded = np.pad(weight, ((0, 0), (0, -inputs % BLOCK))).reshape(outputs, -1, BLOCK)
    scales = np.maximum(np.abs(padded).max(-1), 1e-12) / 127
    levels = np.rint(padded / scales[..., None]) + 128
    product = graph.add(
        "MatMulNBits",
        x,
        graph.constant(levels.astype(np.uint8)),
        graph.constant(scales.astype(np.float32).ravel()),
        domain=MICROSOFT,
        K=inputs,
        N=outputs,
        bits=8,
        block_size=BLOCK,
        accuracy_level=4,  # 8 bits, of the inputs too
    )
    return graph.add("Add", product, graph.constant(bias))
