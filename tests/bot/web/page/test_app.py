"""The page as an app in Chromium: without a connection, after an update, and shared with.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_app.py    # also a picture of each state
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, Route, expect
from pydantic import SecretStr

from bot.web.refusals import refusals
from bot.web.sentences import SENTENCES
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    captions_dog,
    choose,
    listening,
    opened,
    photo,
    shot,
    started,
)
from tests.bot.web.catalogues import MARKS
from tests.bot.web.server import serving, web_chat

pytestmark = IN_CHROMIUM

KEPT = """async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const requests = await (await caches.open(name)).keys();
    kept[name] = requests.map((request) => new URL(request.url).pathname);
  }
  return kept;
}"""
LOST = "ERR_CONNECTION_REFUSED"
CONTROLLED = """async () => {
  const { serviceWorker } = navigator;
  while (!serviceWorker.controller) {
    await new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve));
  }
}"""
GONE = """async (cache) => {
  while (await caches.has(cache)) await new Promise((resolve) => setTimeout(resolve, 20));
}"""
# What a system sends to an app: the page's own policy allows no form.
SHARES = """<!doctype html><meta charset="utf-8">
<form action="/share" method="post" enctype="multipart/form-data">
<input type="file" name="photos" multiple><button>Share</button></form>"""


@asynccontextmanager
async def installed(browser: Browser, url: str, *allowed: str) -> AsyncIterator[Page]:
    """Open the page with its service worker, which answers its requests from now on."""
    context = await browser.new_context(
        reduced_motion="reduce", viewport={"width": 800, "height": 600}
    )
    page = await context.new_page()
    try:
        with listening(page) as (complaints, _):
            await page.goto(url)
            await page.evaluate(CONTROLLED)
            yield page
        assert [line for line in complaints if not any(one in line for one in allowed)] == []
    finally:
        await context.close()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def share(page: Page, url: str, *names: str) -> None:
    async def form(route: Route) -> None:
        await route.fulfill(body=SHARES, content_type="text/html")

    await page.route("**/elsewhere", form)
    await page.goto(f"{url}/elsewhere")
    await page.locator("input").set_input_files(
        [photo(seed, name) for seed, name in enumerate(names)]
    )
    await page.get_by_role("button", name="Share").click()
    await page.wait_for_url(f"{url}/**")


async def test_the_page_opens_without_its_server_and_says_so(browser: Browser) -> None:
    async with AsyncExitStack() as server:
        url = await server.enter_async_context(serving(web_chat(captions_dog)))
        async with installed(browser, url, LOST) as page:
            await choose(page, photo(1))
            await expect(page.locator(".said")).to_have_text(DOG.text)
            await expect(page.locator("#unreached")).to_be_hidden()
            ((cache, addresses),) = (await page.evaluate(KEPT)).items()
            assert cache.startswith("shell-")
            assert {"/", "/static/chat.js", "/static/icon.svg"} < {*addresses}
            assert [one for one in addresses if one != "/" and not one.startswith("/static/")] == []

            await server.aclose()
            await page.reload()
            await expect(page.locator("#unreached")).to_have_text(SENTENCES["unreached"])
            await expect(page.locator("#status")).to_have_text(SENTENCES["unreached"])
            await expect(page.locator(".said")).to_have_text(DOG.text)
            await choose(page, photo(2))
            waiting = page.get_by_role("article").last
            await expect(waiting.locator(".doing")).to_have_text(SENTENCES["unreachable"])
            await expect(page.locator("#unreached")).to_be_hidden()  # the same is said of the photo
            await shot(page, "away")

            async with serving(web_chat(captions_dog, web_port=port_of(url))):
                await page.evaluate("dispatchEvent(new Event('online'))")
                await expect(page.locator("#unreached")).to_be_hidden()


async def test_chromium_finds_nothing_that_hinders_installing(browser: Browser) -> None:
    async with serving(web_chat()) as url, installed(browser, url) as page:
        chromium = await page.context.new_cdp_session(page)
        manifest = await chromium.send("Page.getAppManifest")
        assert manifest["url"] == f"{url}/static/en.webmanifest"
        assert manifest["errors"] == []
        found = await chromium.send("Page.getInstallabilityErrors")
        errors = {error["errorId"] for error in found["installabilityErrors"]}
        assert errors <= {"in-incognito"}  # as the tabs of tests are


async def test_a_new_version_replaces_what_was_kept(browser: Browser) -> None:
    async with AsyncExitStack() as server:
        url = await server.enter_async_context(serving(web_chat()))
        async with installed(browser, url, LOST) as page:
            (before,) = await page.evaluate("caches.keys()")
            await server.aclose()
            async with serving(web_chat(max_photo_mb=3, web_port=port_of(url))):
                await page.reload()
                limits = "import('/static/limits.js').then((limits) => limits.default.bytes)"
                assert await page.evaluate(limits) == 3 * 2**20  # at the first visit
                await page.evaluate(GONE, before)
            (after,) = await page.evaluate("caches.keys()")
            await page.reload()
            assert await page.evaluate(limits) == 3 * 2**20
            assert after.startswith("shell-")


async def test_the_page_that_is_kept_is_in_the_language_in_which_it_was_opened_last(
    translated: None, browser: Browser
) -> None:
    async with AsyncExitStack() as server:
        url = await server.enter_async_context(serving(web_chat()))
        async with installed(browser, url, LOST) as page:
            await page.goto(f"{url}/?language=ar")
            await expect(page.locator("#choose")).to_have_text(MARKS["ar"] + SENTENCES["choose"])
            await server.aclose()
            await page.goto(url)
            await expect(page.locator("#choose")).to_have_text(MARKS["ar"] + SENTENCES["choose"])
            await expect(page.locator("html")).to_have_attribute("dir", "rtl")
            await shot(page, "away-rtl")


async def test_a_page_that_a_proxy_shows_instead_is_not_kept(browser: Browser) -> None:
    status = 200

    async def sign_in(request: web.Request) -> web.Response:
        title = "Sign in" if request.path == "/" else "Error"
        return web.Response(text=f"<title>{title}</title>", content_type="text/html", status=status)

    proxy = web.Application()
    proxy.router.add_get("/{path:.*}", sign_in)
    async with AsyncExitStack() as server:
        url = await server.enter_async_context(serving(web_chat()))
        async with installed(browser, url, LOST, "502") as page:
            await server.aclose()
            async with TestServer(proxy, host="127.0.0.1", port=port_of(url)):
                await page.reload()
                await expect(page).to_have_title("Sign in")
                status = 502
                await page.reload()
                await expect(page).to_have_title(SENTENCES["title"])
                await expect(page.locator("#unreached")).to_be_visible()
            await page.reload()
            await expect(page).to_have_title(SENTENCES["title"])


async def test_photos_that_another_program_shares_are_captioned(browser: Browser) -> None:
    async with serving(web_chat(captions_dog)) as url, installed(browser, url) as page:
        await share(page, url, "one.jpg", "zwei ü.jpg")
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        assert page.url == f"{url}/"
        headings = await page.get_by_role("article").locator("h2").all_text_contents()
        assert headings == ["Photo 1: one.jpg", "Photo 2: zwei ü.jpg"]
        assert "shared" not in await page.evaluate("caches.keys()")
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(2)


async def test_shared_photos_wait_for_the_token(browser: Browser) -> None:
    chat = web_chat(captions_dog, web_token=SecretStr("open sesame"))
    async with serving(chat) as url, installed(browser, url, "401") as page:
        await share(page, url, "one.jpg")
        await expect(page.get_by_role("dialog")).to_contain_text(refusals.NEEDS_TOKEN)
        await page.get_by_label("Token", exact=True).fill("open sesame")
        await page.keyboard.press("Enter")
        await expect(page.locator(".said")).to_have_text(DOG.text)


async def test_what_is_shared_past_the_worker_is_asked_for_again(browser: Browser) -> None:
    async with opened(browser) as page:
        url = page.url.rstrip("/")
        await share(page, url, "one.jpg")
        await expect(page.locator("#intake-note")).to_have_text(SENTENCES["share_missed"])
        assert page.url == f"{url}/"
        await expect(page.get_by_role("article")).to_have_count(0)


async def test_the_app_can_be_installed_where_the_browser_offers_it(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.get_by_role("button", name="About").click()
        button = page.get_by_role("button", name=SENTENCES["install"])
        await expect(button).to_be_hidden()
        await page.evaluate(
            """() => {
              const event = new Event("beforeinstallprompt");
              event.prompt = () => (document.title = "asked");
              dispatchEvent(event);
            }"""
        )
        await shot(page, "install")
        await button.click()
        await expect(page).to_have_title("asked")
        await expect(button).to_be_hidden()
        await expect(page.get_by_role("button", name="Close")).to_be_focused()


async def test_on_plain_http_from_elsewhere_the_page_works_without_worker_and_camera() -> None:
    async with (
        started("--host-resolver-rules=MAP photos.test 127.0.0.1") as chromium,
        serving(web_chat(captions_dog, web_behind_proxy=True)) as url,
    ):
        page = await chromium.new_page()
        with listening(page) as (complaints, _):
            await page.goto(f"http://photos.test:{port_of(url)}")
            assert await page.evaluate(
                "[isSecureContext, 'serviceWorker' in navigator, 'mediaDevices' in navigator]"
            ) == [False, False, False]
            await choose(page, photo(1))
            await expect(page.locator(".said")).to_have_text(DOG.text)
            await expect(page.get_by_role("button", name=SENTENCES["take"])).to_be_hidden()
        # Chromium's own remark about a header that counts on https only.
        assert [one for one in complaints if "Cross-Origin-Opener-Policy" not in one] == []
