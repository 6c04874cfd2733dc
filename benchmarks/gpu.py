"""Measure every figure of a GPU with one command.

    python benchmarks/gpu.py examples

It prints the photos per second of the encoder alone, in batches as they are served; then, for 1,
16, 64 and 256 callers that each send one photo after the other, the photos per second and how long
they waited: photos that are squeezed already, and the files of a folder, which processes decode;
and last the seconds from the start of a process to its first caption. Doubtful captions are not
named, because that is work for the CPU; `--naming` counts it.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from bare import Bare, open_bare
from machine import machine
from photos import read_photos
from served import ROOT
from table import markdown

from captioner import Captioner, Options
from captioner.naming.classifier import Naming
from captioner.photo.sandbox import Sandbox, Unpacked
from captioner.runtime.protocols import Squares
from captioner.serving import ServingConfig
from captioner.shipped import DEFAULT_CHECKPOINT, find

CALLERS = (1, 16, 64, 256)


class Squeezed(Sandbox):
    """Takes the number of a photo for its file, and returns the photo as it was squeezed before."""

    def __init__(self, squares: Squares) -> None:
        """Hold the photos."""
        super().__init__(workers=1)
        self._squares = squares

    async def squeeze(self, photo: bytes, size: int, middle: int | None = None) -> Unpacked:
        """Return the photo with this number, without its middle: it will not be named."""
        return Unpacked(self._squares[int(photo)], 0.0)


def main() -> None:
    args = _arguments()
    bare = open_bare(args.checkpoint, args.device)
    files = read_photos(args.photos, args.megapixels)
    squares = bare.squeeze(files)
    numbers = [str(number).encode() for number in range(len(squares))]
    print(f"{bare}; {_device(args.device)}; {machine()}")
    most = _encoded_a_second(bare, args.seconds)
    print(f"the encoder alone, batches of {bare.network.max_batch}: {most:,.0f} photos/s")
    rows = []
    for beam in args.beams:
        for title, photos in (("squeezed", numbers), ("files", files)):
            for callers in CALLERS:
                sandbox = Sandbox() if photos is files else Squeezed(squares)
                load = _load(bare, sandbox, photos, callers, Options(beam=beam), args)
                seconds, waits = asyncio.run(load)
                rate = len(waits) / seconds
                rows.append([title, str(beam), str(callers), f"{rate:,.0f}", f"{rate / most:.0%}"])
                rows[-1] += [f"{np.percentile(waits, share) * 1e3:.1f}" for share in (50, 95)]
                print(*rows[-1], file=sys.stderr, flush=True)
    head = ("photos", "beam", "callers", "photos/s", "of the encoder", "p50 ms", "p95 ms")
    print(f"\n{markdown(head, rows)}\n")
    starts = [_start(args, files[0]) for _ in range(args.starts)]
    print(
        f"python -m captioner PHOTO: ends after {statistics.median(starts):.1f} s, "
        f"{len(starts)} starts"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--megapixels", type=float, help="scale photos to this size first")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--device", default="cuda", help="as PyTorch names it")
    parser.add_argument("--beams", nargs="+", type=int, default=[Options.beam], help="beam widths")
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    parser.add_argument("--naming", action="store_true", help="name what doubtful photos show")
    parser.add_argument("--starts", type=int, default=3, help="starts to time")
    return parser.parse_args()


def _device(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def _encoded_a_second(bare: Bare, seconds: float) -> float:
    batch, size = bare.network.max_batch, bare.metadata.preprocessing.size
    squares = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    bare.encode(squares)
    started, encoded = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        bare.encode(squares)
        encoded += batch
    return encoded / (time.perf_counter() - started)


async def _load(
    bare: Bare,
    sandbox: Sandbox,
    photos: Sequence[bytes],
    callers: int,
    options: Options,
    args: argparse.Namespace,
) -> tuple[float, list[float]]:
    """Return the seconds of a load, and how long each photo waited for its caption."""
    naming = Naming.load() if args.naming and not isinstance(sandbox, Squeezed) else None
    serving = ServingConfig(max_queue=2 * callers)
    captioner = Captioner(bare.metadata, bare.network, serving, naming=naming, sandbox=sandbox)
    waits: list[float] = []
    end = 0.0

    async def call(number: int) -> None:
        while time.perf_counter() < end:
            asked = time.perf_counter()
            await captioner.caption(photos[number % len(photos)], options)
            waits.append(time.perf_counter() - asked)
            number += callers

    async with sandbox, captioner:
        for _ in range(2):  # the first captures what the second uses
            started, waits[:] = time.perf_counter(), []
            end = started + args.seconds
            await asyncio.gather(*(call(number) for number in range(callers)))
        return time.perf_counter() - started, waits


def _start(args: argparse.Namespace, photo: bytes) -> float:
    started = time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, "-m", "captioner", "-", "--device", args.device),
            *("--checkpoint", str(args.checkpoint)),
        ],
        input=photo,
        stdout=subprocess.DEVNULL,
        check=True,
        cwd=ROOT,
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
