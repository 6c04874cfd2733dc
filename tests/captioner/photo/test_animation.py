"""Of an animation that begins blank, a later frame is read."""

import numpy as np
import pytest
from PIL import Image

from captioner.photo import animation
from captioner.photo.decode import decode
from captioner.photo.limits import Limits
from captioner.photo.preprocessing import Pixels
from tests.captioner.photo.test_decode import assert_halves, each_format
from tests.pictures import BLACK, LEFT, RIGHT, WHITE, halves, saved, truncated

ANIMATED = each_format("JPEG", "BMP", "TIFF", "JPEG2000", "HEIF")
BLANK = Image.new("RGB", (64, 32), BLACK)


def animated(format_: str, *frames: Image.Image) -> bytes:
    quality = {"lossless": True} if format_ == "WEBP" else {"quality": 95}
    return saved(frames[0], format_, save_all=True, append_images=frames[1:], **quality)


def fading_in(count: int) -> list[Image.Image]:
    return [Image.blend(BLANK, halves(), number / count) for number in range(count + 1)]


@pytest.mark.parametrize("format_", ANIMATED)
def test_the_first_frame_with_content_is_read(format_: str) -> None:
    data = animated(format_, BLANK, halves(), halves(RIGHT, LEFT))
    assert_halves(decode(data), LEFT, RIGHT, 8)
    assert_halves(decode(data, side=4), LEFT, RIGHT, 8)


@pytest.mark.parametrize("format_", ANIMATED)
def test_a_photo_that_fades_in_is_read_when_it_is_clear(format_: str) -> None:
    found = decode(animated(format_, *fading_in(24)))
    assert animation.spread(found) > 60  # of 170 in the last frame


@pytest.mark.parametrize("format_", ["PNG", "WEBP"])
def test_a_first_frame_that_is_transparent_is_blank(format_: str) -> None:
    frames = [Image.new("RGBA", (64, 32), (9, 9, 9, 0)), halves().convert("RGBA")]
    assert_halves(decode(animated(format_, *frames)), LEFT, RIGHT, 8)


def test_a_gif_that_begins_with_a_transparent_frame_shows_a_later_one() -> None:
    clear = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
    data = saved(clear, "GIF", save_all=True, append_images=[halves()], disposal=2)
    assert_halves(decode(data), LEFT, RIGHT, 8)


@pytest.mark.parametrize("format_", ANIMATED)
def test_an_animation_without_content_shows_its_first_frame(format_: str) -> None:
    rest = [Image.new("RGB", (64, 32), (number, 0, 0)) for number in range(60, 90)]
    assert_halves(decode(animated(format_, BLANK, *rest)), BLACK, BLACK, 8)


def test_a_frame_that_is_nearly_blank_counts_as_such() -> None:
    dusty = BLANK.copy()
    dusty.putpixel((9, 9), WHITE)
    assert_halves(decode(animated("GIF", dusty, halves())), LEFT, RIGHT, 8)


def test_a_damaged_later_frame_leaves_the_first() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8))
    data = truncated(animated("GIF", BLANK, noise))
    assert_halves(decode(data), BLACK, BLACK)


def test_only_some_frames_are_looked_at() -> None:
    looked: list[int] = []

    def pixels(frame: Image.Image) -> Pixels:
        looked.append(frame.tell())
        return np.zeros((32, 64, 3), np.uint8)

    class Endless(Image.Image):
        """An animation that never ends, nor shows anything."""

        place = 0

        def seek(self, frame: int) -> None:
            self.place = frame

        def tell(self) -> int:
            return self.place

        @property
        def size(self) -> tuple[int, int]:
            return 64, 32

    first = np.zeros((32, 64, 3), np.uint8)
    assert animation.clearest(first, Endless(), pixels, 10**9) is first
    assert looked == [1, 2, 4, 8, 16, 32, 64]
    looked.clear()
    animation.clearest(first, Endless(), pixels, 5 * 64 * 32)
    assert looked == [1, 2, 4]


def test_a_later_frame_beyond_the_limits_is_passed_over() -> None:
    data = animated("GIF", BLANK, halves())
    place = data.rindex(b"\x2c") + 5  # the width of the last frame, which grows over its screen
    data = data[:place] + (60_000).to_bytes(2, "little") * 2 + data[place + 4 :]
    assert decode(data, Limits(max_pixels=64 * 32 * 9)).shape == (32, 64, 3)
