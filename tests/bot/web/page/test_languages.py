"""The page in Chromium, in other languages: its switch, its captions, and right to left.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_languages.py    # one of every language
"""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Caption, Options, wording
from captioner.translation import Catalogues
from tests.bot.web.browser import (
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    always,
    choose,
    opened,
    photo,
    reload,
    sentence,
    shot,
)
from tests.bot.web.catalogues import MARKS, compile_catalogue

pytestmark = [*IN_CHROMIUM, pytest.mark.usefixtures("translated")]

GERMAN = replace(sentence("Der Hund rennt über das Gras.", 0.6), language="de")
ARABIC = replace(
    sentence("كلب يركض على العشب.", 0.6, sentence("كلب بني يلعب.", 0.4)), language="ar"
)
CHARACTERS = "一只棕色的狗在草地上奔跑"
CHINESE = replace(sentence(" ".join(CHARACTERS), 0.1), text=f"{CHARACTERS}。", language="zh")
WIDTHS = (320, 640, 1280)  # of a small phone, and of a desktop at 200 % and at 100 %


@pytest.fixture
def doubts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say doubts in Chinese, with its own brackets and full stop."""
    brackets = "{caption}\N{FULLWIDTH LEFT PARENTHESIS}{doubt}\N{FULLWIDTH RIGHT PARENTHESIS}"
    said = {wording.NOT_SURE: "不太确定。", wording.IN_BRACKETS: brackets}
    compile_catalogue(tmp_path, "captioner", "zh", said)
    monkeypatch.setattr(wording, "CATALOGUES", Catalogues(tmp_path, "captioner"))


async def captions_in_any_language(photo: bytes, options: Options) -> Caption:
    return {"de": GERMAN, "ar": ARABIC, "zh": CHINESE}.get(options.language or "", DOG)


async def switch(page: Page, code: str) -> None:
    await page.locator("#language").select_option(code)
    await expect(page.locator("html")).to_have_attribute("lang", code)


async def sides(part: Locator) -> tuple[float, float]:
    """Return how far a part is from the left and from the right side of the page."""
    box = await part.bounding_box()
    width = await part.page.evaluate("document.documentElement.clientWidth")
    assert box
    return box["x"], width - box["x"] - box["width"]


async def test_the_switch_reloads_the_page_in_a_language_and_keeps_the_thread(
    browser: Browser,
) -> None:
    async with opened(browser, captions_in_any_language, captions_in=("ar", "de")) as page:
        await expect(page.get_by_label("Language")).to_have_value("en")
        await choose(page, photo(1))
        said = page.locator(".said")
        await expect(said).to_have_text(DOG.text)
        await switch(page, "de")
        await expect(page.locator("#choose")).to_have_text(MARKS["de"] + SENTENCES["choose"])
        await expect(said).to_have_text(DOG.text)
        await choose(page, photo(2))
        await expect(said.last).to_have_text(GERMAN.text)

        await reload(page)
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        assert [await one.get_attribute("lang") for one in await said.all()] == ["en", "de"]
        (cookie,) = await page.context.cookies()
        assert (cookie["name"], cookie["value"], cookie["sameSite"]) == ("language", "de", "Lax")
        await switch(page, "en")
        await expect(said).to_have_count(2)


async def test_the_switch_works_in_a_browser_that_keeps_no_cookies(browser: Browser) -> None:
    refusing = "Object.defineProperty(document, 'cookie', { get: () => '', set() {} })"
    async with opened(browser) as page, await page.add_init_script(refusing):
        await page.reload()
        for code in ("de", "ar"):
            await switch(page, code)
            assert page.url.endswith(f"?language={code}")


async def test_the_switch_leaves_the_language_in_the_address_behind(browser: Browser) -> None:
    async with opened(browser, query="/?language=de") as page:
        await expect(page.locator("html")).to_have_attribute("lang", "de")
        await switch(page, "zh")
        assert "?" not in page.url


async def test_a_photo_that_waits_is_captioned_after_the_switch(browser: Browser) -> None:
    asked: list[str | None] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        asked.append(options.language)
        if len(asked) == 1:
            raise RuntimeError  # the page shows a trouble
        return GERMAN

    async with opened(browser, caption, captions_in=("de",), allowed="500") as page:
        await choose(page, photo(1))
        said = page.locator(".said")
        await expect(said).to_have_text(replies.FAILED)
        await switch(page, "de")
        await expect(said).to_have_text(replies.FAILED)
        await expect(said).to_have_attribute("lang", "en")
        await page.locator(".retry").click()
        await expect(said).to_have_text(GERMAN.text)
        await expect(said).to_have_attribute("lang", "de")
    assert asked == [None, "de"]


async def test_each_caption_has_its_own_language_and_direction(browser: Browser) -> None:
    async with opened(browser, always(ARABIC), query="/?language=de") as page:
        await choose(page, photo(1))
        said = page.locator(".said")
        for _ in range(2):
            await expect(said).to_have_text(ARABIC.text)
            await page.locator(".look").click()
            line = page.locator(".considered bdi").last
            for part in (said, line, page.locator(".words"), page.locator(".now bdi")):
                await expect(part).to_have_attribute("lang", "ar")
                await expect(part).to_have_attribute("dir", "rtl")
            await page.locator(".copy").click()
            await expect(page.locator(".note bdi")).to_have_attribute("lang", "ar")
            await expect(page.locator(".sent img")).to_have_attribute("lang", "ar")
            await reload(page)


async def test_the_page_is_mirrored_in_a_language_from_right_to_left(browser: Browser) -> None:
    at_start = ("#choose", ".mark", ".bubble", ".word")
    at_end = ("#about", ".sent", ".percent", ".play")
    edges = {}
    for code in ("de", "ar"):
        async with opened(
            browser, captions_in_any_language, captions_in=("ar",), query=f"/?language={code}"
        ) as page:
            await choose(page, EXAMPLES / "bird.jpg")
            await page.locator(".look").click()
            await expect(page.locator(".glass")).to_be_visible()
            edges[code] = {one: await sides(page.locator(one).first) for one in at_start + at_end}
    for one in at_start:
        assert abs(edges["de"][one][0] - edges["ar"][one][1]) < 2
        assert edges["de"][one][0] < edges["de"][one][1]
    for one in at_end:
        assert abs(edges["de"][one][1] - edges["ar"][one][0]) < 2
        assert edges["de"][one][1] < edges["de"][one][0]


async def test_arrow_keys_follow_the_direction_of_the_caption(browser: Browser) -> None:
    async with opened(browser, always(ARABIC)) as page:
        await choose(page, photo(1))
        await page.locator(".look").click()
        words = page.locator(".word")
        assert await sides(words.first) > await sides(words.nth(1))
        await words.first.focus()
        for key, current in (("ArrowLeft", 1), ("ArrowLeft", 2), ("ArrowRight", 1), ("End", 3)):
            await page.keyboard.press(key)
            await expect(words.nth(current)).to_be_focused()


@pytest.mark.usefixtures("doubts")
async def test_a_doubt_loses_the_brackets_of_its_language(browser: Browser) -> None:
    async with opened(browser, always(CHINESE), query="/?language=zh") as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(f"{CHINESE.text} 不太确定")
        await expect(page.locator(".doubt.marked")).to_have_text("不太确定")
        await page.locator(".look").click()
        words = await page.locator(".word").all_text_contents()
        assert words == [*CHARACTERS[:-1], f"{CHARACTERS[-1]}。"]


@pytest.mark.parametrize(("code", "likely"), [("en", "50%"), ("fr", "50\u202f%"), ("ar", "50")])
async def test_percentages_are_written_as_the_language_does(
    code: str, likely: str, browser: Browser
) -> None:
    async with opened(browser, query=f"/?language={code}") as page:
        await choose(page, photo(1))
        await page.locator(".look").click()
        await page.locator(".word").nth(1).focus()
        await expect(page.locator(".now")).to_contain_text(f" {likely}")


@pytest.mark.parametrize("code", MARKS)
@pytest.mark.parametrize("width", WIDTHS)
async def test_the_page_fits_small_windows_in_every_direction(
    width: int, code: str, browser: Browser
) -> None:
    async with opened(
        browser,
        captions_in_any_language,
        captions_in=("ar", "de", "zh"),
        query=f"/?language={code}",
        viewport=(width, 800),
    ) as page:
        await shot(page, f"empty-{code}-{width}")
        await choose(page, EXAMPLES / "bird.jpg")
        await page.locator(".look").click()
        await page.locator(".word").nth(1).focus()
        await shot(page, f"glass-{code}-{width}")
        await page.locator(".considered").scroll_into_view_if_needed()
        await shot(page, f"considered-{code}-{width}")
        await page.locator("#about").click()
        await shot(page, f"about-{code}-{width}")
