"""Round an ONNX graph to 8 bits, with ranges measured on photos.

This is static quantization. A range is the mean of the photos' peaks, so that a rare peak does not
cost all other values their precision.
"""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from captioner.export.channels import measure
from captioner.export.rounding import round_weights
from captioner.runtime.protocols import Squares


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, photos: Squares) -> None:
        self._photos = iter(photos)

    def get_next(self) -> dict[str, Squares] | None:
        photo = next(self._photos, None)
        return None if photo is None else {"photos": photo[None]}


def quantized(graph: ModelProto, photos: Squares, operators: Sequence[str]) -> bytes:
    """Return the bytes of a graph that computes in 8 bits.

    Args:
        graph: in single precision; its input is "photos".
        photos: from the training distribution, to measure ranges on.
        operators: which types of nodes are rounded; products only where one factor is constant.
    """
    constants = {value.name for value in graph.graph.initializer}
    products = [node for node in graph.graph.node if node.op_type == "MatMul"]
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    logging.getLogger().addFilter(_is_news)
    try:
        with tempfile.TemporaryDirectory() as folder:
            single, rounded = Path(folder, "single.onnx"), Path(folder, "quantized.onnx")
            onnx.save(graph, single)
            quantize_static(
                single,
                rounded,
                _Reader(photos),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(operators),
                nodes_to_exclude=[node.name for node in products if node.input[1] not in constants],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={
                    "CalibMovingAverage": True,
                    "OpTypesToExcludeOutputQuantization": ["MatMul"],
                },
            )
            result = onnx.load(rounded)
    finally:
        logging.getLogger().removeFilter(_is_news)
    round_weights(result, graph, measure(graph, [node.input[0] for node in convolutions], photos))
    serialized: bytes = result.SerializeToString()
    return serialized


def optimized(graph: bytes) -> bytes:
    """Return the bytes of a graph as ONNX Runtime optimizes it for any CPU: it starts sooner."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3  # it warns that the graph is for this runtime only
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "optimized.onnx")
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def _is_news(record: logging.LogRecord) -> bool:
    # It advises to optimize the graph first, but no batch norm is left to fold; and it does not
    # know the type of what a product in 8 bits returns, which it must leave as it is anyway.
    message = record.getMessage()
    return not ("pre-processing before quantization" in message or "failed to infer" in message)
