"""Photos from a computer's camera, in a Chromium whose camera shows a test picture.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_webcam.py    # also a picture of each state
"""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Locator, Page, expect

from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import DOG, IN_CHROMIUM, Scheme, opened, shot, started

pytestmark = IN_CHROMIUM

# Keeps what the page got from the camera, to see whether it is stopped.
WATCH = """() => {
  const devices = navigator.mediaDevices;
  const get = devices.getUserMedia.bind(devices);
  window.streams = [];
  devices.getUserMedia = async (wanted) => {
    const stream = await get(wanted);
    window.streams.push(stream);
    return stream;
  };
}"""
STATES = "window.streams.flatMap((one) => one.getTracks()).map((track) => track.readyState)"
FAIL = """() => {
  navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("", "%s");
  };
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def with_camera() -> AsyncIterator[Browser]:
    async with started("--use-fake-device-for-media-stream") as chromium:
        yield chromium


@asynccontextmanager
async def camera(page: Page) -> AsyncIterator[Locator]:
    """Open the camera's dialog; in the end, check that the camera is off."""
    await page.context.grant_permissions(["camera"])
    await page.evaluate(WATCH)
    await page.get_by_role("button", name=SENTENCES["take"]).click()
    dialog = page.get_by_role("dialog", name=SENTENCES["take"])
    await expect(dialog.locator("video")).to_be_visible()
    await expect(button(dialog, "camera_take")).to_have_attribute("aria-disabled", "false")
    assert await page.evaluate(STATES) == ["live"]
    yield dialog
    await expect(dialog).to_be_hidden()
    async with asyncio.timeout(10):  # the page hears a moment later that its dialog was closed
        while await page.evaluate(STATES) != ["ended"]:
            await asyncio.sleep(0.02)


def button(dialog: Locator, name: str) -> Locator:
    return dialog.get_by_role("button", name=SENTENCES[name], exact=True)


async def test_a_photo_from_the_camera_is_captioned(with_camera: Browser) -> None:
    seen: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(photo)
        return DOG

    async with opened(with_camera, caption) as page:
        async with camera(page) as dialog:
            await expect(button(dialog, "camera_take")).to_be_focused()
            await shot(page, "camera")
            await page.keyboard.press("Enter")
            await expect(dialog.get_by_role("img", name=SENTENCES["new_photo"])).to_be_visible()
            await expect(dialog.locator("video")).to_be_hidden()
            await shot(page, "camera-taken")
            await button(dialog, "camera_again").click()
            await expect(dialog.locator("video")).to_be_visible()
            await expect(button(dialog, "camera_take")).to_be_focused()
            await button(dialog, "camera_take").click()
            await expect(button(dialog, "camera_use")).to_be_focused()
            await page.keyboard.press("Enter")
        entry = page.get_by_role("article", name=SENTENCES["new_photo"])
        await expect(entry.locator(".said")).to_have_text(DOG.text)
    with Image.open(io.BytesIO(seen[0])) as image:
        assert image.format == "JPEG"
        assert min(image.size) >= 480
        assert len(image.convert("L").getcolors() or ()) > 1  # not a black picture


@pytest.mark.parametrize("way", ["Cancel", "Escape", "another tab"])
async def test_the_camera_is_off_when_its_dialog_is_left(way: str, with_camera: Browser) -> None:
    async with opened(with_camera) as page, camera(page) as dialog:
        if way == "Cancel":
            await button(dialog, "cancel").click()
        elif way == "Escape":
            await page.keyboard.press("Escape")
        else:
            await page.evaluate(
                """() => {
                  Object.defineProperty(document, "hidden", { value: true });
                  document.dispatchEvent(new Event("visibilitychange"));
                }"""
            )
        await expect(page.get_by_role("article")).to_have_count(0)


async def test_a_camera_that_starts_too_late_is_stopped(with_camera: Browser) -> None:
    async with opened(with_camera) as page:
        await page.context.grant_permissions(["camera"])
        await page.evaluate(WATCH)
        await page.evaluate(
            """() => {
              document.getElementById("take").click();
              document.getElementById("webcam-cancel").click();
            }"""
        )
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.evaluate(
            """async () => {
              while (!window.streams.length) await new Promise((go) => setTimeout(go, 20));
            }"""
        )
        assert await page.evaluate(STATES) == ["ended"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotAllowedError", "camera_forbidden"),
        ("NotFoundError", "no_camera"),
        ("NotReadableError", "camera_busy"),
    ],
)
async def test_a_camera_that_does_not_start_is_explained(
    error: str, sentence: str, with_camera: Browser
) -> None:
    async with opened(with_camera) as page:
        await page.evaluate(FAIL % error)
        await page.get_by_role("button", name=SENTENCES["take"]).click()
        dialog = page.get_by_role("dialog", name=SENTENCES["take"])
        await expect(dialog.get_by_role("alert")).to_have_text(SENTENCES[sentence])
        await expect(button(dialog, "camera_take")).to_be_hidden()
        await expect(dialog.locator("video")).to_be_hidden()
        await shot(page, f"camera-{error}")
        await button(dialog, "camera_again").click()
        await expect(dialog.get_by_role("alert")).to_have_text(SENTENCES[sentence])
        await button(dialog, "cancel").click()
        await expect(dialog).to_be_hidden()


async def test_the_person_may_forbid_the_camera(with_camera: Browser) -> None:
    async with opened(with_camera) as page:
        await page.context.clear_permissions()
        await page.context.grant_permissions(["clipboard-read"])  # and nothing else
        await page.get_by_role("button", name=SENTENCES["take"]).click()
        await expect(page.get_by_role("alert")).to_have_text(SENTENCES["camera_forbidden"])


async def test_a_phone_opens_its_own_camera(with_camera: Browser) -> None:
    async with opened(with_camera, phone=True, viewport=(360, 740)) as page:
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name=SENTENCES["take"]).click()
        assert await (await chooser.value).element.get_attribute("capture") == "environment"
        await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_without_a_camera_there_is_no_button(browser: Browser) -> None:
    async with opened(browser) as page:
        await expect(page.get_by_role("button", name=SENTENCES["choose"])).to_be_visible()
        await expect(page.get_by_role("button", name=SENTENCES["take"])).to_be_hidden()


@pytest.mark.parametrize(
    ("width", "height", "scheme", "query"),
    [(320, 640, "light", ""), (640, 360, "dark", ""), (1280, 720, "dark", "/?language=ar")],
)
async def test_the_cameras_dialog_fits_small_windows(
    width: int, height: int, scheme: Scheme, query: str, translated: None, with_camera: Browser
) -> None:
    size = (width, height)
    async with opened(with_camera, viewport=size, scheme=scheme, query=query) as page:
        await page.context.grant_permissions(["camera"])
        await page.locator("#take").click()
        await expect(page.locator("#webcam-take")).to_have_attribute("aria-disabled", "false")
        await shot(page, f"camera-{scheme}-{width}")
        await page.locator("#webcam-take").click()
        await expect(page.locator("#webcam-use")).to_be_in_viewport(ratio=1)
        await shot(page, f"camera-taken-{scheme}-{width}")
