"""Write the network for the CPU's runtime: `python -m captioner export --photos FOLDER`.

The encoder's convolutions are rounded to 8 bits, with ranges measured on photos: static
quantization. A range is the mean of the photos' peaks, so that a rare peak does not cost all other
values their precision. The stem and the first block stay in single precision, because a quarter of
the error would come from them. The decoder's matrices are in 8 bits too; see `linear_8_bit`.
"""

import argparse
import logging
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from safetensors.numpy import save as serialize
from torch import nn

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata, digest, exported_path
from captioner.decoding.generate import generate
from captioner.errors import BadImage
from captioner.export import networks
from captioner.files import replacing
from captioner.model import Model
from captioner.options import Options
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Pixels, Preprocessing
from captioner.runtime import onnx as exported
from captioner.runtime.onnx import FORMAT, OnnxNetwork
from captioner.runtime.protocols import Squares
from captioner.runtime.pytorch import PyTorchNetwork
from captioner.shipped import DEFAULT_CHECKPOINT, find

CALIBRATION = 200  # photos to measure ranges on
SAMPLE = 50  # other photos, to compare captions on


def main(arguments: Sequence[str]) -> int:
    """Export a checkpoint; return 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m captioner export",
        description="Write the network for ONNX Runtime, next to its checkpoint.",
    )
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--photos", type=Path, required=True, help="folder of training photos")
    parser.add_argument("--output", type=Path, help="next to the checkpoint by default")
    args = parser.parse_args(arguments)
    try:
        metadata, model = checkpoint.load(args.checkpoint)
        measured, compared = _photos(args.photos, metadata.preprocessing)
    except (CheckpointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    output = args.output or exported_path(args.checkpoint)
    export(metadata, model, digest(args.checkpoint), measured, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    _, network = exported.load(output)
    print(compare(metadata, model, network, compared))
    if output == exported_path(args.checkpoint):
        print(f"to measure the loss: python -m train evaluate {args.checkpoint} --runtime onnx")
    return 0


def _photos(folder: Path, preprocessing: Preprocessing) -> tuple[Squares, Squares]:
    """Return the photos to measure ranges on, and others to compare captions on."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    random.Random(0).shuffle(paths)
    squares: list[Pixels] = []
    for path in paths:
        if len(squares) == CALIBRATION + SAMPLE:
            break
        try:
            squares.append(_square(path, preprocessing))
        except BadImage:
            continue  # the folder may have other files
    if len(squares) < 2:
        raise ValueError(f"{folder} has fewer than two photos")
    share = max(1, len(squares) * SAMPLE // (CALIBRATION + SAMPLE))
    return np.stack(squares[share:]), np.stack(squares[:share])


def _square(path: Path, preprocessing: Preprocessing) -> Pixels:
    return preprocessing.squeeze(decode(path.read_bytes(), side=preprocessing.size))


def export(metadata: Metadata, model: Model, made_from: str, photos: Squares, output: Path) -> None:
    """Write a checkpoint's network; the file appears whole or not at all.

    Args:
        metadata: of the checkpoint.
        model: of the checkpoint.
        made_from: the `digest` of the checkpoint's file.
        photos: from the training distribution, to measure ranges on.
        output: the file to write.
    """
    encoder = networks.encoder_graph(model, metadata.preprocessing)
    decoder = networks.decoder_graph(model, networks.linear_8_bit)
    tensors: dict[str, npt.NDArray[Any]] = {
        "encoder": np.frombuffer(_quantized(encoder, photos, _precise(model)), np.uint8),
        "decoder": np.frombuffer(decoder.SerializeToString(), np.uint8),
        **checkpoint.fitted_tensors(metadata),
    }
    header = checkpoint.describe(metadata, FORMAT) | {"checkpoint": made_from}
    with replacing(output) as part:
        part.write_bytes(serialize(tensors, header))


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, photos: Squares) -> None:
        self._photos = iter(photos)

    def get_next(self) -> dict[str, Squares] | None:
        photo = next(self._photos, None)
        return None if photo is None else {"photos": photo[None]}


def _precise(model: Model) -> int:
    """Count the convolutions that stay in single precision: the stem and the whole first block."""
    first = model.encoder.resnet.layer1[0]
    return 1 + sum(isinstance(part, nn.Conv2d) for part in first.modules())


def _quantized(encoder: onnx.ModelProto, photos: Squares, precise: int) -> bytes:
    convolutions = [node.name for node in encoder.graph.node if node.op_type == "Conv"]
    # The library advises to optimize the graph first, but no batch norm is left to fold.
    logging.getLogger().addFilter(_no_advice)
    try:
        with tempfile.TemporaryDirectory() as folder:
            single, quantized = Path(folder, "single.onnx"), Path(folder, "quantized.onnx")
            onnx.save(encoder, single)
            quantize_static(
                single,
                quantized,
                _Reader(photos),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Relu"],
                nodes_to_exclude=convolutions[:precise],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"CalibMovingAverage": True},
            )
            return quantized.read_bytes()
    finally:
        logging.getLogger().removeFilter(_no_advice)


def _no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()


def compare(metadata: Metadata, model: Model, network: OnnxNetwork, photos: Squares) -> str:
    """Caption photos with both networks, and describe how much they agree."""
    options = Options()
    known = metadata.matching, metadata.small_words
    precise = PyTorchNetwork(model, metadata.preprocessing, "cpu")
    same, difference = 0, 0.0
    for photo in photos:
        square = photo[None]
        (first, *_), (second, *_) = (
            generate(precise, precise.encode(square), options, *known)[0],
            generate(network, network.encode(square), options, *known)[0],
        )
        same += first.tokens == second.tokens
        difference += abs(first.logprob - second.logprob)
    return (
        f"{same} of {len(photos)} captions are the same as PyTorch's; "
        f"their log-probabilities differ by {difference / len(photos):.3f} on average"
    )
