"""Measure how the web chat's API answers, from a light load to far beyond its limit.

    python benchmarks/load.py examples --plot docs/load.png

It first measures two limits of what is served. The bare model: photos per second from pixels, names
for the photos of doubtful captions included, with the machine to itself. As many batches run side
by side as in the bot, and they are of several sizes. The bare pipeline: how much core time one
photo needs, its file included, and how many photos per second all cores can do at that cost. The
bot, its decoding processes and this client share the cores, so nothing can exceed the bare
pipeline.

Then it loads `python -m bot` with the bot's own settings. First 64 callers each send the next photo
as soon as the last is answered. Then photos arrive at random at a given rate, whether or not the
earlier ones are answered. Latency counts from when a photo was due.

The exit status is 1 if an answer is lost: neither a caption nor a refusal that says when to retry.
"""

import argparse
import asyncio
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from bare import Bare, open_bare
from load_plot import draw
from machine import machine
from photos import read_photos
from quiet import Watch, remark
from served import bot
from table import markdown
from traffic import USERS, Load, ask_in_turn, send_at_random, sending

from captioner import Options
from captioner.cores import cores
from captioner.naming.classifier import Naming
from captioner.photo.decode import picture
from captioner.photo.preprocessing import middle
from captioner.runtime.protocols import Squares
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find

BATCHES = (1, 4, 8, 16)
OPTIONS = Options(alternatives=2)  # the API's defaults
SOON = 0.05  # seconds within which a refusal should come


class Bound(NamedTuple):
    """Photos per second that nothing can exceed."""

    model: float  # the networks alone, at their best batch size
    pipeline: float  # all cores, doing nothing but files and the networks


class Pixels(NamedTuple):
    """Decoded photos, as the networks take them."""

    squares: Squares
    middles: Squares  # for the naming network
    doubtful: npt.NDArray[np.bool_]  # which of them are named
    core_seconds: float  # to decode a file, on average; those of doubtful captions twice


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
    parser.add_argument("photos", type=Path, help="folder of photos to send repeatedly")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--runtime", default="auto", choices=get_args(Runtime))
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20, help="duration of each load")
    parser.add_argument(
        "--rates",
        nargs="+",
        type=float,
        default=[0.25, 0.5, 0.75, 0.9, 1.5, 3, 10],
        help="offered rates, relative to the bare pipeline",
    )
    parser.add_argument("--plot", type=Path, help="draw the results into this file")
    return parser.parse_args()


def _bound(bare: Bare, files: Sequence[bytes]) -> Bound:
    print(f"{bare}; {machine()}")
    naming, parallel = Naming.load(), bare.network.parallel
    pixels = _pixels(bare, naming, files)
    fastest, least = 0.0, math.inf
    for batch in BATCHES:
        seconds, of_a_core = _seconds_each(bare, naming, pixels, batch)
        print(
            f"bare model, {parallel} at a time, batch {batch:2}: {1 / seconds:.1f} photos/s, "
            f"{of_a_core * 1e3:.1f} core ms per photo, {of_a_core / seconds:.2f} cores busy",
            flush=True,
        )
        fastest, least = max(fastest, 1 / seconds), min(least, of_a_core)
    pipeline = cores() / (pixels.core_seconds + least)
    print(
        f"bare pipeline: {pixels.core_seconds * 1e3:.1f} core ms for a file, {least * 1e3:.1f} ms "
        f"for the networks: at most {pipeline:.1f} photos/s on {cores()} cores; "
        f"{pixels.doubtful.mean():.0%} of the photos are named",
        flush=True,
    )
    return Bound(fastest, pipeline)


def _pixels(bare: Bare, naming: Naming, files: Sequence[bytes]) -> Pixels:
    squares, size = bare.squeeze(files), naming.config.size  # to warm up
    doubtful = bare.doubtful(squares, OPTIONS)
    middles = np.stack([middle(picture(data, side=size), size) for data in files])
    decoded = [picture(data, side=size) for data in files]
    started = time.process_time()
    bare.squeeze(files)
    for photo in decoded:  # of every photo: which caption is doubtful is not known yet
        middle(photo, size)
    return Pixels(squares, middles, doubtful, (time.process_time() - started) / len(files))


def _seconds_each(bare: Bare, naming: Naming, pixels: Pixels, batch: int) -> tuple[float, float]:
    """Return the seconds per photo in batches of this size, and the seconds of core time."""
    parallel, rounds = bare.network.parallel, max(3, 16 // batch)
    chosen = np.arange(batch) % len(pixels.squares)
    squares, named = pixels.squares[chosen], chosen[pixels.doubtful[chosen]]

    def work() -> None:
        bare.generate(bare.network.encode(squares), OPTIONS)
        if len(named):
            naming.name(pixels.middles[named])

    def repeat() -> None:
        for _ in range(rounds):
            work()

    work()  # to warm up
    with ThreadPoolExecutor(parallel) as threads:
        started, used = time.perf_counter(), time.process_time()
        for running in [threads.submit(repeat) for _ in range(parallel)]:
            running.result()
        seconds, of_a_core = time.perf_counter() - started, time.process_time() - used
    photos = parallel * rounds * batch
    return seconds / photos, of_a_core / photos


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
                    await send_at_random(send, load.offered, args.seconds)
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
