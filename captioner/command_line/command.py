"""The arguments of `python -m captioner PHOTO...`, and what it does with them."""

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

from captioner.captioner import Captioner
from captioner.checkpoint import CheckpointError
from captioner.command_line.captioning import Printing, run
from captioner.command_line.files import find, read_streams
from captioner.cores import cores
from captioner.explain import file_problem
from captioner.interrupt import ending_at_once
from captioner.options import LARGEST_BEAM, OptionError, Options
from captioner.output import flush
from captioner.photo.decode import MOST_MEGAPIXELS, Limits
from captioner.runtime.errors import UnusableError
from captioner.runtime.select import Runtime
from captioner.serving import ServingConfig
from captioner.shipped import DEFAULT_CHECKPOINT, NAMES
from captioner.shipped import find as find_checkpoint

# The search keeps a sentence for each; tens of thousands would take minutes and gigabytes.
MOST_ALTERNATIVES = 100


class _Limit(NamedTuple):
    """An option that sets a limit; it is above 0."""

    default: float
    most: float
    help: str


LIMITS = {
    "max_mb": _Limit(Limits.max_bytes / 2**20, 1000, "largest file, in units of 2^20 bytes"),
    "max_megapixels": _Limit(Limits.max_pixels / 1e6, MOST_MEGAPIXELS, "largest picture"),
    "decode_seconds": _Limit(Limits.seconds, 600, "longest time to decode a photo"),
}


def main(arguments: Sequence[str]) -> int:
    """Caption the photos of the command line; return 1 if any of them failed, else 0."""
    parser = _parser()
    args = parser.parse_args(arguments)
    photos = find(args.photos)
    if problem := _problem(args, len(photos)):
        parser.error(problem)
    flush()  # whether there is an output at all
    limits = _limits(args)
    try:
        options = Options(
            beam=args.beam,
            sample=args.sample,
            seed=args.seed or 0,
            alternatives=args.alternatives,
            attention=args.explain is not None,
            language=args.language,
        )
        serving = ServingConfig(limits, decoders=min(len(photos), cores()))
        with ending_at_once():  # it imports more
            captioner = Captioner.load(
                args.checkpoint, args.device, runtime=args.runtime, serving=serving
            )
        captioner.check_language(args.language)
    except OptionError as error:
        parser.error(f"--{error.field} {error.reason}")
    except UnusableError as error:
        parser.error(f"--{error.setting} {error.reason}")
    except CheckpointError as error:
        parser.error(f"--checkpoint: {error}")
    if args.explain and not captioner.config.attention:
        parser.error(f"--explain: {args.checkpoint} has no attention to draw")
    photos = read_streams(photos, limits.max_bytes)
    return asyncio.run(run(captioner, photos, options, Printing.of(args, len(photos))))


def _problem(args: argparse.Namespace, photos: int) -> str | None:
    """Return what is wrong with the arguments, as far as that is known before any work."""
    if args.explain and photos != 1:
        return f"--explain draws one photo, not {photos}"
    if args.explain and (problem := file_problem(args.explain)):
        return f"--explain: {args.explain} {problem}"
    if args.profile and photos != 1:
        return f"--profile times one photo, not {photos}"
    if args.seed is not None and not args.sample:
        return "--seed is for --sample, which is not given"
    for option, value, least, most in (
        ("--beam", args.beam, 1, LARGEST_BEAM),
        ("--alternatives", args.alternatives, 0, MOST_ALTERNATIVES),
    ):
        if not least <= value <= most:
            return f"{option} is {value}; it must be at least {least} and at most {most}"
    for name, limit in LIMITS.items():
        value = getattr(args, name)
        if not 0 < value <= limit.most:
            option = _flag(name)
            return f"{option} is {value:g}; it must be above 0 and at most {limit.most:g}"
    return None


def _limits(args: argparse.Namespace) -> Limits:
    return replace(
        Limits(),
        max_bytes=int(args.max_mb * 2**20),
        max_pixels=int(args.max_megapixels * 1e6),
        seconds=args.decode_seconds,
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m captioner",
        usage="%(prog)s [OPTION...] PHOTO...",
        description="Caption photos, one sentence a line.",
        epilog="The other command writes a network for ONNX Runtime: "
        "python -m captioner export --help",
    )
    parser.add_argument(
        "photos", nargs="+", type=_name, metavar="PHOTO", help="file, folder, or - for stdin"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--beam",
        type=int,
        default=Options.beam,
        metavar="N",
        help=f"beam width, 1 (greedy) to {LARGEST_BEAM}; by default {Options.beam}",
    )
    parser.add_argument(
        "--alternatives",
        type=int,
        default=0,
        metavar="N",
        help=f"more captions, up to {MOST_ALTERNATIVES}",
    )
    parser.add_argument(
        "--language", metavar="CODE", help="of the captions, such as de; by default the model's own"
    )
    parser.add_argument("--sample", action="store_true", help="sample words")
    parser.add_argument("--seed", type=int, metavar="N", help="of --sample; by default 0")
    parser.add_argument(
        "--explain", type=Path, metavar="OUT.png", help="draw the attention map of each word"
    )
    parser.add_argument("--profile", action="store_true", help="print how long each stage took")
    parser.add_argument(
        "--checkpoint",
        type=find_checkpoint,
        default=DEFAULT_CHECKPOINT,
        help=f"file, or {' or '.join(NAMES)}",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=get_args(Runtime),
        help="PyTorch, or ONNX Runtime with an exported network; auto takes what is faster here",
    )
    for name, limit in LIMITS.items():
        parser.add_argument(
            _flag(name),
            type=float,
            default=limit.default,
            metavar="N",
            help=f"{limit.help}; by default {limit.default:g}",
        )
    return parser


def _name(photo: str) -> str:
    # pathlib would take it for the current folder.
    if not photo:
        raise argparse.ArgumentTypeError("the name is empty")
    return photo
