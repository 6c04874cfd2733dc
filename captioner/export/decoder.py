"""One step of the decoder as an ONNX graph, for `runtime.onnx.OnnxNetwork`.

Its products compute in 8 bits. Their sums are of integers, which are exact, so that a caption
does not depend on its neighbours. What multiplies the same values is one matrix, and what a word
adds to the gates is looked up: it was computed beforehand for every word.
"""

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from torch import nn

from captioner.export.builder import MICROSOFT, Graph, Weights
from captioner.export.layers import (
    Arithmetic,
    array,
    parameters,
    state_outputs,
    state_parts,
)
from captioner.model import Attention, Decoder, Model
from captioner.runtime.onnx_decoder import ATTENTION, QUERY

Cell = nn.LSTMCell | nn.GRUCell
Inputs = dict[str, tuple[str, list[int | str]]]


def decoder_graph(model: Model, arithmetic: Arithmetic, largest: float) -> ModelProto:
    """Build one step of the decoder.

    Takes `tokens` `(batch, rows)`, the state `(batch, rows, hidden)`, the encoder's memory and
    `count`. Returns the `count` likeliest words of each row, the state after the step, and the
    attention's weights, or its query, from which they are computed where they are wanted.

    Args:
        model: with its weights.
        arithmetic: how to compute.
        largest: the largest magnitude of the encoder's regions.
    """
    graph, decoder = Graph(), model.decoder
    of_context, of_words = _of_inputs(decoder)
    from_word = arithmetic.rows(graph, "tokens", of_words)
    features, after, outputs = _features(graph, model, arithmetic, largest, of_context, from_word)
    outputs |= likeliest_words(graph, arithmetic, features, *parameters(decoder.output))
    inputs: Inputs = {"tokens": ("int64", ["batch", "rows"]), "count": ("int64", [1])}
    return graph.model(inputs | _inputs(model), outputs | state_outputs(after))


def likeliest_words(
    graph: Graph, arithmetic: Arithmetic, features: str, weight: Weights, bias: Weights
) -> dict[str, str]:
    """Return the outputs `logprobs` and `ids`: the `count` likeliest words of each row.

    Args:
        graph: that has the input `count`.
        arithmetic: how to compute.
        features: what words are predicted from.
        weight: `(words, embedding)`, of the output layer.
        bias: `(words,)`.
    """
    logits = arithmetic.product(graph, features, 1.0, weight, bias)
    logprobs = graph.add("LogSoftmax", logits, axis=-1)
    values, ids = graph.several("TopK", 2, logprobs, "count", axis=-1)
    return {"logprobs": values, "ids": ids}


def step_graph(model: Model, arithmetic: Arithmetic, largest: float, embedded: float) -> ModelProto:
    """Build one step of a decoder without its words.

    Takes `embedded`, the last words `(batch, rows, embedding)`, and returns `features` of the same
    shape, from which the next are predicted; else as `decoder_graph`.

    Args:
        model: with its weights.
        arithmetic: how to compute.
        largest: the largest magnitude of the encoder's regions.
        embedded: the largest magnitude of a word's embedding.
    """
    graph, size = Graph(), model.config.embedding_size
    of_context, of_embedded = _of_embedded(model.decoder)
    bias = _bias(model.decoder)
    from_word = arithmetic.product(graph, "embedded", embedded, of_embedded, bias)
    features, after, outputs = _features(graph, model, arithmetic, largest, of_context, from_word)
    inputs: Inputs = {"embedded": ("float", ["batch", "rows", size])}
    outputs["features"] = features
    return graph.model(inputs | _inputs(model), outputs | state_outputs(after))


def _features(
    graph: Graph,
    model: Model,
    arithmetic: Arithmetic,
    largest: float,
    of_context: Weights,
    from_word: str,
) -> tuple[str, list[str], dict[str, str]]:
    """Return what words are predicted from, the next state, and what tells of the attention."""
    decoder, product = model.decoder, arithmetic.product
    hidden, order = decoder.cell.hidden_size, _order(decoder.cell)
    state = [f"state{index}" for index in range(state_parts(model))]
    from_state = product(graph, state[0], 1.0, *_of_state(decoder))
    gate, *query, recurrent = graph.split(from_state, *_widths(decoder), len(order))
    context, outputs = "regions", dict[str, str]()
    if decoder.attention is not None:
        context, outputs = _attend(graph, query[0], decoder.attention)
    gated = graph.add("Mul", graph.add("Sigmoid", gate), context)
    no_bias = np.zeros(len(of_context), np.float32)
    from_context = product(graph, gated, largest, of_context, no_bias)
    inputs = graph.add("Add", from_context, from_word)
    new, deep = graph.split(inputs, len(order), len(of_context) - len(order))
    after = _recur(graph, new, recurrent, state, decoder.cell)
    of_after = array(decoder.deep.weight)[:, :hidden]
    from_after = product(graph, after[0], 1.0, of_after, array(decoder.deep.bias))
    return graph.add("Tanh", graph.add("Add", from_after, deep)), after, outputs


def _inputs(model: Model) -> Inputs:
    width, number, attention = model.config.hidden_size, model.config.heads, model.decoder.attention
    shapes: dict[str, list[int | str]]
    if attention is None:
        shapes = {"regions": ["batch", 1, width]}
    elif attention.energy is not None:
        shapes = {name: ["batch", "regions", width] for name in ("regions", "keys")}
    else:
        shapes = {
            name: ["batch", number, "regions", width // number] for name in ("regions", "keys")
        }
    shapes |= {f"state{index}": ["batch", "rows", width] for index in range(state_parts(model))}
    return {name: ("float", shape) for name, shape in shapes.items()}


def _order(cell: Cell) -> npt.NDArray[np.int64]:
    """Return the rows of a cell's matrices in an order in which its sigmoids are neighbours.

    PyTorch has the input, the forget, the cell and the output gate of an LSTM in this order.
    """
    gates = np.arange(len(cell.weight_hh)).reshape(-1, cell.hidden_size)
    return (gates[[0, 1, 3, 2]] if isinstance(cell, nn.LSTMCell) else gates).ravel()


def _of_state(decoder: Decoder) -> tuple[Weights, Weights]:
    """Return what the state is multiplied by: for the gate, the attention and the recurrence."""
    layers = (
        [decoder.gate] if decoder.attention is None else [decoder.gate, decoder.attention.query]
    )
    cell, order = decoder.cell, _order(decoder.cell)
    weights = [*(array(layer.weight) for layer in layers), array(cell.weight_hh)[order]]
    biases = [*(array(layer.bias) for layer in layers), array(cell.bias_hh)[order]]
    return np.concatenate(weights), np.concatenate(biases)


def _widths(decoder: Decoder) -> list[int]:
    """Return the widths of the gate's and the attention's parts of the product with the state."""
    return [decoder.gate.out_features] * (1 if decoder.attention is None else 2)


def _of_inputs(decoder: Decoder) -> tuple[Weights, Weights]:
    """Return what the context is multiplied by, and what each word adds to the product.

    Both are for the recurrence and for the deep output layer.
    """
    of_context, of_embedded = _of_embedded(decoder)
    return of_context, array(decoder.embedding.weight) @ of_embedded.T + _bias(decoder)


def _of_embedded(decoder: Decoder) -> tuple[Weights, Weights]:
    """Return what the context is multiplied by, and what the embedding of a word is."""
    cell, order, hidden = decoder.cell, _order(decoder.cell), decoder.cell.hidden_size
    size = decoder.deep.weight.shape[1] - 2 * hidden  # of an embedding
    word, context = np.split(array(cell.weight_ih)[order], [size], axis=1)
    _, deep_context, deep_word = np.split(array(decoder.deep.weight), [hidden, 2 * hidden], axis=1)
    return np.concatenate((context, deep_context)), np.concatenate((word, deep_word))


def _bias(decoder: Decoder) -> Weights:
    """Return what is added to the products with the inputs; the deep layer adds its own later."""
    of_cell = array(decoder.cell.bias_ih)[_order(decoder.cell)]
    return np.concatenate((of_cell, np.zeros(decoder.deep.out_features, np.float32)))


def _recur(graph: Graph, new: str, old: str, state: list[str], cell: Cell) -> list[str]:
    """Compute the next state from what the inputs and the last state add to the gates."""
    size = cell.hidden_size
    if isinstance(cell, nn.LSTMCell):
        gates, candidate = graph.split(graph.add("Add", new, old), 3 * size, size)
        i, f, o = graph.split(graph.add("Sigmoid", gates), size, size, size)
        kept = graph.add("Mul", f, state[1])
        memory = graph.add("Add", kept, graph.add("Mul", i, graph.add("Tanh", candidate)))
        return [graph.add("Mul", o, graph.add("Tanh", memory)), memory]
    new_gates, new_candidate = graph.split(new, 2 * size, size)
    old_gates, old_candidate = graph.split(old, 2 * size, size)
    gates = graph.add("Sigmoid", graph.add("Add", new_gates, old_gates))
    reset, update = graph.split(gates, size, size)
    candidate = graph.add(
        "Tanh", graph.add("Add", new_candidate, graph.add("Mul", reset, old_candidate))
    )
    change = graph.add("Mul", update, graph.add("Sub", state[0], candidate))
    return [graph.add("Add", candidate, change)]


def _attend(graph: Graph, query: str, attention: Attention) -> tuple[str, dict[str, str]]:
    """Return the context, and the output that tells where it comes from."""
    if attention.energy is None:
        context = graph.add(
            "MultiHeadAttention",
            query,
            "keys",
            "regions",
            domain=MICROSOFT,
            num_heads=attention.heads,
        )
        return context, {QUERY: query}
    rows = graph.add("Unsqueeze", query, graph.integers(2))
    keys = graph.add("Unsqueeze", "keys", graph.integers(1))
    mixed = graph.add("Tanh", graph.add("Add", rows, keys))
    energy = graph.constant(array(attention.energy.weight)[0])
    weights = graph.add("Softmax", graph.add("MatMul", mixed, energy), axis=-1)
    return graph.add("MatMul", weights, "regions"), {ATTENTION: weights}
