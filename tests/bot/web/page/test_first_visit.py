"""What somebody sees who opens the page for the first time, in Chromium; and what About tells.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_first_visit.py
"""

import hashlib

import pytest
from playwright.async_api import Browser, Route, expect

from bot.about import about
from bot.web.page import STATIC
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import DOG, IN_CHROMIUM, Scheme, opened, shot

pytestmark = IN_CHROMIUM


@pytest.mark.parametrize("example", ["example_oath", "example_bird", "example_photographer"])
async def test_an_example_is_sent_like_a_chosen_photo(example: str, browser: Browser) -> None:
    seen: list[str] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(digest(photo))
        return DOG

    async with opened(browser, caption) as page:
        group = page.get_by_role("group", name=SENTENCES["examples"])
        await expect(group.get_by_role("button")).to_have_count(3)
        await group.get_by_role("button", name=SENTENCES[example]).focus()
        await page.keyboard.press("Enter")
        name = f"{example.removeprefix('example_')}.jpg"
        entry = page.get_by_role("article", name=name)
        await expect(entry.locator(".said")).to_have_text(DOG.text)
        await expect(entry).to_be_focused()
        await expect(page.locator("#empty")).to_be_hidden()
    assert seen == [digest((STATIC / "examples" / name).read_bytes())]


def digest(photo: bytes) -> str:
    return hashlib.sha256(photo).hexdigest()


async def test_an_example_that_cannot_be_fetched_is_reported(browser: Browser) -> None:
    async def cut(route: Route) -> None:
        await route.abort()

    async with opened(browser, allowed="ERR_FAILED") as page:
        await expect(page.locator("#examples img").last).to_be_visible()
        await page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError()); }")
        await page.locator("#examples button").first.click()
        await expect(page.get_by_role("alert")).to_have_text(SENTENCES["try_later"])
        await expect(page.locator("#empty")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("phone", [False, True])
async def test_the_welcome_speaks_of_what_the_pointer_can_do(
    phone: bool, scheme: Scheme, browser: Browser
) -> None:
    size = (360, 740) if phone else (1280, 720)
    async with opened(browser, viewport=size, phone=phone, scheme=scheme) as page:
        heading = page.get_by_role("heading", level=2)
        await expect(heading).to_have_text(
            SENTENCES["welcome_touch" if phone else "welcome"], use_inner_text=True
        )
        for name in ("good_at", "welcome_privacy"):
            await expect(page.locator("#empty").get_by_text(SENTENCES[name])).to_be_visible()
        text = await page.locator("main").inner_text()
        assert phone != ("Drop" in text)
        await shot(page, f"first-{'phone' if phone else 'desktop'}-{scheme}")


async def test_a_first_visit_begins_at_the_top_of_a_low_window(browser: Browser) -> None:
    async with opened(browser, viewport=(320, 400), phone=True) as page:
        await expect(page.locator("#examples img").last).to_be_attached()
        await page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        assert await page.evaluate("scrollY") == 0


@pytest.mark.parametrize("phone", [False, True])
async def test_about_opens_at_its_top_with_plain_words(phone: bool, browser: Browser) -> None:
    size = (360, 640) if phone else (1280, 720)
    async with opened(browser, viewport=size, phone=phone) as page:
        await page.get_by_role("button", name="About").click()
        dialog = page.get_by_role("dialog", name="About")
        heading = dialog.get_by_role("heading", name="About")
        await expect(heading).to_be_focused()
        assert await dialog.evaluate("(dialog) => dialog.scrollTop") == 0
        await expect(heading).to_be_in_viewport(ratio=1)
        await expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
        paragraphs = await dialog.locator("p").all_text_contents()
        plain = [SENTENCES["hint"], about.GOOD_AT, about.WEAK_AT, about.ERRS]
        assert paragraphs[:4] == plain
        await shot(page, f"about-{'phone' if phone else 'desktop'}")

        model = dialog.get_by_text("I am a <model>.")
        await expect(model).to_be_hidden()
        await dialog.get_by_text(SENTENCES["details"]).click()
        await expect(model).to_be_visible()
        await expect(dialog.get_by_text("Apache License 2.0")).to_be_visible()
        await dialog.evaluate("(dialog) => dialog.scrollTo(0, dialog.scrollHeight)")
        await expect(dialog.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
        await shot(page, f"about-details-{'phone' if phone else 'desktop'}")


@pytest.mark.parametrize("way", ["button", "Escape", "outside"])
async def test_about_closes_in_three_ways(way: str, browser: Browser) -> None:
    async with opened(browser, viewport=(360, 640), phone=True) as page:
        button = page.get_by_role("button", name="About")
        await button.click()
        dialog = page.get_by_role("dialog", name="About")
        await dialog.locator("p").first.click()
        await expect(dialog).to_be_visible()
        if way == "button":
            await dialog.get_by_role("button", name="Close").click()
        elif way == "Escape":
            await page.keyboard.press("Escape")
        else:
            await page.touchscreen.tap(180, 4)
        await expect(dialog).to_be_hidden()
        await expect(button).to_be_focused()
