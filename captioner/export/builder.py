"""An ONNX graph, node by node."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8  # that of the opset, so that older runtimes can read it too
FLOAT = TensorProto.FLOAT
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators

Weights = npt.NDArray[Any]
TYPES = {"float": FLOAT, "int64": TensorProto.INT64, "uint8": TensorProto.UINT8}


class Graph:
    """Nodes in the order of their computation, connected by the names of their values."""

    def __init__(self) -> None:
        """Start empty."""
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: Weights) -> str:
        """Add a constant and return its name."""
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        """Add integers, such as shapes and axes, and return their name."""
        return self.constant(np.array(values, np.int64))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        name = f"{operator}{len(self._nodes)}"
        names = [f"{name}.{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, name, **attributes))
        return names

    def split(self, x: str, *sizes: int) -> list[str]:
        """Cut the last axis of a value into parts of these sizes and return their names."""
        return self.several("Split", len(sizes), x, self.integers(*sizes), axis=-1)

    def model(
        self,
        inputs: Mapping[str, tuple[str, list[int | str]]],
        outputs: Mapping[str, str],
    ) -> ModelProto:
        """Build the model.

        Args:
            inputs: the type and the shape of each input, by its name.
            outputs: the name of the value of each output, by the output's name.
        """
        names = {value: name for name, value in outputs.items()}
        for node in self._nodes:
            for places in (node.input, node.output):
                places[:] = [names.get(name, name) for name in places]
        graph_inputs = [
            helper.make_tensor_value_info(name, TYPES[kind], shape)
            for name, (kind, shape) in inputs.items()
        ]
        graph_outputs = [onnx.ValueInfoProto(name=name) for name in outputs]
        graph = helper.make_graph(
            self._nodes, "network", graph_inputs, graph_outputs, self._constants
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
