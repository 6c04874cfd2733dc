"""How photos come into the page in Chromium: folders, addresses, and files that are no photos.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_intake.py    # also a picture of each state
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.web.sentences import SENTENCES
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    Scheme,
    choose,
    opened,
    photo,
    shot,
)
from tests.bot.web.stories import STORY, tells, video_file
from tests.conftest import photo_bytes

pytestmark = IN_CHROMIUM

LETTER: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}
SECRET: FilePayload = {"name": "b", "mimeType": "application/octet-stream", "buffer": b"b"}
ADDRESS = "https://example.org/cat.jpg"


async def drop(page: Page, data: Mapping[str, Any]) -> None:
    """Drop something as the mouse does."""
    mouse = await page.context.new_cdp_session(page)
    drag = {"x": 300, "y": 200, "data": {"items": [], "dragOperationsMask": 17, **data}}
    for kind in ("dragEnter", "dragOver", "drop"):
        await mouse.send("Input.dispatchDragEvent", {"type": kind, **drag})
    await mouse.detach()


async def names(page: Page) -> list[str]:
    headings = await page.get_by_role("article").locator("h2").all_text_contents()
    return [heading.partition(": ")[2] for heading in headings]


async def expect_told(page: Page, sentence: str) -> None:
    """Expect a sentence above the buttons, and that it is read aloud."""
    await expect(page.locator("#intake-note")).to_have_text(sentence, timeout=20_000)
    await expect(page.locator("#status")).to_have_text(sentence)


def tree(folder: Path) -> Path:
    """Make a folder with photos, a video and other files, in folders inside it too."""
    found = folder / "holidays"
    for seed, name in enumerate(
        ("10.jpg", "9.JPG", "day 2/b.png", "day 2/a.webp", ".thumbs/x.jpg")
    ):
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).write_bytes(photo_bytes(seed))
    (found / "day 2/c.webm").write_bytes(video_file())
    for name in ("notes.txt", "day 2/main.ts", ".DS_Store", "._9.jpg"):
        (found / name).write_bytes(b"?")
    return found


IN_ORDER = ["9.JPG", "10.jpg", "a.webp", "b.png", "c.webm"]


async def test_a_dropped_address_is_explained_and_the_page_stays(browser: Browser) -> None:
    async with opened(browser) as page:
        home = page.url
        await drop(page, {"items": [{"mimeType": "text/uri-list", "data": ADDRESS}]})
        await expect_told(page, SENTENCES["not_an_address"])
        await expect(page.get_by_text(SENTENCES["drop"])).to_be_hidden()
        await shot(page, "address")
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await expect(page.locator("#intake-note")).to_be_hidden()
        assert page.url == home


async def test_pasted_text_is_explained_but_not_in_a_field(browser: Browser) -> None:
    async with opened(browser, token="open sesame", allowed="401") as page:
        await page.evaluate(f"navigator.clipboard.writeText('{ADDRESS}')")
        await page.keyboard.press("Control+V")
        await expect_told(page, SENTENCES["not_an_address"])
        await choose(page, photo(1))
        await page.evaluate("navigator.clipboard.writeText('open sesame')")
        await expect(page.get_by_label("Token", exact=True)).to_be_focused()
        await page.keyboard.press("Control+V")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await expect(page.locator("#intake-note")).to_be_hidden()


async def test_a_photo_of_the_page_that_is_dragged_over_it_is_not_sent_again(
    browser: Browser,
) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        home = page.url
        await page.get_by_role("article").locator("img").drag_to(page.locator(".name h1"))
        await expect(page.get_by_text(SENTENCES["drop"])).to_be_hidden()
        await choose(page, photo(2))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        assert page.url == home


async def test_what_a_dropped_folder_holds_is_captioned_in_order(
    browser: Browser, tmp_path: Path
) -> None:
    async with opened(browser, caption_video=tells) as page:
        await drop(page, {"files": [str(tree(tmp_path))]})
        await expect(page.locator(".said")).to_have_text(4 * [DOG.text] + [STORY.text])
        assert await names(page) == IN_ORDER
        await expect_told(page, SENTENCES["not_photos"].format(number=2))


async def test_what_a_chosen_folder_holds_is_captioned_in_order(
    browser: Browser, tmp_path: Path
) -> None:
    async with opened(browser, caption_video=tells) as page:
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name=SENTENCES["choose_folder"]).click()
        await (await chooser.value).set_files(tree(tmp_path))
        await expect(page.locator(".said")).to_have_text(4 * [DOG.text] + [STORY.text])
        assert await names(page) == IN_ORDER
        await expect_told(page, SENTENCES["not_photos"].format(number=2))


async def test_a_folder_without_photos_is_reported(browser: Browser, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    async with opened(browser) as page:
        await drop(page, {"files": [str(empty)]})
        await expect_told(page, SENTENCES["no_photos"])


async def test_of_a_large_folder_the_first_photos_are_taken(
    browser: Browser, tmp_path: Path
) -> None:
    for number in range(205):
        (tmp_path / f"{number}.jpg").write_bytes(photo_bytes(1))
    async with opened(browser) as page:
        await drop(page, {"files": [str(tmp_path)]})
        await expect_told(page, SENTENCES["first_of_folder"].format(number=200))
        assert await names(page) == [f"{number}.jpg" for number in range(200)]


async def test_of_several_files_only_those_that_may_be_photos_are_sent(browser: Browser) -> None:
    async with opened(browser, allowed="415") as page:
        await choose(page, LETTER, photo(1), SECRET)
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(1)
        await expect(page.locator(".said", has_text="cannot read this file")).to_have_count(1)
        assert await names(page) == ["photo 1.jpg", "b"]
        await expect_told(page, SENTENCES["not_photos"].format(number=1))


@pytest.mark.parametrize(
    ("width", "height", "scheme", "phone"),
    [(320, 640, "dark", True), (360, 740, "light", True), (640, 480, "dark", False)],
)
async def test_the_notes_fit_small_windows(
    width: int, height: int, scheme: Scheme, phone: bool, browser: Browser
) -> None:
    async with opened(browser, viewport=(width, height), scheme=scheme, phone=phone) as page:
        button = page.get_by_role("button", name=SENTENCES["choose_folder"])
        await expect(button).to_be_visible(visible=not phone)
        await choose(page, LETTER, photo(1), {**LETTER, "name": "b.txt"})
        await expect_told(page, SENTENCES["not_photos"].format(number=2))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await shot(page, f"intake-{scheme}-{width}")
