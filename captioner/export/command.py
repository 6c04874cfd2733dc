"""Write the network for the CPU's runtime: `python -m captioner export --photos FOLDER`.

The encoder's convolutions and products are rounded to 8 bits; see `equalized` and `quantized`. The
decoder's products are in 8 bits too; see `decoder_graph`.
"""

import argparse
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save as serialize

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata, check_path, digest, exported_path
from captioner.cores import cores
from captioner.decoding.generate import generate
from captioner.errors import BadImage
from captioner.export import layers
from captioner.export.decoder import decoder_graph
from captioner.export.encoder import OPERATORS, encoder_graph
from captioner.export.equalization import equalized
from captioner.export.languages import export_languages
from captioner.export.quantization import quantized
from captioner.files import replacing, unwritable
from captioner.model import Model
from captioner.options import Options
from captioner.output import complain, say
from captioner.photo.decode import decode
from captioner.photo.folders import photos_in
from captioner.photo.preprocessing import Pixels, Preprocessing
from captioner.runtime import onnx as exported
from captioner.runtime.onnx import FORMAT, OnnxNetwork
from captioner.runtime.onnx_decoder import session
from captioner.runtime.protocols import Network, Runnable, Squares
from captioner.runtime.pytorch import PyTorchNetwork
from captioner.shipped import DEFAULT_CHECKPOINT, find
from captioner.speakers import FILE, languages_of

CALIBRATION = 200  # photos to measure ranges on
SAMPLE = 50  # other photos, to compare captions on
FEWEST = 2  # photos: one of each


def main(arguments: Sequence[str]) -> int:
    """Export a checkpoint; return 0, or 1 after printing what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m captioner export",
        usage="%(prog)s [OPTION...] --photos FOLDER",
        description="Write the network for ONNX Runtime, next to its checkpoint.",
    )
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--photos", type=Path, required=True, help="folder of training photos")
    parser.add_argument("--output", type=Path, help="next to the checkpoint by default")
    parser.add_argument(
        "--languages", action="store_true", help="only the decoders for its other languages"
    )
    args = parser.parse_args(arguments)
    if args.languages:
        return _languages(args)
    output = args.output or exported_path(args.checkpoint)
    try:
        _check(args.checkpoint, output)
        paths = _paths(args.photos)
        metadata, model = checkpoint.load(args.checkpoint)
        measured, compared = _photos(paths, metadata.preprocessing)
    except (CheckpointError, _ArgumentError) as error:
        complain(f"error: {error}")
        return 1
    try:
        export(metadata, model, digest(args.checkpoint), measured, output)
    except OSError as error:
        complain(f"error: --output cannot be {output}: {error.strerror or error}")
        return 1
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    _, network = exported.load(output)
    say(compare(metadata, model, network, compared))
    if output == exported_path(args.checkpoint):
        say(f"to measure the loss: python -m train evaluate {args.checkpoint} --runtime onnx")
    return 0


def _languages(args: argparse.Namespace) -> int:
    """Export the decoders for a checkpoint's other languages; return as `main` does."""
    try:
        check_path(args.checkpoint)
        file = languages_of(args.checkpoint)
        if file is None:
            raise CheckpointError(
                args.checkpoint.with_name(FILE), "there is none of this checkpoint"
            )
        output = args.output or exported_path(file.path)
        _check(file.path, output)
        metadata, model = checkpoint.load(args.checkpoint)
        measured, compared = _photos(_paths(args.photos), metadata.preprocessing)
        _, network = exported.load(exported_path(args.checkpoint), args.checkpoint)
        largest = max(float(np.abs(network.encode(one[None]).regions).max()) for one in measured)
        export_languages(model, file, layers.IN_8_BITS, largest, output)
    except (CheckpointError, _ArgumentError) as error:
        complain(f"error: {error}")
        return 1
    except OSError as error:
        complain(f"error: --output cannot be {args.output}: {error.strerror or error}")
        return 1
    say(f"{output}: {output.stat().st_size / 1e6:.1f} MB")
    if output == exported_path(file.path):
        precise = PyTorchNetwork(model, metadata.preprocessing, "cpu")
        for code in file.codes:
            known, rounded = file.metadata(code, metadata), network.in_language(file.path, code)
            first = precise, precise.in_language(file.path, code)
            say(f"{code}: {_agreement(known, first, (network, rounded), compared)}")
    return 0


class _ArgumentError(ValueError):
    """An argument that cannot be used, and why."""


def _check(checkpoint: Path, output: Path) -> None:
    """Refuse files that cannot be read or written, before any work."""
    check_path(checkpoint)
    if problem := unwritable(output):
        raise _ArgumentError(f"--output cannot be {output}: {problem}")
    if output.exists() and output.samefile(checkpoint):
        raise _ArgumentError(f"--output cannot be {output}: it is the checkpoint")


def _paths(folder: Path) -> list[str]:
    """Return the photos in a folder, and name the folders in it that cannot be read."""
    if not os.path.isdir(folder):
        raise _ArgumentError(f"--photos cannot be {folder}: there is no such folder")
    listing = photos_in(str(folder))
    for unreadable, reason in listing.unreadable.items():
        complain(f"{unreadable}: {reason}")
    if len(listing.photos) < FEWEST:
        raise _ArgumentError(f"--photos: {folder} has fewer than two photos")
    return listing.photos


def _photos(paths: Sequence[str], preprocessing: Preprocessing) -> tuple[Squares, Squares]:
    """Return the photos to measure ranges on, and others to compare captions on."""
    shuffled = list(paths)
    random.Random(0).shuffle(shuffled)
    squares: list[Pixels] = []
    for path in shuffled:
        if len(squares) == CALIBRATION + SAMPLE:
            break
        try:
            squares.append(_square(Path(path), preprocessing))
        except BadImage as error:
            complain(f"{path}: {error}")
        except OSError as error:
            complain(f"{path}: {error.strerror or error}")
    if len(squares) < FEWEST:
        raise _ArgumentError("--photos: fewer than two photos can be read")
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
    encoder = encoder_graph(model, metadata.preprocessing)
    rounded = quantized(equalized(encoder, photos), photos, OPERATORS)
    decoder = decoder_graph(model, layers.IN_8_BITS, _largest(rounded, photos))
    tensors: dict[str, npt.NDArray[Any]] = {
        "encoder": np.frombuffer(rounded, np.uint8),
        "decoder": np.frombuffer(decoder.SerializeToString(), np.uint8),
        **checkpoint.fitted_tensors(metadata),
    }
    header = checkpoint.describe(metadata, FORMAT) | {"checkpoint": made_from}
    with replacing(output) as part:
        part.write_bytes(serialize(tensors, header))


def _largest(encoder: bytes, photos: Squares) -> float:
    """Return the largest magnitude of the regions of some photos."""
    encode = session(np.frombuffer(encoder, np.uint8), cores())
    return max(
        float(np.abs(encode.run(["regions"], {"photos": photo[None]})[0]).max()) for photo in photos
    )


def compare(metadata: Metadata, model: Model, network: OnnxNetwork, photos: Squares) -> str:
    """Caption photos with both networks, and describe how much they agree."""
    precise = PyTorchNetwork(model, metadata.preprocessing, "cpu")
    return _agreement(metadata, (precise, precise), (network, network), photos)


def _agreement(
    metadata: Metadata,
    precise: tuple[Runnable[Any], Network[Any]],
    rounded: tuple[Runnable[Any], Network[Any]],
    photos: Squares,
) -> str:
    """Caption photos with two encoders and decoders, and describe how much they agree."""
    options = Options()
    known = metadata.matching, metadata.small_words
    same, difference = 0, 0.0
    for photo in photos:
        (first, *_), (second, *_) = (
            generate(decoder, encoder.encode(photo[None]), options, *known)[0]
            for encoder, decoder in (precise, rounded)
        )
        same += first.tokens == second.tokens
        difference += abs(first.logprob - second.logprob)
    return (
        f"{same} of {len(photos)} captions are the same as PyTorch's; "
        f"their log-probabilities differ by {difference / len(photos):.3f} on average"
    )
