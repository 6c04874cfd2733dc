"""The pictures that show where the model looked: sheets with an attention map for each word."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from captioner import Caption
from captioner.explain import draw_attention, draw_scenes
from captioner.photo.preprocessing import Pixels
from captioner.runtime.protocols import Floats
from captioner.video.result import Scene
from captioner.wording import clock


def maps_of(caption: Caption) -> list[Floats]:
    """Return the attention map of each word; none if the captioner sent none."""
    return [word.attention for word in caption.words if word.attention is not None]


def sheet_of_photo(photo: Pixels, caption: Caption) -> bytes:
    """Return a JPEG of a photo with the attention map of each word of its caption, which has them.

    Args:
        photo: `(height, width, 3)`.
        caption: of the photo.
    """
    words = [word.text for word in caption.words]
    return _jpeg(draw_attention(photo, words, np.stack(maps_of(caption))))


def sheet_of_scenes(scenes: Sequence[Scene]) -> bytes | None:
    """Return a JPEG of the frames of a story; None if the captioner sent no maps or no frames."""
    pictures, labels, attention = [], [], []
    for number, scene in enumerate(scenes, 1):
        maps = maps_of(scene.caption)
        if scene.picture is None or not maps:
            return None
        pictures.append(scene.picture)
        labels.append(f"{number} ({clock(scene.frame)})")
        attention.append(np.stack(maps))
    return _jpeg(draw_scenes(pictures, labels, attention))


def _jpeg(sheet: Image.Image) -> bytes:
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=88)
    return file.getvalue()
