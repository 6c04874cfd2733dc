"""Compare this captioner with others in one run, one photo at a time.

    python benchmarks/against.py examples

There are two comparisons, in milliseconds per photo:

- like for like: the networks alone, all in eager PyTorch and 32 bits, from their input pixels to
  exactly 12 words or tokens.
- as deployed: from the bytes of a file to the end of the search. Ours runs as the bot serves it,
  and the model ends its sentences. Theirs run as their model cards say, with 12 tokens; their
  tokens are not turned into text, because the tokenizers' files would have to be downloaded.

Theirs have random weights (`rivals.py`). Each figure comes from a process of its own, confined to
one core or free to use all of them, on a machine that is otherwise idle (`quiet.py`).
"""

import argparse
import asyncio
import io
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import NamedTuple

from machine import machine
from photos import read_photos
from PIL import Image
from quiet import measure, remark, resident
from table import markdown, spread

from captioner import Captioner, Options, checkpoint
from captioner.cores import cores
from captioner.decoding.generate import generate
from captioner.photo.decode import decode
from captioner.shipped import DEFAULT_CHECKPOINT, find

OURS = "this one"
RIVALS = ("BLIP-base", "GIT-base", "ViT-GPT2")
BEAMS = {OURS: (1, 3, Options.beam)} | dict.fromkeys(RIVALS, (1, 5))
COMPARISONS = ("like for like", "as deployed")
WORDS = 12
TRANSFORMERS = "5.23.0"  # the version that the figures are of

Caption = Callable[[int, int], object]  # given the beam width and the number of the photo


class Subject(NamedTuple):
    """A captioner to time."""

    caption: Caption
    parameters: int


@dataclass(frozen=True)
class Figure:
    """The time and memory of one captioner in one comparison."""

    captioner: str
    comparison: str
    cores: int
    beam: int
    parameters: int
    megabytes: float  # resident after all timings, with worker processes
    seconds: list[float]
    others: float
    discarded: int


def main() -> None:
    args = _arguments()
    files = read_photos(args.photos)
    if args.measure:
        captioner, comparison, count = args.measure
        for figure in _measure(captioner, comparison, int(count), files, args):
            print(json.dumps(asdict(figure)), flush=True)
        return
    if set(args.captioners) & set(RIVALS) and find_spec("transformers") is None:
        sys.exit(f"transformers is missing; run: pip install transformers=={TRANSFORMERS}")
    figures: list[Figure] = []
    for job in product(args.captioners, COMPARISONS, args.cores):
        print(*job, file=sys.stderr, flush=True)
        figures += _in_its_own_process(*job)
    print(_heading(figures), _times(figures), _sizes(figures), sep="\n\n")
    if {figure.captioner for figure in figures} > {OURS}:
        print(f"\n{_ratios(figures)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--captioners", nargs="+", choices=BEAMS, default=list(BEAMS))
    parser.add_argument("--cores", nargs="+", type=int, default=sorted({1, cores()}))
    parser.add_argument("--repeats", type=int, default=7, help="photos to time for each figure")
    parser.add_argument(
        "--patience", type=float, default=600, help="seconds to wait for an idle machine"
    )
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_its_own_process(captioner: str, comparison: str, count: int) -> list[Figure]:
    command = [sys.executable, *sys.argv, "--measure", captioner, comparison, str(count)]
    threads = {"OMP_NUM_THREADS": str(count)}  # PyTorch and `cores` obey it
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | threads
    )
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def _measure(
    captioner: str, comparison: str, count: int, files: Sequence[bytes], args: argparse.Namespace
) -> list[Figure]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    if captioner != OURS:
        subject = _theirs(captioner, comparison, files)
        return _timed(subject, captioner, comparison, count, args)
    if comparison == "like for like":
        return _timed(_network(args.checkpoint, files), captioner, comparison, count, args)
    with _served(args.checkpoint, files) as subject:
        return _timed(subject, captioner, comparison, count, args)


def _timed(
    subject: Subject, captioner: str, comparison: str, count: int, args: argparse.Namespace
) -> list[Figure]:
    timings = {
        beam: measure(partial(subject.caption, beam), args.repeats, args.patience)
        for beam in BEAMS[captioner]
    }
    megabytes = resident()
    return [
        Figure(captioner, comparison, count, beam, subject.parameters, megabytes, **asdict(found))
        for beam, found in timings.items()
    ]


def _network(path: Path, files: Sequence[bytes]) -> Subject:
    # Imported here: as deployed, ours has no PyTorch in memory.
    import torch

    metadata, model = checkpoint.load(path)
    squeeze, normalize = metadata.preprocessing.squeeze, metadata.preprocessing.normalize
    photos = [
        normalize(torch.from_numpy(squeeze(decode(data))).permute(2, 0, 1)[None]) for data in files
    ]

    @torch.inference_mode()
    def caption(beam: int, number: int) -> object:
        options = Options(beam=beam, min_length=WORDS, max_length=WORDS)
        return generate(model, model.encode(photos[number % len(photos)]), options)

    return Subject(caption, sum(weight.numel() for weight in model.parameters()))


@contextmanager
def _served(path: Path, files: Sequence[bytes]) -> Iterator[Subject]:
    with asyncio.Runner() as runner:
        captioner, stack = Captioner.load(path, "cpu"), AsyncExitStack()
        runner.run(stack.enter_async_context(captioner))

        def caption(beam: int, number: int) -> object:
            return runner.run(captioner.caption(files[number % len(files)], Options(beam=beam)))

        yield Subject(caption, 0)
        runner.run(stack.aclose())


def _theirs(name: str, comparison: str, files: Sequence[bytes]) -> Subject:
    import rivals

    rival = rivals.build(name)
    prepared = [rival.prepare(Image.open(io.BytesIO(data))) for data in files]

    def network(beam: int, number: int) -> object:
        return rival.generate(prepared[number % len(files)], beam, WORDS)

    def deployed(beam: int, number: int) -> object:
        photo = Image.open(io.BytesIO(files[number % len(files)]))
        return rival.generate(rival.prepare(photo), beam, WORDS)

    parameters = sum(weight.numel() for weight in rival.model.parameters())
    return Subject(network if comparison == "like for like" else deployed, parameters)


def _heading(figures: Sequence[Figure]) -> str:
    runs = max(len(figure.seconds) for figure in figures)
    discarded = sum(figure.discarded for figure in figures)
    return "\n".join(
        [
            f"{machine()}. Milliseconds per photo: median of {runs} (fastest to slowest).",
            f"{discarded} runs that other processes disturbed were repeated.",
            remark(max(figure.others for figure in figures)),
        ]
    )


def _times(figures: Sequence[Figure]) -> str:
    columns = _columns(figures)
    found = {(*_row(figure), *_column(figure)): figure for figure in figures}
    rows = [
        [
            captioner,
            str(beam),
            *(_milliseconds(found[captioner, beam, *column]) for column in columns),
        ]
        for captioner, beam in dict.fromkeys(map(_row, figures))
    ]
    return markdown(["captioner", "beam", *map(_title, columns)], rows)


def _sizes(figures: Sequence[Figure]) -> str:
    def most(captioner: str, comparison: str) -> float:
        return max(
            figure.megabytes
            for figure in figures
            if (figure.captioner, figure.comparison) == (captioner, comparison)
        )

    rows = []
    for captioner in dict.fromkeys(figure.captioner for figure in figures):
        millions = max(f.parameters for f in figures if f.captioner == captioner) / 1e6
        memory = [f"{most(captioner, comparison):.0f}" for comparison in COMPARISONS]
        rows.append([captioner, f"{millions:.0f}", *memory])
    titles = [f"resident MB, {comparison}" for comparison in COMPARISONS]
    return markdown(["captioner", "million parameters", *titles], rows)


def _ratios(figures: Sequence[Figure]) -> str:
    columns = _columns(figures)
    medians = {
        (*_row(figure), *_column(figure)): statistics.median(figure.seconds) for figure in figures
    }
    rows = [
        [
            captioner,
            str(beam),
            *(
                f"{medians[captioner, beam, *column] / medians[OURS, Options.beam, *column]:.1f}"
                for column in columns
            ),
        ]
        for captioner, beam in dict.fromkeys(map(_row, figures))
        if captioner != OURS
    ]
    title = f"time relative to {OURS} at beam {Options.beam}"
    return markdown([title, "beam", *map(_title, columns)], rows)


def _row(figure: Figure) -> tuple[str, int]:
    return figure.captioner, figure.beam


def _column(figure: Figure) -> tuple[str, int]:
    return figure.comparison, figure.cores


def _columns(figures: Sequence[Figure]) -> list[tuple[str, int]]:
    return list(dict.fromkeys(map(_column, figures)))


def _title(column: tuple[str, int]) -> str:
    comparison, count = column
    return f"{comparison}, {count} core{'s' * (count > 1)}"


def _milliseconds(figure: Figure) -> str:
    return spread([seconds * 1e3 for seconds in figure.seconds])


if __name__ == "__main__":
    main()
