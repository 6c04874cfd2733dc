"""The decoders for other languages as ONNX graphs, for `captioner.runtime.onnx_languages`.

The graph of a step ends with the features from which words are predicted; a small graph for each
language predicts them. Words come in as their embeddings, which are looked up beforehand.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnx import ModelProto
from safetensors.numpy import save as serialize

from captioner.checkpoint import digest
from captioner.export.builder import Graph
from captioner.export.decoder import Inputs, likeliest_words, step_graph
from captioner.export.layers import Arithmetic
from captioner.files import replacing
from captioner.languages.decoders import Decoders
from captioner.languages.file import LanguagesFile, Words
from captioner.model import Model
from captioner.runtime.onnx_languages import FEATURES, FORMAT, STEP


def export_languages(
    model: Model, file: LanguagesFile, arithmetic: Arithmetic, largest: float, output: Path
) -> None:
    """Write the graphs of a checkpoint's languages; the file appears whole or not at all.

    Args:
        model: of the checkpoint.
        file: of its languages.
        arithmetic: how to compute.
        largest: the largest magnitude of the encoder's regions.
        output: the file to write.
    """
    decoders = Decoders.load(file, model)
    words = {code: file.words(code) for code in file.codes}
    embedded = max(float(np.abs(one.embedding.all()).max()) for one in words.values())
    any_language = decoders.model(file.codes[0], model.encoder)
    graphs = {STEP: step_graph(any_language, arithmetic, largest, embedded)}
    graphs |= {code: words_graph(one, arithmetic) for code, one in words.items()}
    tensors: dict[str, npt.NDArray[np.uint8]] = {
        name: np.frombuffer(graph.SerializeToString(), np.uint8) for name, graph in graphs.items()
    }
    header = {"format": FORMAT, "languages": digest(file.path)}
    with replacing(output) as part:
        part.write_bytes(serialize(tensors, header))


def words_graph(words: Words, arithmetic: Arithmetic) -> ModelProto:
    """Build the graph that predicts the words of one language.

    Takes the features of a step `(batch, rows, embedding)` and `count`. Returns the `count`
    likeliest words of each row.
    """
    graph = Graph()
    table = words.embedding.all()
    outputs = likeliest_words(graph, arithmetic, FEATURES, table, words.bias)
    size = words.embedding.levels.shape[1]
    inputs: Inputs = {
        FEATURES: ("float", ["batch", "rows", size]),
        "count": ("int64", [1]),
    }
    return graph.model(inputs, outputs)
