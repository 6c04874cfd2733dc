"""Videos to send to the bot, and a captioner that tells them without looking."""

import asyncio
import io
from functools import cache

import numpy as np
from PIL import Image

from captioner import BadImage, Caption, Options, VideoCaption
from captioner.result import Word
from captioner.video.result import Scene
from tests.captioner.video.making import encoded, scene
from tests.conftest import photo_bytes

STORY = "First a dog runs. Then a bird flies. (Not sure.)"
# Begins as an MP4 does, and holds nothing.
UNREADABLE = b"\0\0\0\x18ftypisom" + bytes(12)


def caption(text: str, confidence: float = 0.9, *, attention: bool = False) -> Caption:
    """Return the caption of a scene."""
    maps = np.full((2, 2), 0.25, np.float32) if attention else None
    words = tuple(Word(word, -0.1, maps) for word in text.rstrip(".").lower().split())
    return Caption(text, -0.1, confidence, words)


async def tell(video: bytes, options: Options) -> VideoCaption:
    """Tell the same story of every video but one, and never of a photo."""
    assert video[:3] != b"\xff\xd8\xff"
    if video == UNREADABLE:
        raise BadImage("no frames")
    picture = np.zeros((24, 32, 3), np.uint8) if options.attention else None
    first = caption("A dog runs.", attention=options.attention)
    second = caption("A bird flies.", 0.1, attention=options.attention)
    scenes = Scene(0, 2, 1, first, picture=picture), Scene(2, 4, 3, second, picture=picture)
    return VideoCaption(scenes, 4.0, 4.0)


class AtOnce:
    """Counts how many there were at a time, at most."""

    def __init__(self) -> None:
        self.most = self._now = 0

    def __enter__(self) -> None:
        self._now += 1
        self.most = max(self.most, self._now)

    def __exit__(self, *_: object) -> None:
        self._now -= 1


class Slow:
    """A captioner that tells videos as `tell` does, but none before it may."""

    def __init__(self) -> None:
        self.may, self.at_once = asyncio.Event(), AtOnce()
        self._begun = asyncio.Semaphore(0)

    async def tell(self, video: bytes, options: Options) -> VideoCaption:
        with self.at_once:
            self._begun.release()
            await self.may.wait()
        return await tell(video, options)

    async def begun(self, videos: int) -> None:
        """Wait until n more videos have come."""
        for _ in range(videos):
            await self._begun.acquire()


@cache
def video_file(format_: str = "mp4", codec: str = "libx264") -> bytes:
    """Return a short video of two photos, one after the other."""
    photos = [Image.open(io.BytesIO(photo_bytes(seed))).convert("RGB") for seed in (1, 2)]
    frames = [frame for photo in photos for frame in scene(photo, 1, size=(96, 80))]
    return encoded(frames, format_, codec)


@cache
def gif() -> bytes:
    """Return a GIF of two photos, one after the other."""
    first, second = (Image.open(io.BytesIO(photo_bytes(seed))) for seed in (1, 2))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=[second], duration=1000)
    return file.getvalue()
