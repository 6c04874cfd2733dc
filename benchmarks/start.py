"""Measure the time from the start of a process to its first caption, and its memory then.

    python benchmarks/start.py examples

It starts `python -m captioner` and `python -m bot` several times each, with their own settings. The
command is timed to its end, the bot to the first answer of its web chat. The program's files are in
the system's cache.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import aiohttp
from machine import machine
from photos import read_photos
from quiet import Timings, collect, measure, remark
from served import ROOT, bot, resident
from table import spread

from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find


def main() -> None:
    args = _arguments()
    photo = read_photos(args.photos)[0]
    command = measure(lambda _: _command(photo, args), args.starts, args.patience)
    memory: list[tuple[float, float]] = []

    def serve(_: int) -> float:
        seconds, held = asyncio.run(_first_answer(photo, args))
        memory.append(held)
        return seconds

    served = collect(serve, args.starts, args.patience)
    print(machine())
    print(f"python -m captioner PHOTO: ends {_after(command)}")
    print(f"python -m bot: first answer {_after(served)}")
    alone, together = (max(held) for held in zip(*memory, strict=True))
    print(
        f"Resident then, at most: {alone:.0f} MB, and {together:.0f} MB with the processes "
        "that decode photos"
    )
    print(remark(max(command.others, served.others)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos; the first is sent")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--runtime", default="auto", choices=get_args(Runtime))
    parser.add_argument("--starts", type=int, default=7, help="starts of each to time")
    parser.add_argument(
        "--patience", type=float, default=300, help="seconds to wait for an idle machine"
    )
    return parser.parse_args()


def _command(photo: bytes, args: argparse.Namespace) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "captioner", "-"),
            *("--checkpoint", args.checkpoint, "--runtime", args.runtime),
        ],
        input=photo,
        stdout=subprocess.DEVNULL,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


async def _first_answer(
    photo: bytes, args: argparse.Namespace
) -> tuple[float, tuple[float, float]]:
    """Return the seconds to a new bot's first answer, and its resident memory then."""
    settings = {
        "CAPTIONER_CHECKPOINT": str(args.checkpoint.resolve()),
        "CAPTIONER_RUNTIME": args.runtime,
    }
    async with aiohttp.ClientSession() as session:
        started = time.perf_counter()
        async with bot(**settings) as (process, url):
            async with session.post(f"{url}/api/caption", data=photo) as answer:
                answer.raise_for_status()
                await answer.read()
            return time.perf_counter() - started, resident(process)


def _after(found: Timings) -> str:
    return f"after {spread(found.seconds, 2)} s, {len(found.seconds)} starts"


if __name__ == "__main__":
    main()
