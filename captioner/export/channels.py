"""What the channels of a graph's values hold, measured on photos."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper

from captioner.export.builder import Weights
from captioner.runtime.onnx_decoder import session
from captioner.runtime.protocols import Squares


class Channels(NamedTuple):
    """What a value holds, by its channels; each array `(channels,)`."""

    peaks: Weights  # the largest magnitude in a photo, averaged over photos
    means: Weights


def measure(graph: ModelProto, values: Iterable[str], photos: Squares) -> dict[str, Channels]:
    """Measure values of a graph on photos, one photo at a time.

    Args:
        graph: in single precision; its input is "photos".
        values: their names; each `(batch, channels, height, width)`.
        photos: to measure on.
    """
    names = list(dict.fromkeys(values))
    watched = ModelProto()
    watched.CopyFrom(graph)
    del watched.graph.output[:]
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    running = session(np.frombuffer(watched.SerializeToString(), np.uint8), 1)
    peaks: dict[str, list[Weights]] = {name: [] for name in names}
    means: dict[str, list[Weights]] = {name: [] for name in names}
    for photo in photos:
        for name, value in zip(names, running.run(names, {"photos": photo[None]}), strict=True):
            peaks[name].append(np.abs(value[0]).max((1, 2)))
            means[name].append(value[0].mean((1, 2)))
    return {
        name: Channels(np.mean(peaks[name], axis=0), np.mean(means[name], axis=0)) for name in names
    }
