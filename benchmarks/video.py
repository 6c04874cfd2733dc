"""Time the stories of videos, and the most memory that they take.

    python benchmarks/video.py examples

It makes clips of 5, 10, 30 and 120 seconds from the photos, each shown for four seconds while the
camera pans, in H.264 and with a sensor's noise, so that they have as many bits as phones record
(`--codec` names another encoder). Then it times each from its bytes to its story, and names the
peak memory: of this process with its networks, and of the one that decodes.
"""

import argparse
import asyncio
import itertools
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil
from machine import machine
from PIL import Image
from quiet import collect, remark
from table import markdown

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' videos are used

from captioner.captioner import Captioner  # noqa: E402
from captioner.photo.limits import Limits  # noqa: E402
from captioner.serving import ServingConfig  # noqa: E402
from captioner.shipped import DEFAULT_CHECKPOINT, find  # noqa: E402
from captioner.video.clips import WORKER  # noqa: E402
from tests.captioner.video.making import encoded, scene  # noqa: E402

SHOWN = 4  # seconds of each photo
# The constant rate factor of H.264: 8 Mbit/s with the usual noise, as a phone's 720p.
QUALITY = "20"
TILE = 64  # pixels by which the noise of each frame is moved at most
MIB = 2**20
LARGE = ServingConfig(Limits(max_bytes=256 * MIB))  # two minutes are 120 MB


class Taken(NamedTuple):
    """What the stories of a clip took."""

    seconds: list[float]
    others: float  # share of the machine that other processes used
    scenes: int


def main() -> None:
    args = _arguments()
    shown = f"{args.width} x {args.height}, {args.rate} frames/s, {args.codec}"
    print(f"{machine()}; {args.device}; {shown}\n")
    rows, busiest = [], 0.0
    with TemporaryDirectory() as folder, asyncio.Runner() as runner:
        files = _make_all(Path(folder), args)
        captioner = Captioner.load(args.checkpoint, args.device, serving=LARGE)
        runner.run(captioner.__aenter__())
        for seconds, file in zip(args.seconds, files, strict=True):
            clip = file.read_bytes()
            taken = _time(runner, captioner, clip, args)
            busiest = max(busiest, taken.others)
            rows.append(
                [
                    f"{seconds:g} s",
                    f"{len(clip) / MIB:.1f}",
                    str(taken.scenes),
                    f"{median(taken.seconds):.2f}",
                    f"{min(taken.seconds):.2f} to {max(taken.seconds):.2f}",
                    f"{_own_peak():.0f}",
                    f"{_decoder_peak():.0f}",
                ]
            )
        runner.run(captioner.__aexit__(None, None, None))
    head = ["clip", "MB", "scenes", "seconds", "fastest to slowest", "peak MB", "decoder's peak MB"]
    print(markdown(head, rows))
    print(f"\n{remark(busiest)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--device", default="cpu", help="as PyTorch names it")
    parser.add_argument("--seconds", nargs="+", type=float, default=[5, 10, 30, 120])
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--codec", default="libx264", help="FFmpeg's name of the encoder")
    parser.add_argument(
        "--noise", type=float, default=6, help="of each pixel: its standard deviation, of 255"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--patience", type=float, default=300, help="seconds to wait for an idle machine"
    )
    return parser.parse_args()


def _make_all(folder: Path, args: argparse.Namespace) -> list[Path]:
    """Make the clips in processes that end, so that this counts in no figure."""
    photos = sorted(args.photos.rglob("*.jpg"))
    files = [folder / str(seconds) for seconds in args.seconds]
    shape = (args.codec, args.width, args.height, args.rate, args.noise)
    with ProcessPoolExecutor() as makers:
        made = [
            makers.submit(_make, file, photos, seconds, *shape)
            for file, seconds in zip(files, args.seconds, strict=True)
        ]
    for one in made:
        one.result()
    return files


def _make(
    file: Path,
    photos: list[Path],
    seconds: float,
    codec: str,
    width: int,
    height: int,
    rate: int,
    noise: float,
) -> None:
    chance = np.random.default_rng(0)
    grain = chance.normal(0, noise, (height + TILE, width + TILE, 3)).round().astype(np.int16)

    def frames() -> Iterator[Image.Image]:
        for path in itertools.cycle(photos):
            photo = Image.open(path).convert("RGB")
            for frame in scene(photo, SHOWN, move="pan", rate=rate, size=(width, height)):
                top, left = chance.integers(0, TILE, 2)
                moved = grain[top : top + height, left : left + width]
                noisy = np.asarray(frame, np.int16) + moved
                yield Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    count = round(seconds * rate)
    clip = encoded(itertools.islice(frames(), count), "mp4", codec, rate=rate, crf=QUALITY)
    file.write_bytes(clip)


def _time(
    runner: asyncio.Runner, captioner: Captioner, clip: bytes, args: argparse.Namespace
) -> Taken:
    scenes = 0

    def run(_: int) -> float:
        nonlocal scenes
        started = time.perf_counter()
        scenes = len(runner.run(captioner.caption_video(clip)).scenes)
        return time.perf_counter() - started

    timings = collect(run, args.repeats, args.patience)
    return Taken(timings.seconds, timings.others, scenes)


def _own_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _decoder_peak() -> float:
    for process in psutil.Process(os.getpid()).children():
        if WORKER in process.cmdline():
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
    raise AssertionError("the process that decodes is alive as long as the captioner")


if __name__ == "__main__":
    main()
