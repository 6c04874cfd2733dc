"""Load the web chat's API, gently and far beyond what it can take, and see how it answers.

    python benchmarks/load.py examples --plot load.png

First the bare model, from pixels in batches of several sizes: the most that the machine can do.
Then the bot of `python -m bot` with its own settings: 64 callers, each with its next photo as soon
as it has an answer; and photos that come by chance at a rate, whether or not the ones before were
answered. Latency counts from when a photo was due. Bot, workers and this client share the machine.

The exit status is 1 if an answer is lost: neither a caption nor a refusal that says when to retry.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import torch
from quiet import OTHERS, Watch
from served import bot

from bot import replies
from captioner import Options, checkpoint
from captioner.captioner import DEFAULT_CHECKPOINT
from captioner.decoding import generate
from captioner.image import decode

BATCHES = (1, 2, 4, 8, 16, 32)
OPTIONS = Options(alternatives=2)  # what the API searches for if nothing else is asked
SOON = 0.05  # seconds in which a refusal should come
OK, UNAVAILABLE = 200, 503
USERS = ("bot", "workers", "client")

Send = Callable[
    [int, float], Coroutine[None, None, None]
]  # the photo of such a number, due at such a time


@dataclass
class Load:
    """What became of the photos of one run."""

    name: str
    offered: float | None  # photos a second; None if callers wait for answers
    captioned: list[float] = field(default_factory=list)  # seconds from when it was due
    refused: list[float] = field(default_factory=list)
    late: int = 0  # given up at the deadline
    lost: list[str] = field(default_factory=list)
    seconds: float = 0.0  # from the first photo to the last answer
    cores: tuple[float, ...] = ()  # used meanwhile, by each of `USERS`

    @property
    def rate(self) -> float:
        """Photos a second that were captioned."""
        return len(self.captioned) / self.seconds

    @property
    def share_refused(self) -> float:
        """Of all photos that were answered."""
        return len(self.refused) / max(1, len(self.refused) + len(self.captioned) + self.late)


def main() -> int:
    args = _arguments()
    files = [path.read_bytes() for path in sorted(args.photos.glob("*.jpg"))]
    if not files:
        raise SystemExit(f"{args.photos} holds no .jpg file")
    watch = Watch()
    best = _bare(args.checkpoint, files)
    loads = asyncio.run(_loads(files, best, args))
    _report(loads, best)
    if (others := watch.others()) > OTHERS:
        print(f"THE MACHINE WAS BUSY: other processes used {others:.0%} of it.")
    if args.plot:
        _plot(loads, best, args.plot)
    lost = [reason for load in loads for reason in load.lost]
    for reason in dict.fromkeys(lost):
        print(f"lost: {reason} ({lost.count(reason)} times)", file=sys.stderr)
    return int(bool(lost))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos to send, again and again")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20, help="for which photos come")
    parser.add_argument(
        "--rates",
        nargs="*",
        type=float,
        default=[0.25, 0.5, 0.75, 0.9, 1.5, 3, 10],
        help="offered, as shares of what the bare model can do",
    )
    parser.add_argument("--plot", type=Path, help="write a picture of it")
    return parser.parse_args()


@torch.inference_mode()
def _bare(path: Path, files: Sequence[bytes]) -> float:
    """Return the most photos a second that the model alone captions, of all batch sizes."""
    trained = checkpoint.load(path)
    squares = [trained.preprocessing.squeeze(decode(data)) for data in files]
    best = 0.0
    for batch in BATCHES:
        chosen = np.stack([squares[number % len(squares)] for number in range(batch)])
        photos = torch.from_numpy(chosen).permute(0, 3, 1, 2)
        took = []
        for _ in range(1 + max(3, 16 // batch)):
            started = time.perf_counter()
            memory = trained.model.encode(trained.preprocessing.normalize(photos))
            generate(trained.model, memory, OPTIONS)
            took.append(time.perf_counter() - started)
        rate = batch / float(np.median(took[1:]))  # the first one warms up
        print(f"bare model, batch {batch:2}: {rate:.1f} photos/s", flush=True)
        best = max(best, rate)
    return best


async def _loads(files: Sequence[bytes], best: float, args: argparse.Namespace) -> list[Load]:
    loads = [Load(f"{args.callers} callers", None)]
    loads += [Load(f"{share:g} of the bare model", share * best) for share in args.rates]
    async with bot(CAPTIONER_CHECKPOINT=str(args.checkpoint.resolve())) as (process, url):
        async with _sending(Load("to warm up", None), files, url, process) as send:
            await asyncio.gather(*(send(number, time.perf_counter()) for number in range(16)))
        for load in loads:
            async with _sending(load, files, url, process) as send:
                if load.offered is None:
                    await _callers(send, args.callers, args.seconds)
                else:
                    await _arrivals(send, load.offered, args.seconds)
            print(f"{load.name}: done in {load.seconds:.0f} s", file=sys.stderr, flush=True)
    return loads


@asynccontextmanager
async def _sending(
    load: Load, files: Sequence[bytes], url: str, process: psutil.Process
) -> AsyncIterator[Send]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(number: int, due: float) -> None:
            photo = files[number % len(files)]
            try:
                async with session.post(f"{url}/api/caption", data=photo) as answer:
                    said = await answer.json()
            except (aiohttp.ClientError, OSError, ValueError) as error:
                load.lost.append(type(error).__name__)
                return
            took = time.perf_counter() - due
            if answer.status == OK:
                load.captioned.append(took)
            elif said.get("error") == replies.LATE:
                load.late += 1
            elif answer.status == UNAVAILABLE and "Retry-After" in answer.headers:
                load.refused.append(took)
            else:
                load.lost.append(f"status {answer.status}")

        used, started = _used(process), time.perf_counter()
        yield send
        load.seconds = time.perf_counter() - started
        load.cores = tuple(
            (after - before) / load.seconds
            for before, after in zip(used, _used(process), strict=True)
        )


def _used(process: psutil.Process) -> tuple[float, ...]:
    """Return the seconds of a core that each of `USERS` took so far."""
    ended = sum(process.cpu_times()[2:4])
    alive = sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return sum(process.cpu_times()[:2]), ended + alive, time.process_time()


async def _callers(send: Send, callers: int, seconds: float) -> None:
    """Have each caller send its next photo once the one before is answered."""
    end = time.perf_counter() + seconds
    numbers = count()

    async def call() -> None:
        while (now := time.perf_counter()) < end:
            await send(next(numbers), now)

    await asyncio.gather(*(call() for _ in range(callers)))


async def _arrivals(send: Send, rate: float, seconds: float) -> None:
    """Send photos at times of a Poisson process, whatever becomes of them."""
    chance = random.Random(0)
    started = time.perf_counter()
    due = started + chance.expovariate(rate)
    async with asyncio.TaskGroup() as group:
        for number in count():
            if due > started + seconds:
                break
            await asyncio.sleep(due - time.perf_counter())
            group.create_task(send(number, due))
            due += chance.expovariate(rate)


def _report(loads: Sequence[Load], best: float) -> None:
    head = (
        *("load", "offered/s", "captioned/s", "of the bare model", "p50, p95, p99 ms"),
        *("refused", "refused in p50, p99 ms", "late", f"cores of {', '.join(USERS)}"),
    )
    print("", f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", sep="\n")
    for load in loads:
        cells = (
            load.name,
            "" if load.offered is None else f"{load.offered:.1f}",
            f"{load.rate:.1f}",
            f"{load.rate / best:.0%}",
            _percentiles(load.captioned, (50, 95, 99)),
            f"{load.share_refused:.0%}",
            _percentiles(load.refused, (50, 99)),
            str(load.late),
            ", ".join(f"{cores:.2f}" for cores in load.cores),
        )
        print(f"| {' | '.join(cells)} |")
    if refused := [seconds for load in loads for seconds in load.refused]:
        soon = sum(seconds < SOON for seconds in refused) / len(refused)
        print(f"\n{soon:.1%} of {len(refused)} refusals came within {SOON * 1e3:.0f} ms.")


def _percentiles(seconds: Sequence[float], wanted: Sequence[float]) -> str:
    if not seconds:
        return ""
    return ", ".join(f"{value * 1e3:.0f}" for value in np.percentile(seconds, wanted))


def _plot(loads: Sequence[Load], best: float, path: Path) -> None:
    from matplotlib.figure import Figure

    rates = sorted((load for load in loads if load.offered), key=lambda load: load.offered or 0)
    offered = [load.offered for load in rates]
    figure = Figure(figsize=(8, 7), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    above.plot(offered, [load.rate for load in rates], "o-", label="captioned")
    above.plot(
        offered, [len(load.refused) / load.seconds for load in rates], "s--", label="refused"
    )
    above.axhline(best, color="grey", linestyle=":", label="bare model, best batch size")
    above.set(ylabel="photos/s", yscale="symlog")
    for share, style in ((50, "o-"), (95, "^-"), (99, "v-")):
        spoken = [load for load in rates if load.captioned]
        below.plot(
            [load.offered for load in spoken],
            [np.percentile(load.captioned, share) for load in spoken],
            style,
            label=f"captioned, p{share}",
        )
    refusing = [load for load in rates if load.refused]
    below.plot(
        [load.offered for load in refusing],
        [np.percentile(load.refused, 99) for load in refusing],
        "s--",
        label="refused, p99",
    )
    below.set(xlabel="photos offered a second", ylabel="seconds", yscale="log", xscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
