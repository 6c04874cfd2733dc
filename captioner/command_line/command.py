"""The arguments of `python -m captioner PHOTO...`, and what it does with them."""

import argparse
import asyncio
import os
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from captioner.captioner import Captioner
from captioner.checkpoint import CheckpointError
from captioner.command_line import arguments as common
from captioner.command_line import captioning, recording
from captioner.command_line.attempt import serving
from captioner.command_line.captioning import Printing
from captioner.command_line.files import STDIN, PhotoFile, find, read_streams
from captioner.command_line.names import ALL, Shard, ShardError
from captioner.command_line.progress import FEW, Progress
from captioner.command_line.record import RecordError, opened
from captioner.command_line.settings import settings
from captioner.cores import cores
from captioner.explain import file_problem
from captioner.files import unwritable
from captioner.interrupt import ending_at_once
from captioner.options import OptionError, Options
from captioner.output import complain, flush
from captioner.runtime.errors import UnusableError


def main(arguments: Sequence[str]) -> int:
    """Caption the photos of the command line; return 1 if any of them failed, else 0."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        shard = Shard.parse(args.shard)
    except ShardError as error:
        parser.error(f"--shard {error}")
    found = find(args.photos)
    first = list(islice(found, max(FEW, cores())))  # there may be millions
    if problem := _problem(args, several=len(first) > 1):
        parser.error(problem)
    flush()  # whether there is an output at all
    try:
        options = common.options(args, attention=args.explain is not None)
        serve = serving(common.limits(args), decoders=min(len(first), cores()))
        with ending_at_once():  # it imports more
            captioner = Captioner.load(
                args.checkpoint, args.device, runtime=args.runtime, serving=serve
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
    streams = read_streams(args.photos, serve.limits.max_bytes)
    photos = (streams.get(photo.name, photo) for photo in shard.of(chain(first, found)))

    def count() -> int:
        return sum(1 for _ in shard.of(find(args.photos)))

    progress = Progress(count if len(first) >= FEW else None)
    if args.resume:
        return _resume(args, captioner, shard, photos, options, progress)
    printing = Printing.of(args, several=len(first) > 1)
    return asyncio.run(captioning.run(captioner, photos, options, printing, progress))


def _resume(
    args: argparse.Namespace,
    captioner: Captioner,
    shard: Shard,
    photos: Iterator[PhotoFile],
    options: Options,
    progress: Progress,
) -> int:
    """Caption the photos that are not in the file of `--resume`."""
    limits = captioner.serving.limits
    made = settings(args.checkpoint, captioner.runtime, options, limits, shard)
    try:
        with opened(args.resume, made, retry_failed=args.retry_failed) as record:
            status = asyncio.run(recording.run(captioner, photos, options, record, progress))
            if record.failed:
                complain(f"{args.resume}: {_failures(record.failed)}")
            return status
    except RecordError as error:
        complain(f"error: --resume: {error}")
        return 1


def _failures(count: int) -> str:
    if count == 1:
        return "1 file failed; --retry-failed tries it again"
    return f"{count:,} files failed; --retry-failed tries them again"


def _problem(args: argparse.Namespace, *, several: bool) -> str | None:
    """Return what is wrong with the arguments, as far as that is known before any work."""
    for option, given, of in (
        ("--explain", args.explain, "photo"),
        ("--profile", args.profile, "photo"),
        ("--vtt", args.vtt, "video"),
    ):
        if given and several:
            return f"{option} is for one {of}, not for several"
        if given and args.resume:
            return f"{option} is not for --resume"
        if given and option != "--profile" and any(_is_same(given, photo) for photo in args.photos):
            return f"{option}: {given} is the {of} itself, which would be overwritten"
    if args.explain and (problem := file_problem(args.explain)):
        return f"--explain: {args.explain} {problem}"
    if args.vtt and (problem := unwritable(args.vtt)):
        return f"--vtt cannot be {args.vtt}: {problem}"
    if args.resume and not args.json:
        return "--resume writes JSON, so it needs --json"
    if args.resume and (problem := unwritable(args.resume)):
        return f"--resume cannot be {args.resume}: {problem}"
    if args.retry_failed and not args.resume:
        return "--retry-failed is for --resume, which is not given"
    if STDIN in args.photos and (args.resume or args.shard != str(ALL)):
        return "--resume and --shard are for files and folders, not for standard input"
    return common.problem(args)


def _is_same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m captioner",
        usage="%(prog)s [OPTION...] PHOTO...",
        description="Caption photos and videos, each in a line: a sentence for each scene.",
        epilog="The other command writes a network for ONNX Runtime: "
        "python -m captioner export --help",
    )
    parser.add_argument(
        "photos", nargs="+", type=_name, metavar="PHOTO", help="file, folder, or - for stdin"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="OUT.jsonl",
        help="write to this file, and skip the files that are in it already",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="try again the files in it that failed"
    )
    parser.add_argument(
        "--shard",
        default=str(ALL),
        metavar="PART/PARTS",
        help="only this part of the files, such as 3/16, which their names decide",
    )
    common.add_search(parser)
    parser.add_argument(
        "--explain", type=Path, metavar="OUT.png", help="draw the attention map of each word"
    )
    parser.add_argument(
        "--vtt", type=Path, metavar="OUT.vtt", help="write the scenes of a video, as WebVTT"
    )
    parser.add_argument("--profile", action="store_true", help="print how long each stage took")
    common.add_network(parser)
    return parser


def _name(photo: str) -> str:
    # pathlib would take it for the current folder.
    if not photo:
        raise argparse.ArgumentTypeError("the name is empty")
    return photo
