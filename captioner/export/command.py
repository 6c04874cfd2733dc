"""Write the network for the CPU's runtime: `python -m captioner export --photos FOLDER`.

The encoder's convolutions are rounded to 8 bits, see `quantized`. The stem and the first block stay
in single precision, because a quarter of the error would come from them. The decoder's matrices are
in 8 bits too; see `linear_8_bit`.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as serialize
from torch import nn

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata, digest, exported_path
from captioner.decoding.generate import generate
from captioner.errors import BadImage
from captioner.export import networks
from captioner.export.quantization import quantized
from captioner.files import replacing, unwritable
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
        output = args.output or exported_path(args.checkpoint)
        if problem := unwritable(output):
            raise ValueError(f"--output cannot be {output}: {problem}")
        measured, compared = _photos(args.photos, metadata.preprocessing)
    except (CheckpointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
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
    rounded = quantized(encoder, photos, _precise(model), ("Conv", "Relu"))
    decoder = networks.decoder_graph(model, networks.linear_8_bit)
    tensors: dict[str, npt.NDArray[Any]] = {
        "encoder": np.frombuffer(rounded, np.uint8),
        "decoder": np.frombuffer(decoder.SerializeToString(), np.uint8),
        **checkpoint.fitted_tensors(metadata),
    }
    header = checkpoint.describe(metadata, FORMAT) | {"checkpoint": made_from}
    with replacing(output) as part:
        part.write_bytes(serialize(tensors, header))


def _precise(model: Model) -> int:
    """Count the convolutions that stay in single precision: the stem and the whole first block."""
    first = model.encoder.resnet.layer1[0]
    return 1 + sum(isinstance(part, nn.Conv2d) for part in first.modules())


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
