"""Decode hostile and broken files, and check that each gives pixels or a refusal.

    python benchmarks/hostile.py --files 100000 --plain

First every file of `tests/captioner/photo/hostile.py` goes through the sandbox, then `--files`
mutants of valid files. It prints files per second, the outcomes, the ten slowest files, and the
most memory that a worker used. With `--plain` it also decodes each hostile file in a process
without limits, as a thread of the bot would. The exit status is 1 if a file had any other outcome.
"""

import argparse
import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the tests' files are used

from captioner.cores import cores  # noqa: E402
from captioner.errors import BadImage  # noqa: E402
from captioner.photo.limits import Limits  # noqa: E402
from captioner.photo.sandbox import Sandbox  # noqa: E402
from tests.captioner.photo.hostile import HOSTILE  # noqa: E402
from tests.captioner.photo.mutants import mutants  # noqa: E402

Files = Iterator[tuple[str, bytes]]

SLOWEST = 10
SIDE = 224
MIB = 2**20

PLAIN_SECONDS = 60  # without limits: a file that takes longer is not waited for
PLAIN_MIB = 8192  # without limits: more might stop the machine
PLAIN = f"""
import resource, sys
from captioner.errors import BadImage
from captioner.photo.decode import decode
resource.setrlimit(resource.RLIMIT_AS, 2 * ({PLAIN_MIB * MIB},))
print("ready", flush=True)
try:
    decode(sys.stdin.buffer.read())
except BadImage:
    sys.exit(3)
"""
PLAIN_OUTCOMES = {0: "read", 3: "refused", -9: f"still busy after {PLAIN_SECONDS} s"}


@dataclass
class Tally:
    """The outcomes of decoding many files."""

    outcomes: Counter[str] = field(default_factory=Counter)
    took: list[tuple[float, str, str]] = field(default_factory=list)  # seconds, name, outcome
    wrong: list[str] = field(default_factory=list)
    peak: int = 0  # bytes: the most that one worker used


async def main() -> int:
    args = _arguments()
    limits = Limits(seconds=args.seconds)
    made = [(name, make()) for name, make in HOSTILE.items()]
    hostile = await _decode_all("hostile files", iter(made), limits)
    broken = await _decode_all("mutants", mutants(args.files, args.seed), limits)
    if args.plain:
        await _without_limits(made)
    return 1 if hostile.wrong or broken.wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="mutants to decode")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutants")
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="limit per file")
    parser.add_argument("--plain", action="store_true", help="also decode without limits")
    return parser.parse_args()


async def _decode_all(title: str, files: Files, limits: Limits) -> Tally:
    tally, started = Tally(), time.perf_counter()
    workers = cores()
    async with Sandbox(limits, workers) as sandbox:
        watching = asyncio.create_task(_watch(tally))
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):  # one task per worker, so that no file waits
                group.create_task(_decode(sandbox, files, tally))
        watching.cancel()
    _report(title, tally, time.perf_counter() - started)
    return tally


async def _decode(sandbox: Sandbox, files: Files, tally: Tally) -> None:
    for name, data in files:
        started = time.perf_counter()
        try:
            found = await sandbox.squeeze(data, SIDE)
        except BadImage as error:
            outcome, seconds = _refusal(error), time.perf_counter() - started
        except Exception as error:
            outcome, seconds = f"wrong: {error!r}", time.perf_counter() - started
            tally.wrong.append(name)
        else:
            outcome, seconds = "read", found.seconds
        tally.outcomes[outcome] += 1
        tally.took.append((seconds, name, outcome))


def _refusal(error: BadImage) -> str:
    if isinstance(error.__cause__, TimeoutError):
        return "killed for time"
    if isinstance(error.__cause__, EOFError | ConnectionError):
        return "crashed"
    return "out of memory" if error.kind == "too much memory" else f"refused as {error.kind}"


async def _watch(tally: Tally) -> None:
    while True:
        tally.peak = max([tally.peak, *map(_peak, _children())])
        await asyncio.sleep(0.1)


def _children() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                yield int(process.name)


def _peak(process: int) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _report(title: str, tally: Tally, seconds: float) -> None:
    count = len(tally.took)
    print(f"{count} {title} in {seconds:.0f} s, {count / seconds:.1f} per second")
    for outcome, number in tally.outcomes.most_common():
        print(f"  {number:6} {outcome}")
    print(f"  a worker used at most {tally.peak / MIB:.0f} MiB; the slowest:")
    for took, name, outcome in sorted(tally.took, reverse=True)[:SLOWEST]:
        print(f"  {took:6.2f} s  {name}: {outcome}")


async def _without_limits(files: Sequence[tuple[str, bytes]]) -> None:
    found = [(*await _decode_plainly(data), name) for name, data in files]
    print("without limits: seconds, most memory, outcome")
    for seconds, peak, outcome, name in sorted(found, reverse=True):
        if seconds > 1 or peak > 256 * MIB or "ended" in outcome:
            print(f"  {seconds:6.2f} s {peak / MIB:6.0f} MiB  {name}: {outcome}")


async def _decode_plainly(data: bytes) -> tuple[float, int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PLAIN), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout
    await process.stdout.readline()
    started, peak = time.perf_counter(), 0
    asking = asyncio.create_task(process.communicate(data))
    while not asking.done():
        peak = max(peak, _peak(process.pid))
        if time.perf_counter() - started > PLAIN_SECONDS:
            process.kill()
        await asyncio.wait({asking}, timeout=0.005)
    seconds = time.perf_counter() - started
    code = process.returncode
    return seconds, peak, PLAIN_OUTCOMES.get(code or 0, f"ended with {code}")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
