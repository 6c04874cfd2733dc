"""Time captions stage by stage, in this process, one batch at a time.

    python benchmarks/caption.py examples --threads 1 --megapixels 2

It measures the network that is served: the exported one if it is next to the checkpoint and there
is no GPU, otherwise PyTorch's; `--runtime` overrides this. It prints milliseconds per photo at
batch size 1 (median and 95th percentile), photos per second at batch sizes 8 and 32, and how the
time is divided among decoding the file, the encoder and the decoder.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

from bare import Bare, open_bare
from machine import machine
from photos import read_photos
from quiet import Watch, remark

from captioner import Options
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find

BATCHES = (1, 8, 32)

T = TypeVar("T")


class Stages(NamedTuple):
    """Seconds per stage of one batch."""

    file: float
    encoder: float
    decoder: float


def main() -> None:
    args = _arguments()
    files = read_photos(args.photos, args.megapixels)
    bare = open_bare(args.checkpoint, args.device, args.runtime, args.threads)
    print(f"{bare}, beam {args.beam}; {machine()}")
    watch = Watch()
    for batch in BATCHES:
        repeats = max(3, args.repeats // batch)
        timings = []
        for repeat in range(repeats + 1):
            chosen = [files[(repeat * batch + index) % len(files)] for index in range(batch)]
            timings.append(_caption(bare, chosen, Options(beam=args.beam)))
        _report(batch, timings[1:])  # the first one warms up
    print(remark(watch.others()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--megapixels", type=float, help="scale photos to this size first")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--beam", type=int, default=Options.beam)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--runtime", default="auto", choices=get_args(Runtime))
    parser.add_argument("--threads", type=int, help="threads of the network; default: one per core")
    parser.add_argument("--repeats", type=int, default=100, help="photos to time at each size")
    return parser.parse_args()


def _caption(bare: Bare, files: Sequence[bytes], options: Options) -> Stages:
    squares, file = _timed(lambda: bare.squeeze(files))
    memory, encoder = _timed(lambda: bare.encode(squares))
    _, decoder = _timed(lambda: bare.generate(memory, options))
    return Stages(file, encoder, decoder)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _report(batch: int, timings: Sequence[Stages]) -> None:
    totals = sorted(sum(stages) for stages in timings)
    shares = [statistics.median(stage) for stage in zip(*timings, strict=True)]
    parts = ", ".join(
        f"{name} {share / sum(shares):.0%}"
        for name, share in zip(Stages._fields, shares, strict=True)
    )
    if batch == 1:
        p95 = totals[min(len(totals) - 1, round(0.95 * len(totals)))]
        speed = f"p50 {statistics.median(totals) * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms per photo"
    else:
        speed = f"{batch / statistics.median(totals):.1f} photos/s"
    print(f"batch {batch:2}: {speed}  ({parts}; {len(timings)} runs)", flush=True)


if __name__ == "__main__":
    main()
