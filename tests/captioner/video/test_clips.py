"""The process that decodes videos starts with one, and ends when no more come."""

import asyncio

import pytest

from captioner.errors import BadImage
from captioner.photo.decode import Limits
from captioner.video.clips import Clips
from tests.conftest import photo_bytes

SIDE = 32


async def test_without_a_video_no_process_is_started() -> None:
    async with Clips() as clips:
        assert clips._sandbox is None


async def test_a_process_without_videos_ends_and_another_one_starts_with_the_next() -> None:
    async with Clips(idle=0.01) as clips:
        for _ in range(2):
            clip, _ = await clips.read(photo_bytes(1), SIDE)
            assert len(clip.squares) == 1
            assert clips._sandbox
            process = await clips._sandbox._workers[0]
            async with asyncio.timeout(10):
                await process.wait()
            assert clips._sandbox is None


async def test_a_process_that_is_in_use_does_not_end() -> None:
    async with Clips(idle=0) as clips:
        found = await asyncio.gather(*(clips.read(photo_bytes(seed), SIDE) for seed in range(4)))
    assert len(found) == 4


async def test_it_serves_on_after_a_refusal() -> None:
    async with Clips(Limits(max_bytes=10**6)) as clips:
        with pytest.raises(BadImage, match="too large"):
            await clips.read(bytes(10**6 + 1), SIDE)
        with pytest.raises(BadImage, match="The video is damaged"):
            await clips.read(b"\x1aE\xdf\xa3", SIDE)
        with pytest.raises(BadImage, match="The picture is damaged"):
            await clips.read(photo_bytes(1)[:200], SIDE)
        assert (await clips.read(photo_bytes(1), SIDE))[0].squares


@pytest.mark.parametrize(
    "reply",
    [
        {"times": [], "seconds": 0, "duration": 0, "aspect": 1000},
        {"times": [5, 4], "seconds": 9, "duration": 9, "aspect": 1000},
        {"times": [0], "seconds": -1, "duration": 0, "aspect": 1000},
        {"times": [0], "seconds": 1.5, "duration": 0, "aspect": 1000},
        {"times": [2**50], "seconds": 0, "duration": 0, "aspect": 1000},
        {"times": [0], "seconds": 0, "aspect": 1000},
        {"times": [0], "seconds": 0, "duration": 0},
        {"times": [0], "seconds": 0, "duration": 0, "aspect": 0},
    ],
)
def test_a_reply_that_is_nonsense_is_noticed(reply: dict[str, object]) -> None:
    from captioner.video.clips import _clip

    size = 3 * SIDE**2
    good = {"times": [0], "seconds": 0, "duration": 0, "aspect": 1000}
    with pytest.raises((KeyError, ValueError)):
        _clip(reply, bytearray(size), sides=(SIDE,))
    with pytest.raises(ValueError, match=r"buffer|pixels"):
        _clip(good, bytearray(size + 1), sides=(SIDE,))
    with pytest.raises(ValueError, match=r"buffer|pixels"):
        _clip(good, bytearray(size - 1), sides=(SIDE,))
