"""The process that decodes videos starts with one, and ends when no more come."""

import asyncio

import pytest
from PIL import Image

from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.video.clips import Clips
from tests.captioner.video.making import encoded
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


async def test_the_most_frames_that_settings_allow_come_out() -> None:
    frames = [Image.new("RGB", (64, 64), (index % 256, 0, 0)) for index in range(620)]
    limits = Limits(video_seconds=600, video_frames=240)
    async with Clips(limits) as clips:
        clip, _ = await clips.read(encoded(frames, rate=1), SIDE, SIDE)
    assert len(clip.squares) == len(clip.middles) == len(clip.times) == len(clip.starts) == 240
    assert (clip.seconds, clip.duration) == (600, 620)


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
        {"times": [], "starts": []},
        {"times": [5, 4], "starts": [4, 4]},
        {"times": [4, 9], "starts": [4, 3]},
        {"times": [4], "starts": [5]},
        {"times": [4], "starts": [4, 4]},
        {"times": [4], "starts": []},
        {"times": [2**50]},
        {"starts": [-1]},
        {"seconds": -1},
        {"seconds": 1.5},
        {"duration": None},
        {"aspect": 0},
    ],
)
def test_a_reply_that_is_nonsense_is_noticed(reply: dict[str, object]) -> None:
    from captioner.video.clips import _clip

    size = 3 * SIDE**2
    good = {"times": [0], "starts": [0], "seconds": 0, "duration": 0, "aspect": 1000}
    assert _clip(good, bytearray(size), sides=(SIDE,))
    with pytest.raises(ValueError, match=r"."):
        _clip(good | reply, bytearray(size), sides=(SIDE,))
    for name in good:
        with pytest.raises(KeyError):
            _clip({key: good[key] for key in good if key != name}, bytearray(size), sides=(SIDE,))
    with pytest.raises(ValueError, match=r"buffer|pixels"):
        _clip(good, bytearray(size + 1), sides=(SIDE,))
    with pytest.raises(ValueError, match=r"buffer|pixels"):
        _clip(good, bytearray(size - 1), sides=(SIDE,))
