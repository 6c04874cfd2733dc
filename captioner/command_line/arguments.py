"""The arguments that say how photos are captioned, for every command that captions many."""

import argparse
from dataclasses import replace
from typing import NamedTuple, get_args

from captioner.options import LARGEST_BEAM, MOST_ALTERNATIVES, Options
from captioner.photo.limits import MOST_MEGAPIXELS, Limits
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, NAMES
from captioner.shipped import find as find_checkpoint


class _Limit(NamedTuple):
    """An option that sets a limit; it is above 0."""

    default: float
    most: float
    help: str


LIMITS = {
    "max_mb": _Limit(Limits.max_bytes / 2**20, 1000, "largest file, in units of 2^20 bytes"),
    "max_megapixels": _Limit(Limits.max_pixels / 1e6, MOST_MEGAPIXELS, "largest picture"),
    "decode_seconds": _Limit(Limits.seconds, 600, "longest time to decode a file"),
}


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add what `options` reads."""
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


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the network, and what `limits` reads."""
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


def problem(args: argparse.Namespace) -> str | None:
    """Return what is wrong with these arguments, as far as that is known before any work."""
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


def options(args: argparse.Namespace, *, attention: bool = False) -> Options:
    """Return how to decode.

    Raises:
        OptionError: an option makes no sense.
    """
    return Options(
        beam=args.beam,
        sample=args.sample,
        seed=args.seed or 0,
        alternatives=args.alternatives,
        attention=attention,
        language=args.language,
    )


def limits(args: argparse.Namespace) -> Limits:
    """Return what a photo may cost."""
    return replace(
        Limits(),
        max_bytes=int(args.max_mb * 2**20),
        max_pixels=int(args.max_megapixels * 1e6),
        seconds=args.decode_seconds,
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
