"""A process that unpacks photos for `sandbox.Sandbox`, and may hang or crash at one.

It takes one job after another from its standard input until that ends, and writes what became of
each to its standard output. A message is two lengths, then JSON, then bytes: a photo comes with
`{"job": ..., "side": ...}`, pixels leave with `{"shape": ...}`, a photo that cannot be read
with `{"refused": ..., "kind": ...}`, and `READY` says that it takes jobs.
"""

import json
import math
import os
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Literal

from PIL import AvifImagePlugin, Image

from captioner.photo.decode import HEIF_FORMATS, TOO_MUCH_MEMORY, BadImage, Limits, decode
from captioner.photo.preprocessing import Pixels, Preprocessing, shrink

if sys.platform != "win32":
    import resource

LENGTHS = struct.Struct(">II")  # of a message's JSON, and of the bytes behind it
Job = Literal["squeeze", "thumbnail"]

_JOBS: Mapping[Job, Callable[[Pixels, int], Pixels]] = {
    "squeeze": lambda photo, side: Preprocessing(side).squeeze(photo),
    "thumbnail": shrink,
}


def pack(fields: Mapping[str, object], behind: int = 0) -> bytes:
    """Return the start of a message: all but the bytes behind the JSON, of which it has so many."""
    text = json.dumps(fields).encode()
    return LENGTHS.pack(len(text), behind) + text


READY = pack({})


def main() -> None:
    """Serve jobs; the one argument is `Limits` as JSON."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal or a service manager sends them to every process; the parent decides here.
        signal.signal(number, signal.SIG_IGN)
    limits = Limits(**json.loads(sys.argv[1]))
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    _prepare()
    _confine(limits)
    _hush()
    results.write(READY)
    results.flush()
    try:
        while head := jobs.read(LENGTHS.size):
            text, behind = LENGTHS.unpack(head)
            _allow_time(limits)
            _serve(results, json.loads(jobs.read(text)), jobs.read(behind), limits)
    except (BrokenPipeError, struct.error):
        pass  # the parent died as it sent or as it waited


def _prepare() -> None:
    Image.init()  # or the first file that no common format fits would wait for it
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # every core has a worker
    if HEIF_FORMATS:
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1


def _confine(limits: Limits) -> None:
    if sys.platform == "win32":
        return
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":  # elsewhere it is not kept, or not accepted
        with open("/proc/self/statm") as file:
            own = int(file.read().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, own + memory(limits))


def memory(limits: Limits) -> int:
    """Return the bytes that unpacking may take, beside the process itself.

    A pixel takes 10 to 14 bytes in most formats, and 22 in WebP with transparency, which takes most
    (`benchmarks/hostile.py --plain`); a file is there up to three times, as it came, as a library
    copied it, and as its metadata.
    """
    return 24 * limits.max_pixels + 3 * limits.max_bytes + 64 * 2**20


def _limit(which: int, value: int) -> None:
    _, most = resource.getrlimit(which)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(which, (value, value))


def _allow_time(limits: Limits) -> None:
    # The parent's clock ends a job. This ends one whose parent was killed, and nobody waits.
    if sys.platform != "win32":
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds) + 1
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        if most == resource.RLIM_INFINITY or seconds < most:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, most))


def _hush() -> None:
    # What a library prints must neither mix with the pixels nor stop this process at a full pipe.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _serve(results: BinaryIO, job: Mapping[str, Any], photo: bytes, limits: Limits) -> None:
    try:
        pixels = _JOBS[job["job"]](decode(photo, limits, job["side"]), job["side"])
    except BadImage as error:
        _send(results, {"refused": str(error), "kind": error.kind})
    except MemoryError:
        _send(results, {"refused": TOO_MUCH_MEMORY, "kind": "too large"})
    else:
        _send(results, {"shape": pixels.shape}, pixels.tobytes())


def _send(results: BinaryIO, fields: Mapping[str, object], behind: bytes = b"") -> None:
    results.write(pack(fields, len(behind)) + behind)
    results.flush()


if __name__ == "__main__":
    main()
