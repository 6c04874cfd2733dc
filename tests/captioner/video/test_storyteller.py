"""A video is told scene by scene; photos that are sent meanwhile do not wait for it."""

import asyncio
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner import BadImage, Busy, Captioner, Options, VideoCaption
from captioner.checkpoint import Metadata
from captioner.forward_pass import Answer, Request
from captioner.photo.limits import Limits
from captioner.runtime import select
from captioner.serving import ServingConfig
from captioner.shipped import DEFAULT_CHECKPOINT, find
from captioner.video.result import Scene
from captioner.wording import worded
from tests.captioner.video.making import RATE, SIZE, cross_faded, encoded, scene
from tests.conftest import Trained, on_cpu, photo_bytes

EXAMPLES = Path(__file__).parents[3] / "examples"
Frames = list[Image.Image]


@cache
def example(name: str) -> Image.Image:
    return Image.open(EXAMPLES / f"{name}.jpg").convert("RGB")


@cache
def shipped() -> tuple[Metadata, object]:
    return select.load(find(DEFAULT_CHECKPOINT), "cpu", "onnx")


def black(seconds: float) -> Frames:
    return round(seconds * RATE) * [Image.new("RGB", SIZE)]


def made(*names: str, seconds: float = 2, move: str = "pan") -> list[Frames]:
    return [scene(example(name), seconds, move=move) for name in names]


def cut(scenes: Sequence[Frames]) -> Frames:
    return [frame for one in scenes for frame in one]


async def told(video: bytes, options: Options = Options()) -> VideoCaption:
    metadata, network = shipped()
    async with Captioner(metadata, network, ServingConfig(decoders=1)) as captioner:  # type: ignore[arg-type]
        return await captioner.caption_video(video, options)


def starts(video: VideoCaption) -> list[float]:
    return [scene.start for scene in video.scenes]


async def test_scenes_are_told_in_their_order_with_their_times() -> None:
    video = await told(encoded(cut(made("bird", "boats", "tourist"))))
    assert starts(video) == pytest.approx([0, 2, 4], abs=0.5)
    assert [scene.end for scene in video.scenes] == [*starts(video)[1:], video.seconds]
    assert video.seconds == video.duration == pytest.approx(6, abs=0.1)
    for one in video.scenes:
        assert one.start <= one.frame < one.end
    first, second, _ = (one.caption.text for one in video.scenes)
    assert "bird" in first
    assert "boat" in second
    openings = ("First a", " Then ", " Finally, ")
    places = [video.text.index(opening) for opening in openings]
    assert places == sorted(places)


async def test_scenes_that_fade_into_each_other_are_found() -> None:
    scenes = made("bird", "boats", "tourist", seconds=3, move="zoom")
    video = await told(encoded(cross_faded(scenes, RATE)))
    assert starts(video) == pytest.approx([0, 2.5, 4.5], abs=0.6)


async def test_a_blank_start_and_fades_to_black_belong_to_no_scene() -> None:
    bird, boats = made("bird", "boats")
    fading = [Image.blend(bird[-1], black(1)[0], step / RATE) for step in range(RATE)]
    video = await told(encoded(black(1) + bird + fading + black(1) + boats))
    assert starts(video) == pytest.approx([1, 5], abs=0.6)
    assert video.scenes[0].frame >= 1
    assert video.scenes[0].end < video.scenes[1].start


async def test_a_scene_that_comes_again_is_told_once() -> None:
    video = await told(encoded(cut(made("bird", "boats", "bird"))))
    assert [scene.repeats for scene in video.scenes] == [None, None, 0]
    assert video.scenes[2].caption == video.scenes[0].caption
    assert video.scenes[2].frame == video.scenes[0].frame
    assert video.told == video.scenes[:2]
    assert " Then " in video.text
    assert "Finally" not in video.text


@pytest.mark.parametrize("move", ["still", "pan", "zoom", "shake"])
async def test_a_scene_that_moves_is_one_scene_and_one_sentence(move: str) -> None:
    video = await told(encoded(scene(example("boats"), 5, move=move, noise=6)))
    assert len(video.scenes) == 1
    assert not video.text.startswith("First")
    assert video.text == worded(video.scenes[0].caption).text


async def test_a_photo_is_told_as_it_is_captioned(tiny: Trained) -> None:
    photo = photo_bytes(3)
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        video = await captioner.caption_video(photo, Options(alternatives=2))
        assert video.scenes == (
            Scene(0, 0, 0, await captioner.caption(photo, Options(alternatives=2))),
        )
    assert (video.seconds, video.duration) == (0, 0)


async def test_a_video_of_one_colour_is_one_scene(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        video = await captioner.caption_video(encoded(black(3)))
    (only,) = video.scenes
    assert (only.start, only.end) == pytest.approx((0, 3), abs=0.1)


async def test_each_scene_has_the_attention_that_is_asked_for(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        video = await captioner.caption_video(encoded(black(1)), Options(attention=True))
    for word in video.scenes[0].caption.words:
        assert word.attention is not None
        assert word.attention.sum() == pytest.approx(1)


async def test_each_scene_has_its_frame_in_its_proportions_if_attention_is_asked_for(
    tiny: Trained,
) -> None:
    video_file = encoded(scene(example("bird"), 1))
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        video = await captioner.caption_video(video_file, Options(attention=True))
        plain = await captioner.caption_video(video_file)
    assert all(one.picture is None for one in plain.scenes)
    shown = video.scenes[0].picture
    assert shown is not None
    assert shown.shape == (48, 64, 3)
    photo = np.asarray(example("bird").resize((64, 48)), np.float32)
    assert np.abs(shown - photo).mean() < 15


async def test_a_video_above_its_own_limit_is_refused_whatever_photos_may_have(
    tiny: Trained,
) -> None:
    video_file = encoded(black(1))
    for limit, photos in ((len(video_file) - 1, 2**20), (len(video_file), len(video_file) - 1)):
        serving = ServingConfig(Limits(photos), max_video_bytes=limit, decoders=1)
        async with Captioner(*on_cpu(tiny), serving) as captioner:
            if limit < len(video_file):
                with pytest.raises(BadImage, match="too large"):
                    await captioner.caption_video(video_file)
            else:
                assert (await captioner.caption_video(video_file)).scenes


async def test_a_video_is_told_in_the_language_that_is_asked_for() -> None:
    async with Captioner.load(serving=ServingConfig(decoders=1), device="cpu") as captioner:
        video_file = encoded(cut(made("bird", "boats")))
        video = await captioner.caption_video(video_file, Options(language="de"))
    assert video.language == "de"
    assert all(one.caption.text.startswith("Ein ") for one in video.scenes)


async def test_a_broken_video_fails_alone(tiny: Trained) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        broken, whole = await asyncio.gather(
            captioner.caption_video(b"\x1aE\xdf\xa3"),
            captioner.caption_video(encoded(black(1))),
            return_exceptions=True,
        )
    assert isinstance(broken, BadImage)
    assert broken.video
    assert isinstance(whole, VideoCaption)


async def test_too_many_videos_are_refused_at_once(tiny: Trained) -> None:
    serving = ServingConfig(decoders=1, max_videos=2)
    async with Captioner(*on_cpu(tiny), serving) as captioner:
        found = await asyncio.gather(
            *(captioner.caption_video(encoded(black(1))) for _ in range(3)),
            return_exceptions=True,
        )
        assert (await captioner.caption_video(encoded(black(1)))).scenes
    assert [isinstance(one, Busy) for one in found] == [False, False, True]


async def test_a_video_that_was_accepted_is_told_although_the_captioner_stops(
    tiny: Trained,
) -> None:
    async with Captioner(*on_cpu(tiny), ServingConfig(decoders=1)) as captioner:
        telling = asyncio.create_task(captioner.caption_video(encoded(black(2))))
        await asyncio.sleep(0)
    assert telling.done()
    assert (await telling).scenes
    with pytest.raises(Busy, match="stopping"):
        await captioner.caption_video(b"")


class Watched(Captioner):
    """A captioner that notes its batches, and holds the first one up."""

    def watch(self) -> None:
        self.batches: list[list[str]] = []
        self.began, self.go = threading.Event(), threading.Event()

    def _caption_batch(self, requests: list[Request]) -> list[Answer]:
        self.batches.append(["photo" if one.options else "frame" for one in requests])
        self.began.set()
        assert self.go.wait(10)
        return super()._caption_batch(requests)


async def test_a_photo_waits_for_no_more_than_a_few_frames_of_a_video(tiny: Trained) -> None:
    video_file = encoded(
        [Image.effect_noise((64, 64), 9 + index).convert("RGB") for index in range(48)], rate=2
    )
    captioner = Watched(*on_cpu(tiny), ServingConfig(decoders=1, max_batch=1))
    captioner.watch()
    async with captioner:
        telling = asyncio.create_task(captioner.caption_video(video_file))
        assert await asyncio.to_thread(captioner.began.wait, 10)
        photo = asyncio.create_task(captioner.caption(photo_bytes(1)))
        while captioner.waiting < 2:  # one frame, and then the photo
            await asyncio.sleep(0.01)
        captioner.go.set()
        await photo
        await telling
    order = [one for batch in captioner.batches for one in batch]
    assert order.count("frame") == 48
    assert order.index("photo") <= 3


async def test_a_full_queue_of_photos_takes_no_place_from_the_frames_of_an_accepted_video(
    tiny: Trained,
) -> None:
    captioner = Watched(*on_cpu(tiny), ServingConfig(decoders=1, max_batch=1, max_queue=1))
    captioner.watch()
    async with captioner:
        telling = asyncio.create_task(captioner.caption_video(encoded(black(2))))
        assert await asyncio.to_thread(captioner.began.wait, 10)
        with pytest.raises(Busy):
            await captioner.caption(photo_bytes(1))
        captioner.go.set()
        assert (await telling).scenes
