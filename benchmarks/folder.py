"""Measure how fast a folder is captioned, by the command and on a Ray cluster.

    python benchmarks/folder.py examples --photos 2000 --megapixels 0.3

Both caption the same files on this machine, in turns, into a file that can be continued. A start
takes seconds, however many photos follow. So each is run on a few photos and on all of them, and
the rate is that of the difference. Without Ray (`pip install -e '.[cluster]'`) only the command is
run.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NamedTuple

import psutil
from machine import machine
from photos import read_photos
from quiet import beforehand
from table import markdown, spread

from captioner.cores import cores
from captioner.shipped import DEFAULT_CHECKPOINT, find

ROOT = Path(__file__).parents[1]
SHARE = 10  # the run on a few photos has this part of all
INTERVAL = 0.2  # seconds between two looks at the processes
MILLION, HOUR = 1_000_000, 3600


class Took(NamedTuple):
    """What the photos of a folder took."""

    photos: int
    seconds: float
    core_seconds: float  # of all processes


class Run(NamedTuple):
    """What a command does for each photo once it has started."""

    start: float  # seconds before the first photo, and after the last one
    rate: float  # photos per second
    core_rate: float  # photos for a second of one core, which other processes disturb less


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
    print(f"{machine()}; {args.photos:,} photos of {size:,.0f} KB, {cores()} of the cores used")
    before = beforehand()
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
    print(before)
    return 0


def _print(plain: Sequence[Run], ray: Sequence[Run]) -> None:
    rows = [
        [
            name,
            spread([run.rate for run in runs], 1),
            spread([run.core_rate for run in runs], 1),
            spread([run.start for run in runs], 1),
            spread([MILLION / run.core_rate / HOUR for run in runs], 1),
        ]
        for name, runs in (("python -m captioner", plain), ("Ray Data", ray))
        if runs
    ]
    head = [
        "command",
        "photos/s",
        "photos per core-second",
        "seconds besides",
        "core hours for a million",
    ]
    print(markdown(head, rows))
    if ray:
        pairs = list(zip(ray, plain, strict=True))
        whole = [one.rate / other.rate for one, other in pairs]
        core = [one.core_rate / other.core_rate for one, other in pairs]
        print(f"Ray Data / plain: {spread(whole, 2)}; of a core: {spread(core, 2)}")


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
    one, other = (_timed(command, folder) for folder in (few, many))
    photos = other.photos - one.photos
    rate = photos / (other.seconds - one.seconds)
    core_rate = photos / (other.core_seconds - one.core_seconds)
    return Run(one.seconds - one.photos / rate, rate, core_rate)


def _timed(command: Sequence[str], folder: Path) -> Took:
    with TemporaryDirectory() as place, TemporaryFile("w+") as errors:
        given = [part.format(photos=folder, output=f"{place}/out") for part in command]
        started = time.perf_counter()
        process = subprocess.Popen(
            given, cwd=ROOT, stdout=errors, stderr=errors, env=_environment(), text=True
        )
        used = dict[int, float]()
        while process.poll() is None:
            used |= _used(process.pid)
            time.sleep(INTERVAL)
        seconds = time.perf_counter() - started
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(given)}:\n{errors.read()}")
    return Took(len(list(folder.iterdir())), seconds, sum(used.values()))


def _used(root: int) -> dict[int, float]:
    """Return the seconds of a core that a process and each of those below it have used so far."""
    used = dict[int, float]()
    with suppress(psutil.NoSuchProcess):
        for process in (this := psutil.Process(root), *this.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                used[process.pid] = sum(process.cpu_times()[:2])
    return used


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


if __name__ == "__main__":
    sys.exit(main())
