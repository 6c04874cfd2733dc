"""From the bytes of a video to its story.

A video is decoded in a process of its own; its frames are encoded in the batches of the photos, a
few at a time, so that a photo never waits for a whole video; and one frame of each scene is
captioned as a photo is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import numpy as np

from captioner.errors import Busy
from captioner.in_progress import InProgress
from captioner.options import Options
from captioner.photo.preprocessing import Pixels
from captioner.photo.sandbox import Unpacked
from captioner.result import Caption
from captioner.runtime.protocols import Floats
from captioner.serving import ServingConfig
from captioner.video import scenes
from captioner.video.clips import Clips
from captioner.video.pictures import unsqueezed
from captioner.video.reading import Clip
from captioner.video.result import Scene, VideoCaption
from captioner.video.scenes import Shot

# Videos whose frames are in memory, 17 MB each by default: one is decoded while another is encoded.
TOGETHER = 2
RETRY_SECONDS = 10.0  # the time of a few videos

Encode = Callable[[Pixels], Awaitable[Floats]]  # a frame to its features
CaptionFrame = Callable[[Unpacked, Options], Awaitable[Caption]]


class Storyteller:
    """Captions videos for many callers."""

    def __init__(
        self, serving: ServingConfig, encode: Encode, caption: CaptionFrame, *, share: int
    ) -> None:
        """Prepare; nothing runs before the first video.

        Args:
            serving: the largest video that is accepted, and how many at a time.
            encode: returns a frame's features, by which frames are compared; see `forward_pass`.
            caption: captions a frame as a photo.
            share: how many frames, of all videos together, may wait for their batch.
        """
        self._encode, self._caption = encode, caption
        limits = serving.limits
        if serving.max_video_bytes is not None:
            limits = replace(limits, max_bytes=serving.max_video_bytes)
        self._clips, self._most = Clips(limits), serving.max_videos
        self._free = asyncio.Semaphore(share)
        self._together = asyncio.Semaphore(TOGETHER)
        self._telling = InProgress()

    async def __aenter__(self) -> Self:
        """Start nothing yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what was accepted, then end the process that decodes."""
        await self._telling.ended()
        await self._clips.__aexit__(kind, error, trace)

    async def tell(
        self, video: bytes, options: Options, side: int, middle: int | None
    ) -> VideoCaption:
        """Caption a video.

        Args:
            video: a whole file.
            options: how to decode each caption.
            side: of the square of a frame, in pixels.
            middle: side of the square in its middle; None if it is not needed.

        Raises:
            BadImage: the video cannot be read.
            Busy: too many videos are in progress.
        """
        if self._telling.count >= self._most:
            raise Busy("full", RETRY_SECONDS)
        with self._telling:
            async with self._together:
                clip, seconds = await self._clips.read(video, side, middle)
                shots = await self._shots(clip)
                frames = [
                    Unpacked(
                        clip.squares[shot.frame],
                        seconds / len(clip.squares),
                        clip.middles[shot.frame] if clip.middles else None,
                    )
                    for shot in shots
                ]
                duration, looked, times = clip.duration, clip.seconds, clip.times
                aspect = clip.aspect if options.attention else None
                del clip
            found = await self._captioned(shots, frames, times, options)
            story = VideoCaption(tuple(found), looked, duration)
            return story if aspect is None else _illustrated(story, frames, aspect)

    async def _shots(self, clip: Clip) -> list[Shot]:
        if len(clip.squares) == 1:
            return [Shot(clip.starts[0], max(clip.seconds, clip.starts[0]), 0, None)]
        features = np.stack(await asyncio.gather(*map(self._features, clip.squares)))
        return await asyncio.to_thread(
            scenes.find, clip.squares, features, clip.times, clip.starts, clip.seconds
        )

    async def _features(self, square: Pixels) -> Floats:
        async with self._free:
            return await self._encode(square)

    async def _captioned(
        self, shots: list[Shot], frames: list[Unpacked], times: list[float], options: Options
    ) -> list[Scene]:
        """Caption the scenes; one that repeats an earlier one gets the caption of that one."""
        once = [number for number, shot in enumerate(shots) if shot.repeats is None]
        captions = dict(
            zip(
                once,
                await asyncio.gather(*(self._alone(frames[number], options) for number in once)),
                strict=True,
            )
        )
        found: list[Scene] = []
        for number, shot in enumerate(shots):
            first = number if shot.repeats is None else shot.repeats
            caption = captions[first]
            alike = (i for i, scene in enumerate(found) if scene.caption.text == caption.text)
            found.append(
                Scene(shot.start, shot.end, times[shots[first].frame], caption, next(alike, None))
            )
        return found

    async def _alone(self, frame: Unpacked, options: Options) -> Caption:
        async with self._free:
            return await self._caption(frame, options)


def _illustrated(story: VideoCaption, frames: list[Unpacked], aspect: float) -> VideoCaption:
    told = {scene.start for scene in story.told}
    scenes = (
        replace(scene, picture=unsqueezed(frame.pixels, aspect)) if scene.start in told else scene
        for scene, frame in zip(story.scenes, frames, strict=True)
    )
    return replace(story, scenes=tuple(scenes))
