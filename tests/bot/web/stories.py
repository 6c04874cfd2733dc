"""Videos and animations for the tests of the web chat, and the story that is told of them."""

import io
from dataclasses import replace
from functools import cache
from typing import Any

from PIL import Image

from captioner import Options, VideoCaption
from captioner.video.result import Scene
from tests.bot.web.server import SURE
from tests.captioner.video.making import encoded
from tests.pictures import LEFT, RIGHT

CAT = replace(SURE, text="A cat sits.", confidence=0.2)
STORY = VideoCaption(
    (
        Scene(0.0, 2.0, 0.5, SURE),
        Scene(2.0, 3.25, 2.5, CAT),
        Scene(3.25, 4.0, 0.5, SURE, repeats=0),
    ),
    4.0,
    4.25,
)


@cache
def video_file(format_: str = "webm", codec: str = "libvpx") -> bytes:
    """Return a second of red and a second of blue."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in 12 * [LEFT] + 12 * [RIGHT]]
    return encoded(frames, format_, codec)


def animation(*colours: Any, format_: str = "GIF") -> bytes:
    first, *others = [Image.new("RGB", (64, 48), colour) for colour in colours]
    file = io.BytesIO()
    first.save(file, format_, save_all=True, append_images=others, duration=1000)
    return file.getvalue()


async def tells(video: bytes, options: Options) -> VideoCaption:
    return STORY
