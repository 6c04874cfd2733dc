"""A process that decodes photos for `sandbox.Sandbox`, and may hang or crash while it does.

It reads one job after another from its standard input until that ends, and writes each result to
its standard output. A message is two lengths, then JSON, then bytes. A photo comes in with
`{"job": ..., "sides": [...]}`; pixels go out with `{"shapes": [...]}`, one picture for each side; a
photo that cannot be decoded is answered with `{"refused": kind, "numbers": ...}`, those of
`BadImage`. The first message, `READY`, says that the worker accepts jobs.
"""

import json
import math
import os
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import BinaryIO, Literal

from PIL import AvifImagePlugin, Image

from captioner.errors import BadImage
from captioner.photo.decode import HEIF_FORMATS, picture
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels, Preprocessing, middle, shrink

if sys.platform != "win32":
    import resource

# Of Pillow's 45 plugins, those for `decode.FORMATS` that it does not always load.
PLUGINS = ("Mpo", "WebP", "Tiff", "Avif", "Jpeg2K")

LENGTHS = struct.Struct(">II")  # of a message's JSON, and of the bytes after it
Job = Literal["squeeze", "thumbnail"]
Reply = tuple[Mapping[str, object], bytes]  # its JSON, and the bytes after it
Do = Callable[[bytes, Limits, Sequence[int]], Reply]  # with a file, its limits, and the sides


def pack(fields: Mapping[str, object], body_size: int = 0) -> bytes:
    """Return a message up to the end of its JSON; a body of `body_size` bytes must follow."""
    text = json.dumps(fields).encode()
    return LENGTHS.pack(len(text), body_size) + text


READY = pack({})


def main() -> None:
    """Serve photos."""
    serve(_DO, prepare)


def serve(do: Mapping[str, Do], prepare: Callable[[], None]) -> None:
    """Serve jobs; the one argument of the process is `Limits` as JSON.

    Args:
        do: what each job does.
        prepare: is called once, before the process confines itself.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal or a service manager signals every process; the parent decides when to stop.
        signal.signal(number, signal.SIG_IGN)
    limits = Limits(**json.loads(sys.argv[1]))
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    prepare()
    _confine(limits)
    _hush()
    results.write(READY)
    results.flush()
    try:
        while head := jobs.read(LENGTHS.size):
            text_size, body_size = LENGTHS.unpack(head)
            _allow_time(limits)
            job = json.loads(jobs.read(text_size))
            _answer(results, do[job["job"]], jobs.read(body_size), limits, job["sides"])
    except (BrokenPipeError, struct.error):
        pass  # the parent died while it was sending or waiting


def prepare() -> None:
    """Load every format, and let no library start threads."""
    Image.preinit()
    for plugin in PLUGINS:  # now, so that the first rare file does not wait for it
        import_module(f"PIL.{plugin}ImagePlugin")
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is a worker for every core
    if HEIF_FORMATS:
        import pillow_heif

        pillow_heif.options.DECODE_THREADS = 1


def _confine(limits: Limits) -> None:
    if sys.platform == "win32":
        return
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    if sys.platform == "linux":  # other systems ignore or reject this limit
        with open("/proc/self/statm") as file:
            own = int(file.read().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, own + memory(limits))


def memory(limits: Limits) -> int:
    """Return the bytes that decoding may take, in addition to the idle process.

    A pixel takes 10 to 14 bytes in most formats, and 22 in WebP with transparency, the most of all
    (`benchmarks/hostile.py --plain`). A file may be in memory three times: as it came, as a
    library's copy, and as its metadata. The frames of a video are squeezed: 2**20 bytes for each
    are enough, even while the reply is put together.
    """
    frames = limits.video_frames * 2**20
    return 24 * limits.max_pixels + 3 * limits.max_bytes + frames + 64 * 2**20


def _limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _allow_time(limits: Limits) -> None:
    # The parent's clock ends a job. This limit ends a job whose parent was killed.
    if sys.platform != "win32":
        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds) + 1
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if hard == resource.RLIM_INFINITY or seconds < hard:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _hush() -> None:
    # What a library prints must not mix with the pixels, nor block this process on a full pipe.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _answer(results: BinaryIO, do: Do, photo: bytes, limits: Limits, sides: Sequence[int]) -> None:
    try:
        fields, body = do(photo, limits, sides)
    except BadImage as error:
        _send(results, {"refused": error.kind, "numbers": error.numbers})
    except MemoryError:
        _send(results, {"refused": "too much memory", "numbers": {}})
    else:
        _send(results, fields, body)


def _squeeze(photo: bytes, limits: Limits, sides: Sequence[int]) -> Reply:
    """Squeeze a photo to the first side, and cut its middle for each other side.

    Decoding takes longer than both. The middle needs fewer pixels than twice its side.
    """
    side, *others = sides
    decoded = picture(photo, limits, max(side, *(other * 3 // 4 for other in others), 0))
    others_found = (middle(decoded, other) for other in others)
    return _pictures(Preprocessing(side).squeeze(decoded), *others_found)


def _shrink(photo: bytes, limits: Limits, sides: Sequence[int]) -> Reply:
    (side,) = sides
    return _pictures(shrink(picture(photo, limits, side), side))


def _pictures(*found: Pixels) -> Reply:
    shapes = [pixels.shape for pixels in found]
    return {"shapes": shapes}, b"".join(pixels.tobytes() for pixels in found)


_DO: Mapping[str, Do] = {
    "squeeze": _squeeze,
    "thumbnail": _shrink,
}


def _send(results: BinaryIO, fields: Mapping[str, object], body: bytes = b"") -> None:
    results.write(pack(fields, len(body)) + body)
    results.flush()


if __name__ == "__main__":
    main()
