"""Time the captioner behind Ray Serve on this machine, and kill one of its replicas under load.

    python benchmarks/cluster.py examples

It prints how much time Serve and HTTP add to a photo that is sent alone, and the photos per second
from many callers, with one replica and with two, of one core each: undisturbed, and while one
replica is killed. The exit status is 1 if a photo was lost.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import yaml
from machine import machine
from photos import read_photos
from quiet import beforehand
from table import markdown

from captioner import Busy, Caption, Captioner
from captioner.remote.captioner import RemoteCaptioner
from captioner.shipped import DEFAULT_CHECKPOINT, find

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "deploy" / "ray" / "config.yaml"
REPLICA = "ray::ServeRep"  # how the names of their processes begin; the kernel keeps 15 characters
START_SECONDS = 120.0
WARM = 8  # photos that do not count

CaptionPhoto = Callable[[bytes], Awaitable[Caption]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of photos to send repeatedly")
    parser.add_argument("--photos", type=int, default=500, help="of each load")
    parser.add_argument("--alone", type=int, default=200, help="photos that are sent alone")
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    args = parser.parse_args()
    # As Ray sets it for a replica of one core, and so for the captioner in this process.
    os.environ["OMP_NUM_THREADS"] = "1"
    return asyncio.run(_run(read_photos(args.folder), args))


async def _run(files: Sequence[bytes], args: argparse.Namespace) -> int:
    print(machine())
    before, rows, lost = beforehand(), [], 0
    for replicas in (1, 2):
        async with _serving(replicas, args) as (process, remote):
            async with Captioner.load(args.checkpoint, "cpu") as captioner:
                here, there = await _alone((captioner.caption, remote.caption), files, args.alone)
            rate, outcomes = await _load(remote, process, files, args, kill=False)
            with_kill, after = await _load(remote, process, files, args, kill=True)
        lost += 2 * args.photos - outcomes["captioned"] - after["captioned"]
        rows.append(
            (
                str(replicas),
                *(f"{seconds * 1e3:.1f}" for seconds in (here, there, there - here)),
                *(f"{rate:.1f}", f"{with_kill:.1f}"),
                f"{after['captioned']} of {args.photos}",
            )
        )
    head = (
        *("replicas", "in this process, median ms", "over HTTP, median ms", "added ms"),
        *("photos/s", "photos/s with one killed", "answered with one killed"),
    )
    print(f"\n{markdown(head, rows)}\n\n{before}")
    return int(lost != 0)


@asynccontextmanager
async def _serving(
    replicas: int, args: argparse.Namespace
) -> AsyncIterator[tuple[psutil.Process, RemoteCaptioner]]:
    """Run Ray with the application; yield its process, and a captioner that uses it."""
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(yaml.safe_dump(_config(replicas, args)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ray.serve.scripts", "run", "--address", "local", config),
            cwd=ROOT,
            env={key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
            | {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": folder, "HOME": folder}
            # As in `ray.env`, whose token is for clusters of several machines. At the end no
            # replica waits half a minute for requests that come late.
            | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
            | {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with RemoteCaptioner(f"http://127.0.0.1:{args.port}") as remote:
                async with asyncio.timeout(START_SECONDS):
                    while remote.problem or len(_replicas(process.pid)) < replicas:
                        await asyncio.sleep(0.1)
                yield psutil.Process(process.pid), remote
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()


def _config(replicas: int, args: argparse.Namespace) -> object:
    config = yaml.safe_load(CONFIG.read_text())
    config["http_options"] |= {"host": "127.0.0.1", "port": args.port}
    (application,) = config["applications"]
    application["args"] |= {"checkpoint": str(args.checkpoint.resolve())}
    (deployment,) = application["deployments"]
    del deployment["autoscaling_config"]
    deployment |= {"num_replicas": replicas, "ray_actor_options": {"num_cpus": 1}}
    return config


def _replicas(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if child.name().startswith(REPLICA)]


async def _alone(
    ways: Sequence[CaptionPhoto], files: Sequence[bytes], count: int
) -> Iterator[float]:
    """Return the median of the seconds of photos, one at a time, each by each way in turn."""
    seconds: list[list[float]] = [[] for _ in ways]
    for number in range(WARM + count):
        for caption, took in zip(ways, seconds, strict=True):
            started = time.perf_counter()
            await caption(files[number % len(files)])
            took.append(time.perf_counter() - started)
    return (statistics.median(took[WARM:]) for took in seconds)


async def _load(
    remote: RemoteCaptioner,
    process: psutil.Process,
    files: Sequence[bytes],
    args: argparse.Namespace,
    *,
    kill: bool,
) -> tuple[float, Counter[str]]:
    """Send photos from many callers; return how many are captioned a second, and all outcomes."""
    outcomes: Counter[str] = Counter()
    numbers = iter(range(args.photos))

    async def call() -> None:
        for number in numbers:
            if kill and number == args.photos // 2:
                _replicas(process.pid)[0].kill()
            try:
                await remote.caption(files[number % len(files)])
                outcomes["captioned"] += 1
            except Busy as error:
                outcomes[error.kind] += 1

    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(args.callers)))
    return outcomes["captioned"] / (time.perf_counter() - started), outcomes


if __name__ == "__main__":
    sys.exit(main())
