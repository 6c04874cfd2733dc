"""A process that decodes videos for `clips.Clips`; all else is as in `photo.worker`.

Photos have processes of their own, so that no photo waits behind a video, and FFmpeg is in memory
only after a video has come. A video comes in with `{"job": "clip", "sides": [side, ...]}`. Its
frames go out with `{"times": ..., "starts": ..., "seconds": ..., "duration": ..., "aspect": ...}`,
all in thousandths.
"""

from collections.abc import Sequence
from contextlib import suppress

from captioner.photo import worker
from captioner.photo.limits import Limits
from captioner.photo.worker import Reply, serve
from captioner.video.reading import read


def main() -> None:
    """Serve videos."""
    serve({"clip": _clip}, _prepare)


def _prepare() -> None:
    worker.prepare()
    with suppress(ImportError):  # before the process confines its memory
        import av.container  # noqa: F401


def _clip(video: bytes, limits: Limits, sides: Sequence[int]) -> Reply:
    clip = read(video, limits, *sides)
    fields = {
        "times": [_thousandths(seconds) for seconds in clip.times],
        "starts": [_thousandths(seconds) for seconds in clip.starts],
        "seconds": _thousandths(clip.seconds),
        "duration": _thousandths(clip.duration),
        "aspect": max(1, _thousandths(clip.aspect)),
    }
    return fields, b"".join(pixels.tobytes() for pixels in clip.squares + clip.middles)


def _thousandths(value: float) -> int:
    return round(1000 * value)


if __name__ == "__main__":
    main()
