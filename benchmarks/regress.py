"""Find out whether one revision captions photos more slowly than another.

    python benchmarks/regress.py HEAD~1 HEAD --photos examples

It checks out both into temporary folders and times them in turns, each time in a new process with
the packages of this Python: the time from the bytes of files to their sentences, one photo at a
time and eight at once. Whatever disturbs one run of a pair disturbs the other too, so each pair
gives a ratio. It prints medians and ratios with their spread. The exit status is 1 if the median of
the ratios says that the new revision is slower than `--tolerance` allows.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from machine import machine
from photos import read_photos
from quiet import measure, remark
from table import markdown, spread

ROOT = Path(__file__).resolve().parents[1]
BATCHES = (1, 8)


@dataclass(frozen=True)
class Turn:
    """The timings of one process."""

    seconds: list[float]  # per photo, for each of `BATCHES`
    runtime: str
    others: float  # share of the machine that other processes used


def main() -> int:
    args = _arguments()
    if args.measure:
        print(json.dumps(asdict(_measure(args))))
        return 0
    # A shell lets what it starts in the background ignore it, and so do all its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        _checked_out(args.old, args.repository) as old,
        _checked_out(args.new, args.repository) as new,
    ):
        pairs = [_pair(old, new, number) for number in range(args.rounds)]
    return _report(pairs, args)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", help="a revision, as git names it")
    parser.add_argument("new", help="another")
    parser.add_argument("--photos", type=Path, default=ROOT / "examples", help="folder of photos")
    parser.add_argument(
        "--checkpoint", type=Path, help="for both; default: the one of each revision"
    )
    parser.add_argument("--rounds", type=int, default=7, help="pairs to time")
    parser.add_argument("--repeats", type=int, default=30, help="batches to time in each turn")
    parser.add_argument(
        "--tolerance", type=float, default=0.05, help="0.05 allows a twentieth more"
    )
    parser.add_argument(
        "--patience", type=float, default=30, help="seconds a turn waits for an idle machine"
    )
    parser.add_argument("--repository", type=Path, default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _checked_out(revision: str, repository: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="revision-") as folder:
        tree, worktree = Path(folder).resolve() / "tree", ("git", "-C", repository, "worktree")
        try:
            if subprocess.run([*worktree, "add", "--quiet", "--detach", tree, revision]).returncode:
                raise SystemExit(f"{revision!r} cannot be checked out")
            yield tree
        finally:
            subprocess.run([*worktree, "remove", "--force", tree], stderr=subprocess.DEVNULL)


def _pair(old: Path, new: Path, number: int) -> tuple[Turn, Turn]:
    print(f"round {number + 1}", file=sys.stderr, flush=True)
    if number % 2 == 0:
        return _turn(old), _turn(new)
    # The order alternates, so that a steady change of the machine favours neither.
    after, before = _turn(new), _turn(old)
    return before, after


def _turn(tree: Path) -> Turn:
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, *sys.argv, "--measure"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            output = _output(process)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Turn(**json.loads(output))


def _output(process: subprocess.Popen[str]) -> str:
    # Python handles a signal that comes just before a blocking call only when that call returns.
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=1)[0]


def _measure(args: argparse.Namespace) -> Turn:
    import captioner

    tree = os.environ["PYTHONPATH"]
    assert Path(captioner.__file__).is_relative_to(tree), "another revision would be timed"
    files = read_photos(args.photos)
    chosen = () if args.checkpoint is None else (args.checkpoint,)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        serving = captioner.Captioner.load(*chosen)
        runner.run(stack.enter_async_context(serving))

        async def caption(photos: Iterable[bytes]) -> None:
            await asyncio.gather(*map(serving.caption, photos))

        def work(batch: int, number: int) -> None:
            places = range(number * batch, (number + 1) * batch)
            runner.run(caption(files[place % len(files)] for place in places))

        found = [measure(partial(work, batch), args.repeats, args.patience) for batch in BATCHES]
        runner.run(stack.aclose())
    return Turn(
        [
            statistics.median(timings.seconds) / batch
            for timings, batch in zip(found, BATCHES, strict=True)
        ],
        getattr(serving, "runtime", "torch"),  # older revisions have no other
        max(timings.others for timings in found),
    )


def _report(pairs: Sequence[tuple[Turn, Turn]], args: argparse.Namespace) -> int:
    rows, slower = [], False
    for place, batch in enumerate(BATCHES):
        old, new = ([pair[side].seconds[place] * 1e3 for pair in pairs] for side in (0, 1))
        ratios = [after / before for before, after in zip(old, new, strict=True)]
        slower |= statistics.median(ratios) > 1 + args.tolerance
        rows.append([f"{batch} at once", spread(old, 1), spread(new, 1), spread(ratios, 2)])
    names = [
        f"{revision} ({turn.runtime})"
        for revision, turn in zip((args.old, args.new), pairs[0], strict=True)
    ]
    unit = f"Milliseconds per photo, median of {len(pairs)} pairs (smallest to largest)"
    print(f"{machine()}. {unit}.\n")
    print(f"{markdown(['photos', *names, 'new / old'], rows)}\n")
    print(remark(max(turn.others for pair in pairs for turn in pair)))
    verdict = "is slower" if slower else "is not slower"
    print(f"{args.new} {verdict} than {args.old} by more than {args.tolerance:.0%}.")
    return int(slower)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
