"""Photos per second of a whole folder: the plain command, and the same on a Ray cluster.

    python benchmarks/folder.py examples --photos 2000 --megapixels 0.3

Both caption the same files on this machine, in turns, into a file that can be continued. A start
takes seconds whatever follows, so each is run on a few photos and on all of them, and the rate is
that of the photos in between. Without Ray (`pip install -e '.[cluster]'`) only the first is run.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from machine import machine
from photos import read_photos
from quiet import Watch, remark
from table import markdown, spread

from captioner.cores import cores
from captioner.shipped import DEFAULT_CHECKPOINT, find

ROOT = Path(__file__).parents[1]
SHARE = 10  # the run on a few photos has this part of all
# Of a billion photos on one core, and of a million.
MILLION, HOUR = 1_000_000, 3600


class Run(NamedTuple):
    """What the photos of a folder took."""

    start: float  # seconds before the first photo, and after the last one
    rate: float  # photos per second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of photos, which are copied")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--megapixels", type=float, help="scale the photos to this size")
    parser.add_argument("--actors", type=int, default=cores(), help="of Ray, with a core each")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    args = parser.parse_args()
    files = read_photos(args.folder, args.megapixels)
    size = sum(map(len, files)) / len(files) / 2**10
    print(f"{machine()}; {args.photos:,} photos of {size:,.0f} KB, {cores()} cores used")
    watch = Watch()
    with TemporaryDirectory() as folder:
        few, many = (
            _filled(Path(folder) / name, files, count)
            for name, count in (("few", max(1, args.photos // SHARE)), ("all", args.photos))
        )
        plain, ray = list[Run](), list[Run]()
        for _ in range(args.repeats):
            plain.append(_run(_plain(args), few, many))
            if find_spec("ray"):
                ray.append(_run(_on_ray(args), few, many))
    _print(plain, ray)
    print(remark(watch.others()))
    return 0


def _print(plain: Sequence[Run], ray: Sequence[Run]) -> None:
    rows = [
        [
            name,
            spread([run.rate for run in runs], 1),
            spread([run.rate / cores() for run in runs], 1),
            spread([run.start for run in runs], 1),
            spread([MILLION / run.rate / HOUR for run in runs], 1),
        ]
        for name, runs in (("python -m captioner", plain), ("Ray Data", ray))
        if runs
    ]
    head = ["command", "photos/s", "for each core", "seconds besides", "hours for a million"]
    print(markdown(head, rows))
    if ray:
        ratios = [one.rate / other.rate for one, other in zip(ray, plain, strict=True)]
        print(f"Ray Data / plain: {spread(ratios, 2)}")


def _filled(folder: Path, files: Sequence[bytes], count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:07}.jpg").write_bytes(files[number % len(files)])
    return folder


def _plain(args: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "captioner", "--json", "--checkpoint", str(args.checkpoint)]
    return [*command, "{photos}", "--resume", "{output}.jsonl"]


def _on_ray(args: argparse.Namespace) -> list[str]:
    script = str(ROOT / "deploy" / "ray" / "captions.py")
    options = ["--actors", str(args.actors), "--checkpoint", str(args.checkpoint)]
    return [sys.executable, script, "{photos}", "{output}.parquet", *options]


def _run(command: Sequence[str], few: Path, many: Path) -> Run:
    (least, start), (most, end) = (_timed(command, folder) for folder in (few, many))
    rate = (most - least) / (end - start)
    return Run(start - least / rate, rate)


def _timed(command: Sequence[str], folder: Path) -> tuple[int, float]:
    """Return the number of photos in a folder, and the seconds that they take."""
    with TemporaryDirectory() as place:
        given = [part.format(photos=folder, output=f"{place}/out") for part in command]
        started = time.perf_counter()
        done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, env=_environment())
        seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(given)}:\n{done.stderr}")
    return len(list(folder.iterdir())), seconds


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


if __name__ == "__main__":
    sys.exit(main())
