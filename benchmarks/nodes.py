"""Measure what a second process adds to training, each process on a core of its own.

    python benchmarks/nodes.py

It draws photos, starts `python -m train fit` alone and under torchrun, and prints the photos per
second that are trained end to end, and how near two processes come to twice the speed of one.
Runs of one and of two processes take turns. The first epoch of each is a warm-up.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
from machine import machine
from PIL import Image
from quiet import Watch, remark
from safetensors.torch import save_file
from table import markdown

from captioner.config import EncoderName
from captioner.vision import models
from train.run_folder import read_metrics

ROOT = Path(__file__).parents[1]
WORDS = ("a", "dog", "runs", "across", "green", "grass", "near", "two", "small", "children")
VALIDATED = 1  # photos, because the first process validates alone and the time counts


def main() -> None:
    args = _arguments()
    speeds: dict[int, list[float]] = {1: [], args.processes: []}
    others = 0.0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        weights = folder / "encoder.safetensors"
        save_file(getattr(models, args.encoder)(weights=None).state_dict(), weights)
        _draw(folder / "data", args.train)
        for number in range(args.repeats):
            for processes, found in speeds.items():
                watch = Watch()
                run = folder / f"run-{processes}-{number}"
                found.append(args.train / _seconds(folder / "data", run, weights, processes, args))
                others = max(others, watch.others())
                print(f"{processes} x 1 thread: {found[-1]:.2f} photos/s", file=sys.stderr)
    alone = statistics.median(speeds[1])
    rows = [
        [
            str(processes),
            f"{statistics.median(found):.2f}",
            f"{min(found):.2f} to {max(found):.2f}",
            f"{statistics.median(found) / alone / processes:.0%}",
        ]
        for processes, found in speeds.items()
    ]
    print(f"{args.encoder}, {args.photos} photos in a step, end to end; {machine()}\n")
    header = ["processes of one thread", "photos per second", "slowest to fastest", "share"]
    print(markdown(header, rows))
    print(f"\n{remark(others)}")


def _seconds(
    data: Path, run: Path, weights: Path, processes: int, args: argparse.Namespace
) -> float:
    """Train a run, and return the median time of an epoch after the first."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launch if processes > 1 else []), "-m", "train", "fit"]
    words = [str(data), str(run), "--encoder", args.encoder, "--encoder-weights", str(weights)]
    fixed = [
        "--epochs",
        "0",
        "--fine-tune",
        str(args.epochs),
        "--min-count",
        "1",
        "--val-beam",
        "1",
    ]
    options = ["--photos", str(args.photos), "--cache", str(data / "cache"), "--device", "cpu"]
    subprocess.run(
        [*command, *words, *fixed, *options],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return statistics.median(row.seconds for row in read_metrics(run / "metrics.csv")[1:])


def _draw(folder: Path, train: int) -> None:
    """Write photos of noise, and five captions of ten words for each."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    lines = ["photo,split," + ",".join(["caption"] * 5)]
    for number in range(train + VALIDATED):
        name = f"{number}.jpg"
        pixels = chance.integers(256, size=(28, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((224, 224)).save(folder / name)
        captions = (" ".join(chance.permutation(WORDS)) for _ in range(5))
        lines.append(",".join((name, "train" if number < train else "val", *captions)))
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=2, help="at most one for each core")
    parser.add_argument("--encoder", default="resnet50", choices=get_args(EncoderName))
    parser.add_argument("--photos", type=int, default=16, help="in a step, of all processes")
    parser.add_argument("--train", type=int, default=64, help="photos in an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="of a run; the first does not count")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
