"""Videos made of pictures, for tests and benchmarks: scenes that move, cuts, fades, and files."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from PIL import Image

RATE = 12  # frames a second: enough to test with, and quick to make
SIZE = (320, 240)

# The options of each encoder that makes a small file soonest.
QUICK = {
    "libx264": {"preset": "veryfast", "crf": "26"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"},
    "libvpx": {"deadline": "realtime", "auto-alt-ref": "0"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12"},
}


def view(
    photo: Image.Image, zoom: float, right: float, down: float, size: tuple[int, int] = SIZE
) -> Image.Image:
    """Return a part of a photo: its zoom, and its place from -1 to 1."""
    width, height = photo.width / zoom, photo.height / zoom
    left = (photo.width - width) * (right + 1) / 2
    above = (photo.height - height) * (down + 1) / 2
    box = (left, above, left + width, above + height)
    return photo.resize(size, Image.Resampling.BILINEAR, box)


def scene(
    photo: Image.Image,
    seconds: float,
    *,
    move: str = "still",
    noise: float = 0.0,
    rate: int = RATE,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
) -> list[Image.Image]:
    """Return the frames of a scene that is made from a photo.

    Args:
        photo: in RGB.
        seconds: how long it lasts.
        move: "still", "pan" over a quarter of it, "zoom" by a fifth, or "shake" by 2 %.
        noise: its standard deviation, in values of 0..255.
        rate: frames a second.
        size: of the frames.
        seed: of noise and shaking.
    """
    chance, count = np.random.default_rng(seed), max(1, round(seconds * rate))
    frames = []
    for index in range(count):
        part = index / max(1, count - 1)
        match move:
            case "pan":
                frame = view(photo, 1.3, part - 0.5, 0, size)
            case "zoom":
                frame = view(photo, 1 + 0.2 * part, 0, 0, size)
            case "shake":
                right, down = chance.uniform(-0.5, 0.5, 2)
                frame = view(photo, 1.04, right, down, size)
            case _:
                frame = view(photo, 1, 0, 0, size)
        if noise:
            pixels = np.asarray(frame) + chance.normal(0, noise, (*frame.size[::-1], 3))
            frame = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        frames.append(frame)
    return frames


def cross_faded(scenes: Sequence[list[Image.Image]], count: int) -> Iterator[Image.Image]:
    """Yield the frames of scenes; each fades into the next one over `count` frames, 0 for a cut."""
    start = 0
    for one, following in pairwise(scenes):
        end = len(one) - count
        yield from one[start:end]
        for step in range(count):
            yield Image.blend(one[end + step], following[step], (step + 1) / (count + 1))
        start = count
    yield from scenes[-1][start:]


def encoded(
    frames: Iterable[Image.Image],
    format_: str = "mp4",
    codec: str = "libx264",
    *,
    rate: int = RATE,
    times: Sequence[float] | None = None,
    pixels: str = "yuv420p",
    sound: float = 0.0,
    aspect: Fraction | None = None,
    muxer: dict[str, str] | None = None,
    **options: str,
) -> bytes:
    """Return frames as a file.

    Args:
        frames: all of one size.
        format_: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        rate: frames a second.
        times: seconds at which the frames begin, for a variable rate; the last one ends one
            frame later.
        pixels: FFmpeg's name of their format.
        sound: seconds of silence beside them.
        aspect: of a pixel.
        muxer: options of the container.
        options: of the encoder.
    """
    base = Fraction(1, 1000 if times else rate)
    # Some containers are read while they are written.
    with usual_priority(), TemporaryDirectory() as folder:
        path = str(Path(folder) / "video")
        with av.open(path, "w", format=format_, options=muxer or {}) as output:
            stream: Any = output.add_stream(
                codec, rate=rate, options=QUICK.get(codec, {}) | options
            )
            stream.pix_fmt, stream.thread_count, stream.codec_context.time_base = pixels, 1, base
            silence: Any = output.add_stream("aac", rate=48_000) if sound else None
            for index, picture in enumerate(frames):
                if not index:
                    stream.width, stream.height = picture.size
                    stream.codec_context.sample_aspect_ratio = aspect or Fraction(1)
                layout = "rgba" if picture.mode == "RGBA" else "rgb24"
                frame = av.VideoFrame.from_ndarray(np.asarray(picture), layout)
                frame.pts = round(1000 * times[index]) if times else index
                frame.time_base = base
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
            for packet in _silence(silence, sound):
                output.mux(packet)
        return Path(path).read_bytes()


def shifted(video_file: bytes, seconds: float, format_: str = "mp4", sound: float = 0.0) -> bytes:
    """Return a video with later times, or earlier ones.

    An edit list leaves out what would be before the start, as programs trim without encoding.

    Args:
        video: a file.
        seconds: by how much its frames come later.
        format_: FFmpeg's name of the new container.
        sound: seconds of silence beside them, from the start.
    """
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "video")
        options = {"use_editlist": "1"} if format_ == "mp4" else {}
        with (
            av.open(io.BytesIO(video_file), "r") as whole,
            av.open(
                path, "w", format_, options, container_options={"avoid_negative_ts": "disabled"}
            ) as output,
        ):
            source = whole.streams.video[0]
            stream = output.add_stream_from_template(source)
            silence: Any = output.add_stream("aac", rate=48_000) if sound else None
            for packet in _silence(silence, sound):
                output.mux(packet)
            for packet in whole.demux(source):
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                late = round(seconds / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + late, packet.dts + late, stream
                output.mux(packet)
        return Path(path).read_bytes()


def turned(video_file: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """Return an MP4 whose display matrix shows each pixel (x, y) at (ax + cy, bx + dy)."""
    straight, other = (
        b"".join(
            value.to_bytes(4, signed=True)
            for value in (one << 16, two << 16, 0, three << 16, four << 16, 0, 0, 0, 1 << 30)
        )
        for one, two, three, four in ((1, 0, 0, 1), (a, b, c, d))
    )
    header, track = video_file.split(b"tkhd")
    assert straight in track
    return header + b"tkhd" + track.replace(straight, other, 1)


@contextmanager
def usual_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does to the thread that starts it: for root it becomes a real-time one.

    So would all processes that it starts later, which can keep both cores from everyone else.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, priority)


def _silence(stream: Any, seconds: float) -> Iterator[Any]:
    for index in range(round(48_000 * seconds / 1024)):
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        quiet.sample_rate, quiet.pts = 48_000, 1024 * index
        yield stream.encode(quiet)
    if stream:
        yield stream.encode()
