"""Load the web chat's API, gently and far beyond what it can take, and see how it answers.

    python benchmarks/load.py examples --plot docs/load.png

First two ceilings, of the network that is served. The bare model: photos a second from pixels, in
batches of several sizes, with the machine to itself. The bare pipeline: what a photo takes of a
core, its file included, and how many of them all cores can do at most; bot, the processes that
unpack files, and this client share these cores, so that this is the most that can be asked for.

Then the bot of `python -m bot` with its own settings: 64 callers, each with its next photo as soon
as it has an answer; and photos that come by chance at a rate, whether or not the ones before were
answered. Latency counts from when a photo was due.

The exit status is 1 if an answer is lost: neither a caption nor a refusal that says when to retry.
"""

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from bare import Bare, open_bare
from load_plot import draw
from machine import machine
from photos import read_photos
from quiet import Watch, remark
from served import bot
from table import markdown
from traffic import USERS, Load, ask_in_turn, come_by_chance, sending

from captioner import Options
from captioner.cores import cores
from captioner.runtime.protocols import Squares
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find

BATCHES = (1, 2, 4, 8, 16, 32)
OPTIONS = Options(alternatives=2)  # what the API searches for if nothing else is asked
SOON = 0.05  # seconds in which a refusal should come


class Bound(NamedTuple):
    """Photos a second that nothing can exceed."""

    model: float  # the network alone, at its best batch size
    pipeline: float  # all cores together, with nothing to do but files and the network


def main() -> int:
    args = _arguments()
    files = read_photos(args.photos)
    watch = Watch()
    bound = _bound(open_bare(args.checkpoint, runtime=args.runtime), files)
    loads = asyncio.run(_loads(files, bound, args))
    _report(loads, bound)
    print(f"\n{remark(watch.others())}")
    if args.plot:
        draw(loads, bound.model, bound.pipeline, args.plot)
    lost = [reason for load in loads for reason in load.lost]
    for reason in dict.fromkeys(lost):
        print(f"lost: {reason} ({lost.count(reason)} times)", file=sys.stderr)
    return int(bool(lost))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos to send, again and again")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--runtime", default="auto", choices=get_args(Runtime))
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20, help="for which photos come")
    parser.add_argument(
        "--rates",
        nargs="+",
        type=float,
        default=[0.25, 0.5, 0.75, 0.9, 1.5, 3, 10],
        help="offered, as shares of what the bare pipeline can do",
    )
    parser.add_argument("--plot", type=Path, help="write a picture of it")
    return parser.parse_args()


def _bound(bare: Bare, files: Sequence[bytes]) -> Bound:
    print(f"{bare}; {machine()}")
    bare.squeeze(files)  # to warm up
    started = time.process_time()
    squares = bare.squeeze(files)
    file = (time.process_time() - started) / len(files)
    fastest, least = 0.0, math.inf
    for batch in BATCHES:
        chosen = squares[np.arange(batch) % len(squares)]
        seconds, of_a_core = _seconds_each(bare, chosen)
        print(
            f"bare model, batch {batch:2}: {1 / seconds:.1f} photos/s, "
            f"{of_a_core * 1e3:.1f} ms of a core a photo, {of_a_core / seconds:.2f} cores busy",
            flush=True,
        )
        fastest, least = max(fastest, 1 / seconds), min(least, of_a_core)
    pipeline = cores() / (file + least)
    print(
        f"bare pipeline: {file * 1e3:.1f} ms of a core for a file, {least * 1e3:.1f} ms for the "
        f"network: at most {pipeline:.1f} photos/s on {cores()} cores",
        flush=True,
    )
    return Bound(fastest, pipeline)


def _seconds_each(bare: Bare, squares: Squares) -> tuple[float, float]:
    """Return the seconds that a photo of such a batch takes, and those of a core."""
    took = []
    for _ in range(1 + max(3, 16 // len(squares))):
        started, used = time.perf_counter(), time.process_time()
        bare.speak(bare.see(squares), OPTIONS)
        took.append((time.perf_counter() - started, time.process_time() - used))
    seconds, of_a_core = np.median(took[1:], axis=0) / len(squares)  # the first one warms up
    return float(seconds), float(of_a_core)


async def _loads(files: Sequence[bytes], bound: Bound, args: argparse.Namespace) -> list[Load]:
    loads = [Load(f"{args.callers} callers", None)]
    loads += [Load(f"{share:g} of the pipeline", share * bound.pipeline) for share in args.rates]
    settings = {
        "CAPTIONER_CHECKPOINT": str(args.checkpoint.resolve()),
        "CAPTIONER_RUNTIME": args.runtime,
    }
    async with bot(**settings) as (process, url):
        async with sending(Load("to warm up", None), files, url, process) as send:
            await asyncio.gather(*(send(number, time.perf_counter()) for number in range(16)))
        for load in loads:
            async with sending(load, files, url, process) as send:
                if load.offered is None:
                    await ask_in_turn(send, args.callers, args.seconds)
                else:
                    await come_by_chance(send, load.offered, args.seconds)
            print(f"{load.name}: done in {load.seconds:.0f} s", file=sys.stderr, flush=True)
    return loads


def _report(loads: Sequence[Load], bound: Bound) -> None:
    head = (
        *("load", "offered/s", "captioned/s", "of the bare model", "of the bare pipeline"),
        *("p50, p95, p99 ms", "refused", "refused in p50, p99 ms", "late"),
        f"cores of {', '.join(USERS)}",
    )
    rows = [
        (
            load.name,
            "" if load.offered is None else f"{load.offered:.1f}",
            f"{load.rate:.1f}",
            *(f"{load.rate / most:.0%}" for most in bound),
            _percentiles(load.captioned, (50, 95, 99)),
            f"{load.share_refused:.0%}",
            _percentiles(load.refused, (50, 99)),
            str(load.late),
            ", ".join(f"{used:.2f}" for used in load.cores),
        )
        for load in loads
    ]
    print(f"\n{markdown(head, rows)}")
    if refused := [seconds for load in loads for seconds in load.refused]:
        soon = sum(seconds < SOON for seconds in refused) / len(refused)
        print(f"\n{soon:.1%} of {len(refused)} refusals came within {SOON * 1e3:.0f} ms.")


def _percentiles(seconds: Sequence[float], wanted: Sequence[float]) -> str:
    if not seconds:
        return ""
    return ", ".join(f"{value * 1e3:.0f}" for value in np.percentile(seconds, wanted))


if __name__ == "__main__":
    sys.exit(main())
