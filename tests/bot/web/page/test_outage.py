"""The page while its server cannot be reached: photos wait, and go on by themselves.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_outage.py
"""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from playwright.async_api import Browser, Page, Route, expect

from bot.web.adapter import WebChat
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    captions_dog,
    choose,
    heard,
    listen,
    new_tab,
    opened,
    photo,
    reload,
    shared_tab,
    shot,
)
from tests.bot.web.server import serving, until, web_chat

pytestmark = IN_CHROMIUM

ROOT = Path(__file__).parents[4]
PHOTOS = 15
SOON = 30_000  # milliseconds, on a busy machine; the longest pause between two polls is 15 s


@pytest.fixture
def port() -> int:
    """Return a port that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        number: int = one.getsockname()[1]
        return number


class Server:
    """The web chat in a process that can be killed and started again."""

    def __init__(self, port: int) -> None:
        """Take the port."""
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, photos: int) -> None:
        """Start it, and return when it can be reached; it will answer this many photos."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bot.web.killed_server",
            str(self.port),
            str(photos),
            cwd=ROOT,
        )
        async with ClientSession() as session, asyncio.timeout(30):
            while not await self._answers(session):
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Kill it; the system closes its sockets."""
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def _answers(self, session: ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz"):
                return True
        except ClientError:
            return False


@asynccontextmanager
async def served(port: int, photos: int) -> AsyncIterator[Server]:
    server = Server(port)
    await server.start(photos)
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def frozen(browser: Browser) -> AsyncIterator[Page]:
    """Open the page in a tab of its own, in which time passes only when a test says so."""
    page = await new_tab(browser)
    async with serving(web_chat(captions_dog, max_photo_mb=2)) as url:
        await page.clock.install(time=0)
        await page.goto(url)
        await page.clock.pause_at(60_000)
        try:
            yield page
        finally:
            await page.context.close()


async def cut(route: Route) -> None:
    await route.abort()


async def captioned(page: Page, number: int) -> None:
    await expect(page.locator(".said", has_text=DOG.text)).to_have_count(number, timeout=SOON)


async def test_photos_go_on_by_themselves_when_a_killed_server_is_back(
    port: int, browser: Browser
) -> None:
    async with served(port, photos=3) as server, shared_tab(browser) as page:
        await page.goto(server.url)
        await listen(page)
        await choose(page, *[photo(seed) for seed in range(PHOTOS)])
        await captioned(page, 3)
        await server.kill()
        away = page.locator("#away")
        await expect(away).to_be_visible()
        await expect(away).to_have_text(SENTENCES["unreachable"])
        await expect(page.get_by_role("status")).to_have_text(SENTENCES["unreachable"])
        await expect(page.locator(".entry.bad")).to_have_count(0)
        for width in (320, 1280):
            await page.set_viewport_size({"width": width, "height": 720})
            await shot(page, f"away-{width}")
        await server.start(PHOTOS)
        await captioned(page, PHOTOS)
        await expect(away).to_be_hidden()
        await expect(page.get_by_role("button", name="Retry", exact=True)).to_have_count(0)
        await expect(page.get_by_role("status")).to_have_text("15 of 15 done")
        said = [text for _, text in await heard(page)]
        assert said.index(SENTENCES["unreachable"]) < said.index(SENTENCES["reachable"])


async def test_photos_that_waited_are_asked_again_after_a_reload(
    port: int, browser: Browser
) -> None:
    async with served(port, photos=0) as server, shared_tab(browser) as page:
        await page.goto(server.url)
        await choose(page, *[photo(seed) for seed in range(4)])
        await expect(page.get_by_text("Looking…")).to_have_count(2)
        await server.kill()
        await expect(page.locator("#away")).to_be_visible()
        await server.start(4)
        await reload(page)
        await captioned(page, 4)


async def test_photos_go_on_when_the_browser_is_online_again(browser: Browser) -> None:
    seen: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(photo)
        await asyncio.sleep(0.3)
        return DOG

    photos = [photo(seed) for seed in range(PHOTOS)]
    async with opened(browser, caption, allowed="Failed to load resource") as page:
        await choose(page, *photos)
        await expect(page.locator(".said", has_text=DOG.text).nth(1)).to_be_visible()
        await page.context.set_offline(True)
        try:
            await expect(page.locator("#away")).to_be_visible()
        finally:
            await page.context.set_offline(False)
        await captioned(page, PHOTOS)
    numbers = [[one["buffer"] for one in photos].index(sent) for sent in seen]
    assert all(after >= before - 1 for before, after in pairwise(numbers))  # two at once


async def test_one_poll_serves_the_whole_page_and_ends_with_the_outage(browser: Browser) -> None:
    polls: list[str] = []
    sent: list[str] = []

    async def refuse(route: Route) -> None:
        polls.append(route.request.url)
        if len(polls) < 3:
            await route.fulfill(status=503, json={"status": "stopping"})
        else:
            await page.unroute("**/api/caption*")
            await route.continue_()

    async def count(route: Route) -> None:
        sent.append(route.request.url)
        await route.abort()

    async with frozen(browser) as page:
        await page.route("**/readyz", refuse)
        await page.route("**/api/caption*", count)
        await choose(page, *[photo(seed) for seed in range(4)])
        await expect(page.locator("#away")).to_be_visible()
        for seconds, number in ((1, 1), (1, 1), (1, 2), (3, 2), (1, 3)):
            await page.clock.run_for(1000 * seconds)
            await until(lambda expected=number: len(polls) >= expected)  # type: ignore[misc]
            await page.wait_for_timeout(100)
            assert len(polls) == number
        await captioned(page, 4)
        assert len(sent) == 2  # those that were in work
        await page.clock.run_for(60_000)
        assert len(polls) == 3


async def test_no_poll_is_sent_while_the_tab_is_hidden(browser: Browser) -> None:
    polls: list[str] = []

    async def refuse(route: Route) -> None:
        polls.append(route.request.url)
        await route.fulfill(status=503, json={"status": "stopping"})

    hide = """(state) => {
        const value = { get: () => state, configurable: true };
        Object.defineProperty(document, "visibilityState", value);
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    async with frozen(browser) as page:
        await page.route("**/readyz", refuse)
        await page.route("**/api/caption*", cut)
        await page.evaluate(hide, "hidden")
        await choose(page, photo(1))
        await expect(page.locator("#away")).to_be_visible()
        await page.clock.run_for(60_000)
        assert polls == []
        await page.unroute("**/readyz")
        await page.unroute("**/api/caption*")
        await page.evaluate(hide, "visible")
        await captioned(page, 1)


async def test_no_poll_is_sent_without_a_network(browser: Browser) -> None:
    # Under the name of another machine: one's own can be reached without a network.
    elsewhere = "http://photos.test/"
    polls: list[str] = []
    page = await new_tab(browser)
    async with serving(web_chat(captions_dog, max_photo_mb=2)) as url:

        async def forward(route: Route) -> None:
            if "readyz" in route.request.url:
                polls.append(route.request.url)
            headers = {k: v for k, v in route.request.headers.items() if k != "origin"}
            address = route.request.url.replace(elsewhere, f"{url}/")
            await route.fulfill(response=await route.fetch(url=address, headers=headers))

        await page.route(f"{elsewhere}**", forward)
        await page.clock.install(time=0)
        await page.goto(elsewhere)
        await page.clock.pause_at(60_000)
        await page.route("**/api/caption*", cut)
        await page.context.set_offline(True)
        await choose(page, photo(1))
        await expect(page.locator("#away")).to_be_visible()
        await page.clock.run_for(60_000)
        assert polls == []
        await page.unroute("**/api/caption*")
        await page.context.set_offline(False)
        await captioned(page, 1)
        assert len(polls) == 1
        await page.context.close()


async def test_retry_polls_at_once(browser: Browser) -> None:
    async with frozen(browser) as page:
        await page.route("**/api/caption*", cut)
        await choose(page, photo(1), photo(2))
        await expect(page.locator("#away")).to_be_visible()
        await page.unroute("**/api/caption*")
        retry = page.get_by_role("button", name="Retry", exact=True).first
        await retry.focus()
        await page.keyboard.press("Enter")
        await captioned(page, 2)
        await expect(page.get_by_role("article").first).to_be_focused()


async def test_a_photo_that_never_arrives_does_not_hold_up_the_others(browser: Browser) -> None:
    requests: list[str] = []

    async def cut_the_first(route: Route) -> None:
        requests.append(route.request.url)
        if route.request.post_data_buffer == photo(0)["buffer"]:
            await route.abort()
        else:
            await route.continue_()

    async with opened(browser, allowed="ERR_FAILED") as page:
        await page.route("**/api/caption*", cut_the_first)
        await choose(page, photo(0), photo(1), photo(2))
        await captioned(page, 2)
        first = page.locator(".said").first
        await expect(first).to_have_text(SENTENCES["not_arrived"], timeout=SOON)
        await expect(page.get_by_role("button", name="Retry", exact=True)).to_have_count(1)
        assert len(requests) == 2 + 4


async def test_a_server_that_stops_and_one_that_loads_are_waited_for(
    port: int, browser: Browser
) -> None:
    go = asyncio.Event()
    loads = True
    seen: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(photo)
        await go.wait()
        return await captions_dog(photo, options)

    def chat() -> WebChat:
        return web_chat(
            caption,
            max_photo_mb=2,
            web_port=port,
            unready=lambda: "captioner unreachable" if loads else None,
        )

    async with shared_tab(browser) as page:
        async with serving(chat()) as url:
            await page.goto(url)
            await choose(page, *[photo(seed) for seed in range(4)])
            await until(lambda: len(seen) == 2)
            asyncio.get_running_loop().call_later(0.3, go.set)
        # Those in hand were answered; the others were refused, or could not connect.
        await captioned(page, 2)
        async with serving(chat()):
            await expect(page.locator("#away")).to_be_visible(timeout=SOON)
            await page.wait_for_timeout(1500)
            await captioned(page, 2)
            loads = False
            await captioned(page, 4)
