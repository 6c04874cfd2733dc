"""Watch the bot's memory while many photos go through the web chat's API.

    python benchmarks/memory.py examples --photos 10000

It prints the resident memory of the bot and of all its processes during the run. The exit status is
1 if a photo was lost, or if the second half of the run needed a tenth more than the first.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from photos import read_photos
from served import bot, resident

from captioner.shipped import DEFAULT_CHECKPOINT, find

CALLERS = 16
ROWS = 20  # of the printed table
GROWTH = 1.1  # of the memory; anything more is not flat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of photos to send repeatedly")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    args = parser.parse_args()
    checkpoint = str(args.checkpoint.resolve())
    return asyncio.run(_run(read_photos(args.folder), args.photos, checkpoint))


async def _run(files: list[bytes], photos: int, checkpoint: str) -> int:
    statuses: Counter[int] = Counter()
    curve: list[float] = []
    async with (
        bot(CAPTIONER_CHECKPOINT=checkpoint) as (process, url),
        aiohttp.ClientSession() as session,
    ):
        remaining = iter(range(photos))
        started = time.monotonic()
        print("  photos   seconds   bot MB   all MB")

        async def call(numbers: Iterator[int]) -> None:
            for number in numbers:
                photo = files[number % len(files)]
                async with session.post(f"{url}/api/caption", data=photo) as answer:
                    await answer.read()
                    statuses[answer.status] += 1
                if statuses.total() % max(1, photos // ROWS) == 0:
                    alone, together = resident(process)
                    curve.append(together)
                    seconds = time.monotonic() - started
                    print(
                        f"{statuses.total():8d} {seconds:9.0f} {alone:8.0f} {together:8.0f}",
                        flush=True,
                    )

        await asyncio.gather(*(call(remaining) for _ in range(CALLERS)))
        seconds = time.monotonic() - started
    half = len(curve) // 2
    first, second = max(curve[:half]), max(curve[half:])
    print(f"{photos} photos in {seconds:.0f} s, {photos / seconds:.1f}/s; {dict(statuses)}")
    print(f"at most {first:.0f} MB in the first half, {second:.0f} MB in the second")
    return int(statuses[200] != photos or second > GROWTH * first)


if __name__ == "__main__":
    sys.exit(main())
