"""What the tests of the web chat's page share: Chromium, the page in it, and its photos."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.async_api import Browser, FilePayload, Page, async_playwright
from pydantic import SecretStr

from bot.access import Access
from bot.answers import CaptionPhoto, CaptionVideo
from bot.store.feedback_rows import FeedbackRows
from captioner import Caption, Options
from captioner.photo.decode import decode
from captioner.result import NamedObject, Word
from captioner.runtime.protocols import Floats
from tests.bot.stories import tell
from tests.bot.web.server import OPEN, serving, web_chat
from tests.conftest import photo_bytes

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SCREENSHOTS = os.environ.get("SCREENSHOTS")
EXAMPLES = Path(__file__).parents[3] / "examples"
Scheme = Literal["light", "dark"]

IN_CHROMIUM = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


def look_at(row: int, column: int) -> Floats:
    """Return an attention map that is brightest in one of 7 x 7 regions."""
    rows, columns = np.mgrid[:7, :7].astype(np.float32)
    weights = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)
    return weights / weights.sum()


def sentence(text: str, confidence: float, *alternatives: Caption) -> Caption:
    words = text.lower().rstrip(".").replace("'s", " 's").split()
    looks = [look_at(number % 7, 6 - number % 7) for number in range(len(words))]
    said = [Word(*both) for both in zip(words, [-0.2, -0.7, -1.2] * 9, looks, strict=False)]
    return Caption(text, -5.0, confidence, tuple(said), alternatives)


DOG = sentence(
    "A dog's ball rolls over the grass.",
    0.57,
    sentence("A dog plays with a ball.", 0.42),
    sentence("A brown dog runs on grass.", 0.34),
    sentence("Two dogs play.", 0.1),
)
CAT = NamedObject("a tabby cat", 0.83, ("a cat", "an animal"))

TAKES = ("", "A dog plays, take one.", "Its owner waits beside two benches.")  # by turn


async def captions_dog(photo: bytes, options: Options) -> Caption:
    decode(photo)
    if options.sample:
        return sentence(TAKES[options.seed], 0.4)
    return DOG


def always(caption: Caption) -> CaptionPhoto:
    """Return a captioner that gives every photo the same caption."""

    async def caption_photo(photo: bytes, options: Options) -> Caption:
        return caption

    return caption_photo


@asynccontextmanager
async def started(*args: str) -> AsyncIterator[Browser]:
    """Start Chromium, with more arguments if need be, and one tab, which most tests use in turn."""
    root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*root, *args])
        await new_tab(browser)
        yield browser
        await browser.close()


# A worker would answer requests of the next test, and those that tests answer themselves.
NO_WORKER = "Object.defineProperty(navigator, 'serviceWorker', { value: undefined })"


async def new_tab(browser: Browser, **options: Any) -> Page:
    context = await browser.new_context(**options)
    await context.add_init_script(NO_WORKER)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    return await context.new_page()


@asynccontextmanager
async def shared_tab(browser: Browser) -> AsyncIterator[Page]:
    """Give the first tab, and empty it again: a new one takes longer than most tests."""
    page = browser.contexts[0].pages[0]
    await page.mouse.move(0, 0)
    try:
        yield page
    finally:
        origin = await page.evaluate(
            "() => { try { sessionStorage.clear(); } catch { } return origin; }"
        )
        await page.unroute_all(behavior="ignoreErrors")
        await page.goto("about:blank")
        chromium = await page.context.new_cdp_session(page)
        everything = {"origin": origin, "storageTypes": "all"}
        await chromium.send("Storage.clearDataForOrigin", everything)
        await chromium.detach()


@asynccontextmanager
async def phone_tab(browser: Browser) -> AsyncIterator[Page]:
    """Give a tab of a phone."""
    page = await new_tab(browser, is_mobile=True, has_touch=True)
    try:
        yield page
    finally:
        await page.context.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    caption: CaptionPhoto = captions_dog,
    *,
    allowed: str = "",
    access: Access = OPEN,
    token: str | None = None,
    viewport: tuple[int, int] = (1280, 720),
    scheme: Scheme = "light",
    motion: Literal["reduce", "no-preference"] = "reduce",
    phone: bool = False,
    query: str = "",
    captions_in: Collection[str] = (),
    feedback: FeedbackRows | None = None,
    caption_video: CaptionVideo = tell,
    **settings: Any,
) -> AsyncIterator[Page]:
    """Open the page; check that it loads only from its server, and logs nothing but `allowed`."""
    secret = SecretStr(token) if token else None
    settings = {"max_photo_mb": 2, "max_video_mb": 2, "web_token": secret, **settings}
    chat = web_chat(
        caption,
        access=access,
        captions_in=captions_in,
        feedback=feedback,
        caption_video=caption_video,
        **settings,
    )
    async with serving(chat) as url:
        with ExitStack() as stack:
            async with phone_tab(browser) if phone else shared_tab(browser) as page:
                complaints, strangers = stack.enter_context(listening(page))
                await page.set_viewport_size({"width": viewport[0], "height": viewport[1]})
                await page.emulate_media(color_scheme=scheme, reduced_motion=motion)
                await page.goto(f"{url}{query}")
                yield page
        assert [line for line in complaints if not (allowed and allowed in line)] == []
        home = (f"{url}/", f"blob:{url}/", "data:")
        assert [address for address in strangers if not address.startswith(home)] == []


@contextmanager
def listening(page: Page) -> Iterator[tuple[list[str], list[str]]]:
    """Give what the page logs, and the addresses that it asks for."""
    complaints: list[str] = []
    strangers: list[str] = []
    listeners: dict[str, Callable[[Any], None]] = {
        "console": lambda message: complaints.append(message.text),
        "pageerror": lambda error: complaints.append(str(error)),
        "request": lambda request: strangers.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    try:
        yield complaints, strangers
    finally:
        for event, listener in listeners.items():
            page.remove_listener(event, listener)


def photo(seed: int, name: str = "") -> FilePayload:
    return {
        "name": name or f"photo {seed}.jpg",
        "mimeType": "image/jpeg",
        "buffer": photo_bytes(seed),
    }


async def choose(page: Page, *photos: FilePayload | Path) -> None:
    async with page.expect_file_chooser() as chooser:
        await page.locator("#choose").click()
    await (await chooser.value).set_files(list(photos))  # type: ignore[arg-type]


async def reload(page: Page) -> None:
    """Reload the page once its store holds all that it shows.

    The page shows an answer while it is still being stored. A store carries out one change after
    the other, so whatever the page began before is done when this change is.
    """
    await page.evaluate(
        """() => new Promise((resolve, reject) => {
          const opening = indexedDB.open("photo-captioner");
          opening.onerror = () => reject(opening.error);
          opening.onsuccess = () => {
            const change = opening.result.transaction("thread", "readwrite");
            change.oncomplete = resolve;
            change.onabort = () => reject(change.error);
          };
        })"""
    )
    await page.reload()


async def listen(page: Page) -> None:
    """Write down all that the live region says from now on."""
    await page.evaluate(
        """() => {
            window.heard = [];
            const region = document.getElementById("status");
            new MutationObserver(() => {
                if (region.textContent) heard.push([performance.now() / 1000, region.textContent]);
            }).observe(region, { childList: true, subtree: true, characterData: true });
        }"""
    )


async def heard(page: Page) -> list[tuple[float, str]]:
    """Return what the live region has said, and when, in seconds."""
    return [(seconds, text) for seconds, text in await page.evaluate("heard")]


async def shot(page: Page, name: str) -> None:
    """Check that the page is no wider than its window, and take a picture if asked for."""
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
