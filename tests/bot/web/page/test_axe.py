"""Axe-core complains about no state of the page, its best practices included."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.replies import replies
from bot.web.refusals import refusals
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    Scheme,
    choose,
    opened,
    photo,
)
from tests.bot.web.stories import tells, video_file

pytestmark = [*IN_CHROMIUM, pytest.mark.parametrize("scheme", ["light", "dark"])]

LETTER: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}


async def complaints(page: Page) -> list[str]:
    """Return what axe-core finds with all of its rules, those on trial excepted."""
    rules = await rules_of(page)
    options = {"rules": {rule: {"enabled": True} for rule in rules}}
    found = await Axe().run(page, options=options)
    return [
        f"{one['id']}: {node['html']}: {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]


async def rules_of(page: Page) -> list[str]:
    await page.evaluate(Axe().axe_script)
    rules: list[str] = await page.evaluate(
        """() => axe.getRules()
            .filter(({ tags }) => !tags.includes("experimental") && !tags.includes("wcag2aaa"))
            .map(({ ruleId }) => ruleId)"""
    )
    assert len(rules) > 80
    return rules


async def test_an_empty_page(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme) as page:
        assert await complaints(page) == []


async def test_captions_and_the_glass_box(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme) as page:
        await choose(page, photo(1), photo(2))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        assert await complaints(page) == []
        await page.get_by_role("button", name=replies.LOOK).last.click()
        await expect(page.locator(".glass").last).to_be_visible()
        assert await complaints(page) == []


async def test_a_story_and_the_frames_that_it_is_about(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme, caption_video=tells) as page:
        video: FilePayload = {"name": "clip.webm", "mimeType": "video/webm", "buffer": video_file()}
        await choose(page, video)
        await page.locator(".scenes button").first.click()
        await expect(page.locator(".scenes [aria-current]")).to_have_count(1)
        assert await complaints(page) == []
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(page.locator(".strip button")).to_have_count(2)
        assert await complaints(page) == []


async def test_about(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme) as page:
        await page.locator("#about").click()
        assert await complaints(page) == []
        await page.locator("summary").click()
        assert await complaints(page) == []


async def test_the_dialog_for_a_token(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme, token="a token", allowed="401") as page:
        await choose(page, photo(1))
        await expect(page.locator("#token-dialog")).to_be_visible()
        assert await complaints(page) == []
        await page.locator("#token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text(refusals.WRONG_TOKEN)).to_be_visible()
        assert await complaints(page) == []


async def test_errors(scheme: Scheme, browser: Browser) -> None:
    async with opened(browser, scheme=scheme, allowed="415") as page:
        await choose(page, LETTER)
        await expect(page.locator(".said")).to_contain_text("I cannot read this file")
        assert await complaints(page) == []


async def test_on_a_phone_from_right_to_left(scheme: Scheme, browser: Browser) -> None:
    async with opened(
        browser, scheme=scheme, phone=True, viewport=(360, 740), query="/?language=ar"
    ) as page:
        assert await complaints(page) == []
        await choose(page, photo(1))
        await page.locator(".look").click()
        await expect(page.locator(".glass")).to_be_visible()
        assert await complaints(page) == []
