"""Caption photos: `python -m captioner PHOTO...`; see `export --help` for the other command."""

import argparse
import asyncio
import errno
import io
import json
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import numpy as np
from tqdm import tqdm

from captioner.captioner import Captioner
from captioner.checkpoint import CheckpointError
from captioner.cores import cores
from captioner.errors import BadImage
from captioner.explain import PHOTO_SIDE, draw_attention, file_problem
from captioner.interrupt import run
from captioner.options import LARGEST_BEAM, OptionError, Options
from captioner.photo.formats import is_photo_name
from captioner.photo.preprocessing import Pixels
from captioner.profile import profile
from captioner.result import Caption
from captioner.runtime.errors import UnusableError
from captioner.runtime.select import Runtime
from captioner.serving import ServingConfig
from captioner.shipped import DEFAULT_CHECKPOINT, NAMES, find

IN_FLIGHT = 32  # photos in progress at once: two batches


def main(arguments: Sequence[str] | None = None) -> int:
    """Caption the photos of the command line; return 1 if any of them failed, else 0."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["export"]:
        return _export(given[1:])
    parser = _parser()
    args = parser.parse_args(given)
    photos = _expand(args.photos)
    if args.explain and len(photos) != 1:
        parser.error(f"--explain draws one photo, not {len(photos)}")
    if args.explain and (problem := file_problem(args.explain)):
        parser.error(f"--explain: {args.explain} {problem}")
    if args.profile and len(photos) != 1:
        parser.error(f"--profile times one photo, not {len(photos)}")
    if args.seed is not None and not args.sample:
        parser.error("--seed is for --sample, which is not given")
    if not 1 <= args.beam <= LARGEST_BEAM:
        parser.error(f"--beam is {args.beam}; it must be at least 1 and at most {LARGEST_BEAM}")
    try:
        options = Options(
            beam=args.beam,
            sample=args.sample,
            seed=args.seed or 0,
            alternatives=args.alternatives,
            attention=args.explain is not None,
        )
        serving = ServingConfig(decoders=min(len(photos), cores()))
        captioner = Captioner.load(
            args.checkpoint, args.device, runtime=args.runtime, serving=serving
        )
    except OptionError as error:
        parser.error(f"--{error.field} {error.reason}")
    except UnusableError as error:
        parser.error(f"--{error.setting} {error.reason}")
    except CheckpointError as error:
        parser.error(f"--checkpoint: {error}")
    if args.explain and not captioner.config.attention:
        parser.error(f"--explain: {args.checkpoint} has no attention to draw")
    return asyncio.run(_run(captioner, photos, options, args))


def _export(arguments: Sequence[str]) -> int:
    try:
        from captioner.export import command
    except ModuleNotFoundError as error:
        print(f"{error}. Exporting needs: pip install -e '.[export]'", file=sys.stderr)
        return 1
    return command.main(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m captioner",
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
    parser.add_argument("--alternatives", type=int, default=0, metavar="N", help="more captions")
    parser.add_argument("--sample", action="store_true", help="sample words")
    parser.add_argument("--seed", type=int, metavar="N", help="of --sample; by default 0")
    parser.add_argument(
        "--explain", type=Path, metavar="OUT.png", help="draw the attention map of each word"
    )
    parser.add_argument("--profile", action="store_true", help="print how long each stage took")
    parser.add_argument(
        "--checkpoint", type=find, default=DEFAULT_CHECKPOINT, help=f"file, or {' or '.join(NAMES)}"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--runtime",
        default="auto",
        choices=get_args(Runtime),
        help="PyTorch, or ONNX Runtime with an exported network; auto takes what is faster here",
    )
    return parser


def _name(photo: str) -> str:
    # pathlib would take it for the current folder.
    if not photo:
        raise argparse.ArgumentTypeError("the name is empty")
    return photo


def _expand(names: Iterable[str]) -> list[str]:
    """Replace each folder by the pictures in it, at any depth, sorted by name."""
    photos: list[str] = []
    for name in names:
        if name != "-" and Path(name).is_dir():
            files = (path for path in Path(name).rglob("*") if path.is_file())
            pictures = [path for path in files if is_photo_name(path.name)]
            photos += map(str, sorted(pictures)) if pictures else [name]
        else:
            photos.append(name)
    return photos


async def _run(
    captioner: Captioner, photos: Sequence[str], options: Options, args: argparse.Namespace
) -> int:
    failed = False
    # A progress bar for a few photos would be gone before anyone reads it.
    quiet = len(photos) < 10 or not sys.stderr.isatty()
    async with captioner:
        with tqdm(total=len(photos), unit="photo", disable=quiet) as progress:
            async for name, data, result in _captions(captioner, photos, options):
                progress.clear()
                failed |= isinstance(result, str)
                with _ending_with_the_reader():
                    _print(name, result, several=len(photos) > 1, as_json=args.json)
                if isinstance(result, Caption) and args.explain:
                    photo = await captioner.pixels(data, PHOTO_SIDE)
                    failed |= not _explain(args.explain, photo, result)
                if isinstance(result, Caption) and args.profile:
                    spans = await profile(captioner, data, options, first=result)
                    print(spans, file=sys.stderr, flush=True)
                progress.update()
    return int(failed)


async def _captions(
    captioner: Captioner, photos: Sequence[str], options: Options
) -> AsyncIterator[tuple[str, bytes, Caption | str]]:
    """Caption photos in their order, some of them ahead of the one to be printed."""
    tasks: deque[asyncio.Task[tuple[bytes, Caption | str]]] = deque()
    for index, name in enumerate(photos):
        for ahead in photos[index + len(tasks) : index + IN_FLIGHT]:
            tasks.append(asyncio.create_task(_caption(captioner, ahead, options)))
        data, result = await tasks.popleft()
        yield name, data, result


async def _caption(
    captioner: Captioner, name: str, options: Options
) -> tuple[bytes, Caption | str]:
    """Return the photo's bytes, with its caption or with a sentence on what is wrong."""
    data = b""
    try:
        data = await asyncio.to_thread(_read, name, captioner.serving.limits.max_bytes + 1)
        return data, await captioner.caption(data, options)
    except BadImage as error:
        return data, str(error)
    except OSError as error:
        return data, error.strerror or str(error)


def _read(name: str, limit: int) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(limit)
    if Path(name).is_dir():
        raise OSError(errno.ENOENT, "This folder has no pictures.")
    with open(name, "rb") as file:
        return file.read(limit)


def _explain(path: Path, photo: Pixels, caption: Caption) -> bool:
    """Draw the attention; return False after printing what is wrong."""
    maps = np.stack([word.attention for word in caption.words if word.attention is not None])
    sheet = draw_attention(photo, [word.text for word in caption.words], maps)
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        print(f"The picture cannot be written to {path}: {error}", file=sys.stderr, flush=True)
        return False
    return True


@contextmanager
def _ending_with_the_reader() -> Iterator[None]:
    # Ending a pipe early (`| head`) is not an error: this program ends too, by the signal that
    # would have ended it. Python ignores that signal, which must stay so elsewhere: a process that
    # decodes may die while a photo is sent to it, and that must not end the program.
    try:
        yield
    except BrokenPipeError:
        if hasattr(signal, "SIGPIPE"):
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.raise_signal(signal.SIGPIPE)
        raise


def _print(name: str, result: Caption | str, *, several: bool, as_json: bool) -> None:
    if isinstance(result, str):
        print(f"{name}: {result}", file=sys.stderr, flush=True)
        if as_json:
            print(json.dumps({"file": name, "error": result}), flush=True)
    elif as_json:
        alternatives = [other.text for other in result.alternatives]
        line = {
            "file": name,
            "caption": result.text,
            "logprob": round(result.logprob, 4),
            "confidence": round(result.confidence, 4),
            "unfamiliar": result.out_of_distribution,
            "objects": [
                {"name": one.name, "confidence": round(one.confidence, 4)} for one in result.objects
            ],
            "alternatives": alternatives,
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)
    else:
        print(f"{name}: {result.text}" if several else result.text, flush=True)
        for other in result.alternatives:
            print(f"  {other.text}", flush=True)


if __name__ == "__main__":
    # A file's name may have bytes that are not text; it is printed as it is.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    sys.exit(run(main))
