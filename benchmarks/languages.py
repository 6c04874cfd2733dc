"""Measure what a caption in each language takes, beside one in the checkpoint's own.

    python benchmarks/languages.py examples --threads 1

It prints the milliseconds of the search for a photo's sentence, the encoder being the same for all,
how long a language took to be read when it was first asked for, and what is resident once it was.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import get_args

import psutil
from bare import open_bare
from machine import machine
from photos import read_photos
from quiet import measure, remark
from table import markdown

from captioner import Options
from captioner.decoding.generate import generate
from captioner.runtime.select import Runtime
from captioner.shipped import DEFAULT_CHECKPOINT, find
from captioner.speakers import Speakers, languages_of


def main() -> None:
    args = _arguments()
    bare = open_bare(args.checkpoint, args.device, args.runtime, args.threads)
    speakers = Speakers(bare.metadata, bare.network, languages_of(args.checkpoint))
    memories = [bare.encode(bare.squeeze([file])) for file in read_photos(args.photos)]
    options, process = Options(), psutil.Process()
    rows, others = [], 0.0
    for code in speakers.codes:
        started = time.perf_counter()
        metadata, network = speakers.speaker(code)
        read = time.perf_counter() - started
        known = metadata.matching, metadata.small_words

        def search(run: int) -> None:
            generate(network, memories[run % len(memories)], options, *known)  # noqa: B023

        timings = measure(search, args.repeats, args.patience)
        others = max(others, timings.others)
        resident = process.memory_info().rss / 1e6
        milliseconds = 1e3 * statistics.median(timings.seconds)
        rows.append([code, f"{milliseconds:.2f}", f"{read * 1e3:.0f}", f"{resident:.0f}"])
    print(f"{bare}; {machine()}\n")
    print(markdown(["language", "search, ms a photo", "read, ms", "resident then, MB"], rows))
    print(f"\n{remark(others)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--checkpoint", type=find, default=DEFAULT_CHECKPOINT)
    parser.add_argument("--device", default="cpu", help="as PyTorch names it")
    parser.add_argument("--runtime", default="auto", choices=get_args(Runtime))
    parser.add_argument("--threads", type=int, help="threads of the network; default: one per core")
    parser.add_argument("--repeats", type=int, default=100, help="searches to time in each")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for quiet")
    return parser.parse_args()


if __name__ == "__main__":
    main()
