"""Photos above the server's limits, which the page makes smaller in Chromium, and all others."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, expect

from bot.replies import replies
from captioner import Caption, Options, VideoCaption
from captioner.video.result import Scene
from tests.bot.web.browser import DOG, IN_CHROMIUM, captions_dog, choose, opened, photo, reload
from tests.conftest import photo_bytes

pytestmark = IN_CHROMIUM


def noise(width: int, height: int, kind: str, **options: Any) -> bytes:
    """Return a picture that cannot be compressed: red in its upper left quarter."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def upright() -> Image.Exif:
    """Return the EXIF data of a photo whose rows run upwards on its right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


async def sent_for(
    browser: Browser, name: str, body: bytes, *, is_smaller: bool, **settings: Any
) -> bytes:
    """Send a photo; return what reached the captioner, which the page must show and keep."""
    seen: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(photo)
        return await captions_dog(photo, options)

    async with opened(browser, caption, **settings) as page:
        payload: FilePayload = {"name": name, "mimeType": "", "buffer": body}
        await choose(page, payload)
        await expect(page.locator(".said")).to_have_text(DOG.text, timeout=20_000)
        if is_smaller:
            await expect(page.locator("#intake-note")).to_contain_text("made larger ones smaller")
        else:
            await expect(page.locator("#intake-note")).to_be_hidden()
        await reload(page)
        shown = page.get_by_role("article").locator("img")
        await shown.evaluate("image => image.decode()")
        size = await shown.evaluate("image => [image.naturalWidth, image.naturalHeight]")
        with Image.open(io.BytesIO(seen[0])) as image:
            turned = image.getexif().get(0x0112) == 6
            assert tuple(size) == (image.size[::-1] if turned else image.size)
    return seen[0]


def checked(photo: bytes, ratio: float) -> Image.Image:
    """Return a picture that the page made smaller, after checking its shape and its format."""
    image = Image.open(io.BytesIO(photo))
    assert image.format == "JPEG"
    assert abs(image.width / image.height - ratio) < 0.01
    return image.convert("RGB")


async def test_a_photo_with_too_many_bytes_is_made_smaller(browser: Browser) -> None:
    body = noise(1600, 1200, "PNG")
    assert len(body) > 2 * 2**20
    sent = await sent_for(browser, "noise.png", body, is_smaller=True)

    assert 2**20 < len(sent) <= 2 * 2**20
    assert checked(sent, 4 / 3).getpixel((9, 9))[0] > 200  # type: ignore[index]


async def test_a_photo_that_is_made_smaller_stays_upright(browser: Browser) -> None:
    body = noise(1800, 1200, "JPEG", quality=98, exif=upright())
    assert len(body) > 2 * 2**20
    sent = await sent_for(browser, "noise.jpg", body, is_smaller=True)

    image = checked(sent, 2 / 3)
    red, green, _ = image.getpixel((image.width - 9, 9))  # type: ignore[misc]
    assert red > 200
    assert green < 60


async def test_a_photo_with_too_many_pixels_is_made_smaller(browser: Browser) -> None:
    body = noise(60, 40, "PNG")
    large = io.BytesIO()
    Image.open(io.BytesIO(body)).resize((1500, 1000), Image.Resampling.NEAREST).save(large, "PNG")
    limits = {"max_megapixels": 1}
    sent = await sent_for(browser, "wide.png", large.getvalue(), is_smaller=True, **limits)

    image = checked(sent, 3 / 2)
    assert 900_000 < image.width * image.height <= 1_000_000


async def test_a_large_photo_is_sent_as_it_is_if_the_browser_cannot_make_it_smaller(
    browser: Browser,
) -> None:
    async with opened(browser, allowed="413") as page:
        await page.evaluate(
            "() => { HTMLCanvasElement.prototype.toBlob = (give) => { give(null); }; }"
        )
        large: FilePayload = {**photo(1), "buffer": noise(1600, 1200, "PNG")}
        await choose(page, large, photo(2))
        await expect(page.locator(".said").first).to_have_text(replies.too_large(2), timeout=20_000)
        await expect(page.locator(".said").last).to_have_text(DOG.text)
        await expect(page.locator("#intake-note")).to_be_hidden()


@pytest.mark.parametrize("progressive", [False, True])
async def test_a_jpeg_with_many_pixels_is_made_smaller_only_if_the_server_cannot_scale_it(
    progressive: bool, browser: Browser
) -> None:
    body = photo_bytes(1)
    large = io.BytesIO()
    image = Image.open(io.BytesIO(body)).resize((1500, 1000))
    image.save(large, "JPEG", progressive=progressive)
    limits = {"max_megapixels": 1}
    sent = await sent_for(browser, "a.jpg", large.getvalue(), is_smaller=progressive, **limits)

    assert (sent == large.getvalue()) is not progressive


async def test_photos_within_the_limits_are_sent_byte_for_byte(browser: Browser) -> None:
    frames = [Image.fromarray(np.full((40, 60, 3), value, np.uint8)) for value in (90, 160)]
    animation = io.BytesIO()
    frames[0].save(animation, "GIF", save_all=True, append_images=frames[1:])
    for name, body in (
        ("a.gif", animation.getvalue()),
        ("a.jpg", noise(300, 200, "JPEG", exif=upright())),
        ("a.tif", noise(300, 200, "TIFF")),
    ):
        seen: list[bytes] = []

        async def caption(photo: bytes, options: Options, seen: list[bytes] = seen) -> Caption:
            seen.append(photo)
            return DOG

        async def caption_video(
            video: bytes, options: Options, seen: list[bytes] = seen
        ) -> VideoCaption:
            seen.append(video)
            return VideoCaption((Scene(0, 0, 0, DOG),), 0, 0)

        async with opened(browser, caption, caption_video=caption_video) as page:
            await choose(page, {"name": name, "mimeType": "", "buffer": body})
            await expect(page.locator(".said")).to_have_text(DOG.text)
            await expect(page.locator("#intake-note")).to_be_hidden()
        assert seen == [body]
