"""Hostile videos come out as frames or as a refusal, in time, and harm no other."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.photo.worker import memory
from captioner.video.clips import Clips
from tests.captioner.photo import test_hostile
from tests.captioner.photo.hostile import HOSTILE as PHOTOS
from tests.captioner.photo.mutants import mutants
from tests.captioner.video.hostile import HOSTILE, VALID
from tests.captioner.video.making import encoded, scene
from tests.conftest import LONG, photo_bytes
from tests.pictures import BLACK, WHITE, halves, saved

SIDE = 32
EXAMPLE = Path(__file__).parents[3] / "examples" / "tourist.jpg"
SECONDS = 20.0  # for each file; each takes a few, even on a busy machine
LATE = 12.0  # by then a video that is slow to read must do with the frames that it has

ANIMATIONS = {
    format_: saved(
        halves(), format_, save_all=True, append_images=[halves(BLACK), halves(WHITE)], duration=500
    )
    for format_ in ("GIF", "PNG", "WEBP", "AVIF")
}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


async def outcome(clips: Clips, data: bytes) -> str | None:
    """Return how a video is refused; None if it was read."""
    try:
        clip, seconds = await clips.read(data, SIDE)
    except BadImage as error:
        return error.kind
    assert seconds < LATE * 1.5
    assert 1 <= len(clip.squares) == len(clip.times) <= Limits.video_frames
    return None


@pytest.mark.parametrize("first", ["MP4", "M", "WebM", "playlist", "list", "manifest", "session"])
async def test_a_hostile_video_is_read_or_refused_as_expected(first: str) -> None:
    files = {name: made for name, made in HOSTILE.items() if name.startswith(first)}
    assert files
    async with Clips(Limits(seconds=SECONDS)) as clips:
        for name, (make, expected) in files.items():
            assert await outcome(clips, make()) == expected, name
            assert await outcome(clips, photo_bytes(2)) is None, name


@pytest.mark.parametrize("first", ["PNG", "WebP", "GIF", "AVIF"])
async def test_a_hostile_animation_is_read_or_refused(first: str) -> None:
    slow = set() if LONG else test_hostile.SLOW
    async with Clips(Limits(seconds=SECONDS)) as clips:
        for name, make in PHOTOS.items():
            moving = "animation" in name or "frames" in name
            if name.startswith(first) and moving and name not in slow:
                await outcome(clips, make())
                assert await outcome(clips, photo_bytes(2)) is None, name


async def test_a_broken_video_is_read_or_refused() -> None:
    count = 20_000 if LONG else 1000
    valid = VALID | ANIMATIONS
    async with Clips() as clips:
        found = [await outcome(clips, data) for _, data in mutants(count, valid=valid)]
    assert {None, "damaged"} <= set(found)
    assert not set(found) & {"too slow", "unsupported video"}


@on_linux
async def test_a_long_video_takes_no_more_memory_than_a_short_one() -> None:
    photo = Image.open(EXAMPLE).convert("RGB")
    peaks = []
    for seconds in (2, 60):
        frames = scene(photo, seconds, move="pan", size=(640, 360))
        async with Clips() as clips:
            await clips.read(encoded(frames), 224, 260)
            peaks.append(await peak(clips))
    assert peaks[1] - peaks[0] < 80 * 2**20  # 48 frames, each with its middle, and the file
    assert peaks[1] < memory(Limits())


async def peak(clips: Clips) -> int:
    """Return the most memory that the process of a `Clips` has used."""
    assert clips._sandbox
    process = await clips._sandbox._workers[0]
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
