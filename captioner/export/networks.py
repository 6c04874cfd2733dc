"""The network as two ONNX graphs with 8-bit weights, for `runtime.onnx.OnnxNetwork`.

The encoder's convolutions compute in 8 bits, with ranges measured on photos beforehand: static
quantization. The decoder's matrices are stored in 8 bits and their inputs are rounded row by row at
each step, so that a photo's caption does not depend on its neighbours.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from onnx import ModelProto
from torch import nn

from captioner.export.builder import FLOAT, MICROSOFT, Graph, Weights
from captioner.model import Attention, Encoder, Model
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.onnx import ATTENTION

Linear = Callable[[Graph, str, Weights, Weights | None], str]

BLOCK = 64  # weights of a row that share a scale


def encoder_graph(model: Model, preprocessing: Preprocessing) -> ModelProto:
    """Build the encoder in single precision.

    Takes squeezed photos `(batch, size, size, 3)` uint8, and returns what `Model.encode` does, with
    keys and regions transposed for `decoder_graph`. The names of the outputs are those of the files
    that were exported before: "seen" are the pooled features.
    """
    graph, size = Graph(), preprocessing.size
    scale = 1 / (255 * np.array(preprocessing.std, np.float32))
    shift = np.array(preprocessing.mean, np.float32) / np.array(preprocessing.std, np.float32)
    photos = graph.add("Cast", "photos", to=FLOAT)
    scaled = graph.add("Mul", photos, graph.constant(scale.astype(np.float32)))
    centred = graph.add("Sub", scaled, graph.constant(shift))
    grid = _resnet(graph, graph.add("Transpose", centred, perm=[0, 3, 1, 2]), model.encoder)
    regions = _project(graph, grid, model.encoder)
    memory = _memory(graph, regions, model, math.ceil(size / 32) ** 2)
    memory["seen"] = graph.add("ReduceMean", grid, axes=[2, 3], keepdims=0)
    return graph.model({"photos": ("uint8", ["batch", size, size, 3])}, memory)


def _resnet(graph: Graph, photos: str, encoder: Encoder) -> str:
    resnet = encoder.resnet
    x = graph.add("Relu", _convolve(graph, photos, resnet.conv1, resnet.bn1))
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


def _convolve(graph: Graph, x: str, convolution: nn.Module, norm: nn.Module) -> str:
    """Add a convolution with the batch norm behind it folded in."""
    assert isinstance(convolution, nn.Conv2d)
    scale, shift = _affine(norm)
    weight = _array(convolution.weight) * scale[:, None, None, None]
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
    scale = _array(norm.weight / (norm.running_var + norm.eps).sqrt())
    return scale, _array(norm.bias) - _array(norm.running_mean) * scale


def _project(graph: Graph, grid: str, encoder: Encoder) -> str:
    flat = graph.add("Reshape", grid, graph.integers(0, encoder.channels, -1))
    rows = graph.add("Transpose", flat, perm=[0, 2, 1])
    weight, bias = _array(encoder.projection.weight), _array(encoder.projection.bias)
    if isinstance(encoder.norm, nn.BatchNorm1d):
        scale, shift = _affine(encoder.norm)
        return linear(graph, rows, weight * scale[:, None], bias * scale + shift)
    projected = linear(graph, rows, weight, bias)
    return graph.add(
        "LayerNormalization",
        projected,
        graph.constant(_array(encoder.norm.weight)),
        graph.constant(_array(encoder.norm.bias)),
        axis=-1,
        epsilon=encoder.norm.eps,
    )


def _memory(graph: Graph, regions: str, model: Model, count: int) -> dict[str, str]:
    decoder = model.decoder
    pooled = _mean(graph, regions, count)
    # The mean comes after the matrix: a single row, that of one photo alone, would be multiplied by
    # other code than the rows of several, and so be rounded differently.
    projected = linear(graph, regions, *_parameters(decoder.start))
    start = graph.add("Tanh", _mean(graph, projected, count))
    split = graph.integers(*[model.config.hidden_size] * _parts(model))
    state = graph.several("Split", _parts(model), start, split, axis=-1)
    if decoder.attention is None:
        whole = graph.add("Unsqueeze", pooled, graph.integers(1))
        return {"regions": whole, "keys": pooled, **_named(state)}  # keys are not used
    key = _array(decoder.attention.key.weight)
    keys = linear(graph, regions, key, None)
    if decoder.attention.energy is None:
        keys = _heads(graph, keys, decoder.attention, [0, 2, 3, 1])
        regions = _heads(graph, regions, decoder.attention, [0, 2, 1, 3])
    return {"regions": regions, "keys": keys, **_named(state)}


def _mean(graph: Graph, regions: str, count: int) -> str:
    """Average `(batch, count, size)` over the regions, by the same sums in a batch of any size.

    It is a product with a row of weights, because ONNX Runtime's mean adds in another order where
    there is a single photo.
    """
    weights = graph.constant(np.full((1, count), 1 / count, np.float32))
    return graph.add("Squeeze", graph.add("MatMul", weights, regions), graph.integers(1))


def decoder_graph(model: Model, linear: Linear) -> ModelProto:
    """Build one step of the decoder.

    Takes `tokens` `(batch, rows)`, the state `(batch, rows, hidden)` and the encoder's memory.
    """
    graph, config, decoder = Graph(), model.config, model.decoder
    state = [f"state{index}" for index in range(_parts(model))]
    embedding = graph.constant(_array(decoder.embedding.weight).astype(np.float16))
    embedded = graph.add("Cast", graph.add("Gather", embedding, "tokens", axis=0), to=FLOAT)
    outputs = {}
    if decoder.attention is None:
        context, gate = "regions", linear(graph, state[0], *_parameters(decoder.gate))
    else:
        weights = np.concatenate(
            [_array(m.weight) for m in (decoder.attention.query, decoder.gate)]
        )
        biases = np.concatenate([_array(m.bias) for m in (decoder.attention.query, decoder.gate)])
        split = graph.integers(config.hidden_size, config.hidden_size)
        query, gate = graph.several(
            "Split", 2, linear(graph, state[0], weights, biases), split, axis=-1
        )
        context, outputs[ATTENTION] = _attend(graph, query, decoder.attention)
    gated = graph.add("Mul", graph.add("Sigmoid", gate), context)
    after = _recur(graph, graph.add("Concat", embedded, gated, axis=-1), state, model, linear)
    features = graph.add("Concat", after[0], gated, embedded, axis=-1)
    hidden = graph.add("Tanh", linear(graph, features, *_parameters(decoder.deep)))
    logits = linear(graph, hidden, *_parameters(decoder.output))
    outputs["logprobs"] = graph.add("LogSoftmax", logits, axis=-1)
    width = config.hidden_size
    inputs: dict[str, tuple[str, list[int | str]]] = {"tokens": ("int64", ["batch", "rows"])}
    inputs |= {name: ("float", ["batch", "rows", width]) for name in state}
    if decoder.attention is None:
        inputs["regions"] = ("float", ["batch", 1, width])
    else:
        heads = config.heads
        dot = decoder.attention.energy is None
        inputs["regions"] = (
            "float",
            ["batch", heads, "regions", width // heads] if dot else ["batch", "regions", width],
        )
        inputs["keys"] = (
            "float",
            ["batch", heads, width // heads, "regions"] if dot else ["batch", "regions", width],
        )
    return graph.model(inputs, outputs | _named(after))


def _recur(graph: Graph, x: str, state: list[str], model: Model, linear: Linear) -> list[str]:
    cell = model.decoder.cell
    inner, inner_bias = _array(cell.weight_hh), _array(cell.bias_hh)
    outer, outer_bias = _array(cell.weight_ih), _array(cell.bias_ih)
    if isinstance(cell, nn.LSTMCell):
        # One matrix for both, so that one operation computes both.
        both = graph.add("Concat", x, state[0], axis=-1)
        weight = np.concatenate((outer, inner), axis=1)
        gates = linear(graph, both, weight, outer_bias + inner_bias)
        i, f, g, o = graph.several(
            "Split", 4, gates, graph.integers(*[cell.hidden_size] * 4), axis=-1
        )
        kept = graph.add("Mul", graph.add("Sigmoid", f), state[1])
        new = graph.add("Mul", graph.add("Sigmoid", i), graph.add("Tanh", g))
        memory = graph.add("Add", kept, new)
        return [graph.add("Mul", graph.add("Sigmoid", o), graph.add("Tanh", memory)), memory]
    thirds = graph.integers(*[cell.hidden_size] * 3)
    from_input = graph.several("Split", 3, linear(graph, x, outer, outer_bias), thirds, axis=-1)
    from_state = graph.several(
        "Split", 3, linear(graph, state[0], inner, inner_bias), thirds, axis=-1
    )
    reset, update = (
        graph.add("Sigmoid", graph.add("Add", from_input[part], from_state[part]))
        for part in (0, 1)
    )
    new = graph.add("Tanh", graph.add("Add", from_input[2], graph.add("Mul", reset, from_state[2])))
    change = graph.add("Mul", update, graph.add("Sub", state[0], new))
    return [graph.add("Add", new, change)]


def _attend(graph: Graph, query: str, attention: Attention) -> tuple[str, str]:
    if attention.energy is not None:
        rows = graph.add("Unsqueeze", query, graph.integers(2))
        keys = graph.add("Unsqueeze", "keys", graph.integers(1))
        mixed = graph.add("Tanh", graph.add("Add", rows, keys))
        energy = graph.constant(_array(attention.energy.weight)[0])
        weights = graph.add("Softmax", graph.add("MatMul", mixed, energy), axis=-1)
        return graph.add("MatMul", weights, "regions"), weights
    width = attention.query.out_features // attention.heads
    scaled = graph.add("Mul", query, graph.constant(np.array(width**-0.5, np.float32)))
    queries = _heads(graph, scaled, attention, [0, 2, 1, 3])
    weights = graph.add("Softmax", graph.add("MatMul", queries, "keys"), axis=-1)
    context = graph.add("Transpose", graph.add("MatMul", weights, "regions"), perm=[0, 2, 1, 3])
    flat = graph.add("Reshape", context, graph.integers(0, 0, attention.query.out_features))
    return flat, graph.add("ReduceMean", weights, axes=[1], keepdims=0)


def _heads(graph: Graph, x: str, attention: Attention, order: list[int]) -> str:
    width = attention.query.out_features // attention.heads
    apart = graph.add("Reshape", x, graph.integers(0, 0, attention.heads, width))
    return graph.add("Transpose", apart, perm=order)


def linear(graph: Graph, x: str, weight: Weights, bias: Weights | None) -> str:
    """Multiply by a matrix `(outputs, inputs)` in single precision."""
    product = graph.add("MatMul", x, graph.constant(weight.T))
    return product if bias is None else graph.add("Add", product, graph.constant(bias))


def linear_8_bit(graph: Graph, x: str, weight: Weights, bias: Weights | None) -> str:
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
    return product if bias is None else graph.add("Add", product, graph.constant(bias))


def _parts(model: Model) -> int:
    return 2 if model.config.cell == "lstm" else 1


def _named(state: list[str]) -> dict[str, str]:
    return {f"after{index}": value for index, value in enumerate(state)}


def _parameters(layer: nn.Linear) -> tuple[Weights, Weights]:
    return _array(layer.weight), _array(layer.bias)


def _array(tensor: torch.Tensor) -> Weights:
    return tensor.detach().float().cpu().numpy()
