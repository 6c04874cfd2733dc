"""Measure how near the served network comes to the peak of this machine's arithmetic.

    python benchmarks/peak.py examples

It measures the peak of matrix products in single precision (PyTorch) and in 8 bits (ONNX Runtime),
and of a ResNet's 3 x 3 convolution in 8 bits, on one thread and on all. The encoder's operations
divided by a peak are a lower bound for its time, which is measured too. So are those of a step of
the decoder, at the default beam width; a second bound is the time to copy as many bytes as its
weights have. A multiplication and its addition count as two operations.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import onnx
import torch
from bare import open_bare
from machine import machine
from onnx import TensorProto, helper, numpy_helper
from photos import read_photos
from quiet import Timings, measure, remark
from table import markdown

from captioner.checkpoint import exported_path, read
from captioner.cores import cores
from captioner.options import Options
from captioner.shipped import DEFAULT_CHECKPOINT, find
from captioner.vocabulary import START

ROWS, INNER, COLUMNS = 1024, 4096, 1024  # of the matrices; larger ones are not faster
CHANNELS, SIDE = 256, 14  # of the convolution, as in ResNet-50's third layer
CONVOLUTIONS = 32  # photos in its batch

STEPS = 10  # of the decoder, for each of the other measurements

GIGA, MILLI = 1e9, 1e-3


class Operations(NamedTuple):
    """The operations of an encoder for one photo."""

    in_8_bits: float
    in_32_bits: float

    @property
    def all(self) -> float:
        """The sum of both."""
        return self.in_8_bits + self.in_32_bits


class Step(NamedTuple):
    """One step of the decoder for one photo, in seconds; it runs on one thread."""

    operations: float  # by the peak in 8 bits
    copy: float  # of as many bytes as the weights have
    measured: float
    others: float  # share of the machine that other processes used


class Found(NamedTuple):
    """Operations per second, and the encoder's seconds, with this number of threads."""

    threads: int
    single: float
    whole: float
    convolution: float
    encoder: float
    others: float  # share of the machine that other processes used

    @property
    def eight_bit(self) -> float:
        """The peak in 8 bits: of matrices or of the convolution."""
        return max(self.whole, self.convolution)


def main() -> None:
    args = _arguments()
    operations = _operations(args.checkpoint)
    photo = read_photos(args.photos)[0]
    found = [_measure(threads, photo, args) for threads in args.threads]
    print(machine())
    print(f"\n{_table(found, operations)}\n")
    step = _step(found[0].eight_bit, photo, args)
    print(
        f"a step of the decoder, {Options.beam} beams, one thread: {step.measured / MILLI:.2f} ms; "
        f"its operations take {step.operations / MILLI:.2f} ms at the peak in 8 bits, "
        f"and to copy its weights takes {step.copy / MILLI:.2f} ms\n"
    )
    print(remark(max(step.others, *(one.others for one in found))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos; the first is encoded")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, cores()}))
    parser.add_argument("--repeats", type=int, default=50, help="runs of each measurement")
    parser.add_argument(
        "--patience", type=float, default=300, help="seconds to wait for an idle machine"
    )
    return parser.parse_args()


def _measure(threads: int, photo: bytes, args: argparse.Namespace) -> Found:
    def timed(work: Callable[[], object]) -> Timings:
        return measure(lambda _: work(), args.repeats, args.patience)

    torch.set_num_threads(threads)
    product = 2 * ROWS * INNER * COLUMNS
    convolution = 2 * CONVOLUTIONS * SIDE**2 * CHANNELS**2 * 9
    bare = open_bare(args.checkpoint, "cpu", "onnx", threads)
    squares = bare.squeeze([photo])
    single, whole, convolved, encoder = (
        timed(work)
        for work in (
            _single(),
            _run(_product(), (ROWS, INNER), threads),
            _run(_convolution(), (CONVOLUTIONS, CHANNELS, SIDE, SIDE), threads),
            lambda: bare.encode(squares),
        )
    )
    return Found(
        threads,
        # A peak is the fastest run; the encoder's time is the median.
        product / min(single.seconds),
        product / min(whole.seconds),
        convolution / min(convolved.seconds),
        median(encoder.seconds),
        max(one.others for one in (single, whole, convolved, encoder)),
    )


def _single() -> Callable[[], object]:
    left, right = torch.rand(ROWS, INNER), torch.rand(INNER, COLUMNS)
    result = torch.empty(ROWS, COLUMNS)
    return lambda: torch.mm(left, right, out=result)


def _product() -> onnx.GraphProto:
    weights = np.random.default_rng(0).integers(-127, 128, (INNER, COLUMNS), np.int8)
    return helper.make_graph(
        [helper.make_node("MatMulInteger", ["given", "weights"], ["found"])],
        "product",
        [helper.make_tensor_value_info("given", TensorProto.UINT8, [ROWS, INNER])],
        [helper.make_tensor_value_info("found", TensorProto.INT32, [ROWS, COLUMNS])],
        [numpy_helper.from_array(weights, "weights")],
    )


def _convolution() -> onnx.GraphProto:
    shape = (CHANNELS, CHANNELS, 3, 3)
    constants = {
        "scale": np.float32(0.02),
        "zero": np.uint8(128),
        "weights": np.random.default_rng(0).integers(-127, 128, shape, np.int8),
        "scales": np.full(CHANNELS, 0.01, np.float32),
        "zeros": np.zeros(CHANNELS, np.int8),
    }
    image = [CONVOLUTIONS, CHANNELS, SIDE, SIDE]
    given = ["given", "scale", "zero", "weights", "scales", "zeros", "scale", "zero"]
    return helper.make_graph(
        [helper.make_node("QLinearConv", given, ["found"], pads=[1, 1, 1, 1])],
        "convolution",
        [helper.make_tensor_value_info("given", TensorProto.UINT8, image)],
        [helper.make_tensor_value_info("found", TensorProto.UINT8, image)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )


def _run(graph: onnx.GraphProto, shape: Sequence[int], threads: int) -> Callable[[], object]:
    import onnxruntime  # after `captioner`, which switches its telemetry off

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    given = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    return lambda: session.run(None, {"given": given})


def _step(peak: float, photo: bytes, args: argparse.Namespace) -> Step:
    """Time a step of the decoder, and the two lower bounds for it.

    Args:
        peak: operations per second on one thread.
        photo: the file whose caption the step is for.
        args: of the command line.
    """
    _, graphs = read(exported_path(args.checkpoint), "np")
    graph = onnx.load_from_string(graphs["decoder"].tobytes()).graph
    sizes = {constant.name: math.prod(constant.dims) for constant in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    weights = sum(sizes[node.input[1]] for node in products)
    bare = open_bare(args.checkpoint, "cpu", "onnx", 1)
    memory = bare.encode(bare.squeeze([photo]))
    rows = np.zeros((1, Options.beam), np.int64)

    def step() -> None:
        state.step(rows + START, rows, 2 * Options.beam)

    state = bare.network.begin(memory)
    measured = measure(lambda _: step(), STEPS * args.repeats, args.patience)
    source = np.zeros(weights, np.uint8)
    copy = source.copy()
    copied = measure(lambda _: np.copyto(copy, source), STEPS * args.repeats, args.patience)
    return Step(
        2 * Options.beam * weights / peak,
        min(copied.seconds),
        median(measured.seconds),
        max(measured.others, copied.others),
    )


def _operations(path: Path) -> Operations:
    """Count the operations of an exported encoder's convolutions and products, for one photo.

    A product with constants on its left is a mean; those are less than a thousandth of the whole.
    """
    _, graphs = read(exported_path(path), "np")
    model = onnx.load_from_string(graphs["encoder"].tobytes())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes: dict[str, Sequence[int]] = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in graph.value_info
    }
    weights = {constant.name: list(constant.dims) for constant in graph.initializer}
    rounded = {
        node.output[0]: weights[node.input[0]]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in weights
    }
    found = {True: 0.0, False: 0.0}
    for node in graph.node:
        if node.op_type not in ("Conv", "MatMul"):
            continue
        weight, result = node.input[1], shapes[node.output[0]]
        if size := math.prod(rounded.get(weight) or weights.get(weight) or [0]):
            places = result[2:] if node.op_type == "Conv" else result[:-1]
            found[weight in rounded] += 2 * size * math.prod(places)
    return Operations(found[True], found[False])


def _table(found: Sequence[Found], operations: Operations) -> str:
    def row(title: str, values: Iterable[float], unit: float, digits: int) -> list[str]:
        return [title, *(f"{value / unit:.{digits}f}" for value in values)]

    least = {
        "all in 32 bits": [operations.all / one.single for one in found],
        "all in 8 bits": [operations.all / one.eight_bit for one in found],
        f"{operations.in_32_bits / GIGA:.1f} G of them in 32 bits as exported": [
            operations.in_32_bits / one.single + operations.in_8_bits / one.eight_bit
            for one in found
        ],
    }
    title = f"lower bound for the encoder's {operations.all / GIGA:.1f} G operations"
    rows = [
        row("matrices, 32 bits, G operations/s", (one.single for one in found), GIGA, 0),
        row("matrices, 8 bits, G operations/s", (one.whole for one in found), GIGA, 0),
        row("convolution, 8 bits, G operations/s", (one.convolution for one in found), GIGA, 0),
        *(row(f"{title}, {kind}, ms", bound, MILLI, 1) for kind, bound in least.items()),
        row("the served encoder, one photo, ms", (one.encoder for one in found), MILLI, 1),
        *(
            row(
                f"measured / lower bound, {kind}",
                (one.encoder / seconds for one, seconds in zip(found, bound, strict=True)),
                1,
                2,
            )
            for kind, bound in least.items()
        ),
    ]
    return markdown(
        ["", *(f"{one.threads} thread{'s' * (one.threads > 1)}" for one in found)], rows
    )


if __name__ == "__main__":
    main()
