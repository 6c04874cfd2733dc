"""The glass box in Chromium: the heat over the photo, the words that say where, and how it closes.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_glass.py
"""

import asyncio
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from bot.replies import replies
from captioner import Caption, Options
from captioner.runtime.protocols import Floats
from tests.bot.web.browser import (
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    always,
    choose,
    opened,
    photo,
    shot,
)
from tests.conftest import long

pytestmark = IN_CHROMIUM

CONTRAST = 3.0  # WCAG 2.2, 1.4.11
# How much of the window's height a bar covers.
COVERED = """(() => {{
    const bar = document.querySelector("{}");
    return getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
}})()"""


async def look(page: Page, picture: Any = None) -> Locator:
    """Send a photo and open its glass box."""
    await choose(page, picture or EXAMPLES / "bird.jpg")
    await page.locator(".look").click()
    await expect(page.locator(".glass")).to_be_visible()
    return page.locator(".word")


def plain(color: str, size: tuple[int, int] = (420, 300)) -> FilePayload:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return {"name": f"{color}.png", "mimeType": "image/png", "buffer": file.getvalue()}


async def box(part: Locator) -> tuple[float, ...]:
    box = await part.bounding_box()
    assert box
    return box["x"], box["y"], box["width"], box["height"]


@pytest.mark.parametrize("size", [(1280, 720), (360, 740)])
@pytest.mark.parametrize("query", ["", "/?language=ar"])
async def test_the_heat_lies_exactly_over_the_photo_that_was_sent(
    size: tuple[int, int], query: str, browser: Browser
) -> None:
    async with opened(browser, viewport=size, query=query) as page:
        await choose(page, EXAMPLES / "photographer.jpg")
        picture, canvas = page.locator(".sent img"), page.locator("canvas")
        before = await box(picture)
        await page.locator(".look").click()
        for width in (size[0], size[0] - 40):
            await page.set_viewport_size({"width": width, "height": size[1]})
            await expect(canvas).to_be_visible()
            assert await box(canvas) == pytest.approx(await box(picture), abs=1)
            corners = [
                await one.evaluate("(one) => getComputedStyle(one).borderRadius")
                for one in (picture, canvas)
            ]
            assert corners[0] == corners[1] != "0px"
            if width == size[0]:
                assert (await box(picture))[2:] == pytest.approx(before[2:], abs=1)
        await page.locator(".look").click()
        await expect(canvas).to_have_count(0)


@pytest.mark.parametrize("size", [(1280, 720), (360, 740), (320, 568), (740, 360)])
async def test_photo_words_and_line_are_in_view_together(
    size: tuple[int, int], browser: Browser
) -> None:
    async with opened(browser, viewport=size, phone=size != (1280, 720)) as page:
        words = await look(page, EXAMPLES / "photographer.jpg")
        for word in (words.first, words.last):
            await word.focus()
            shown = [await box(one) for one in (page.locator("canvas"), word, page.locator(".now"))]
            tops, bottoms = zip(*((y, y + height) for _, y, _, height in shown), strict=True)
            assert min(tops) >= await page.evaluate(COVERED.format(".top")) - 1
            assert max(bottoms) <= size[1] - await page.evaluate(COVERED.format(".composer")) + 1
            assert max(tops[1:]) >= bottoms[0]
        await shot(page, f"together-{size[0]}")


async def test_a_word_says_where_it_looked_when_it_gets_the_focus(browser: Browser) -> None:
    async with opened(browser) as page:
        words = await look(page)
        await expect(words.nth(1)).to_have_accessible_name(
            "dog, 50% likely, looking at the upper right"
        )
        await expect(words.nth(3)).to_have_accessible_name(
            "ball, 82% likely, looking at the middle"
        )
        now = page.locator(".now")
        await words.first.focus()
        await page.keyboard.press("ArrowRight")
        await expect(now).to_contain_text("“dog”")
        await expect(now).to_have_attribute("aria-live", "off")  # the focus reads the word


async def test_only_a_press_that_moves_no_focus_has_the_line_read(browser: Browser) -> None:
    async with opened(browser) as page:
        words = await look(page)
        now = page.locator(".now")
        await words.nth(2).hover()
        await expect(now).to_have_attribute("aria-live", "off")
        await words.nth(3).evaluate("(word) => word.click()")  # as a screen reader presses
        await expect(now).to_have_attribute("aria-live", "polite")
        await page.locator(".play").click()
        await expect(words.nth(4)).to_have_attribute("aria-current", "true")
        await expect(now).to_have_attribute("aria-live", "off")


@pytest.mark.parametrize("inside", [".word", ".play", ".look"])
async def test_escape_closes_the_box_and_the_focus_returns_to_its_button(
    inside: str, browser: Browser
) -> None:
    async with opened(browser) as page:
        await look(page)
        await page.locator(inside).first.focus()
        await page.keyboard.press("Escape")
        await expect(page.locator(".glass")).to_be_hidden()
        await expect(page.locator(".look")).to_be_focused()
        await expect(page.locator(".look")).to_have_attribute("aria-expanded", "false")
        await page.keyboard.press("Escape")
        await expect(page.locator(".glass")).to_be_hidden()


async def test_the_box_has_a_heading_that_names_it(browser: Browser) -> None:
    async with opened(browser) as page:
        await look(page)
        region = page.get_by_role("region", name="Where I looked")
        await expect(region.get_by_role("heading", level=3)).to_have_text("Where I looked")
        await expect(region.get_by_role("heading", level=4)).to_contain_text("Captions that I")


async def test_a_box_that_is_closed_while_it_opens_leaves_nothing(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, EXAMPLES / "bird.jpg")
        await expect(page.locator(".look")).to_be_visible()
        await page.evaluate(
            "() => { const look = document.querySelector('.look'); look.click(); look.click(); }"
        )
        await page.locator(".look").click()
        await expect(page.locator(".glass")).to_be_visible()
        await expect(page.locator("canvas")).to_have_count(1)
        await page.locator(".another").click()
        await expect(page.locator(".said")).to_have_text("A dog plays, take one.")
        await expect(page.locator("canvas")).to_have_count(1)


async def test_the_canvas_stands_alone_where_there_is_no_preview(browser: Browser) -> None:
    heic: FilePayload = {"name": "a.heic", "mimeType": "image/heic", "buffer": b"not for browsers"}
    async with opened(browser, always(DOG)) as page:
        words = await look(page, heic)
        await expect(page.locator(".glass canvas")).to_be_visible()
        await expect(page.locator(".sent canvas")).to_have_count(0)
        await words.nth(2).click()
        await shot(page, "alone")


async def test_bars_are_as_long_as_the_captions_are_likely(browser: Browser) -> None:
    quarter = replace(DOG, confidence=0.25, alternatives=())
    certain = replace(DOG.alternatives[0], confidence=1.0)
    async with opened(browser, always(replace(quarter, alternatives=(certain,)))) as page:
        await look(page)
        shares = await page.locator(".bar").evaluate_all(
            "all => all.map((bar) => bar.firstChild.offsetWidth / bar.offsetWidth)"
        )
        assert shares == pytest.approx([1, 0.25], abs=0.01)


@pytest.mark.parametrize(
    "color",
    ["black", *(pytest.param(one, marks=long) for one in ("#333", "gray", "silver")), "white"],
)
async def test_the_lit_part_stands_out_on_every_photo(color: str, browser: Browser) -> None:
    async with opened(browser) as page:
        words = await look(page, plain(color))
        await words.nth(3).click()
        light = await luminances(page.locator("canvas"))
        lit, dark = float(light[150, 210]), float(light[10, 10])
        # From the middle of the light outwards: the light itself, or the line around it.
        ray = light[150, 210:]
        steps = [contrast(ray[at], ray[at + 3]) for at in range(len(ray) - 3)]
        assert max(contrast(lit, dark), *steps) >= CONTRAST
        if color not in ("black", "#333"):
            assert contrast(lit, dark) >= CONTRAST
        assert max(steps) >= CONTRAST
        await shot(page, f"heat-{color.strip('#')}")


async def luminances(canvas: Locator) -> Floats:
    """Return the relative luminances of a canvas: `(height, width)`, as WCAG 2.2 defines it."""
    width, height, data = await canvas.evaluate(
        """(canvas) => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            return [width, height, [...data]];
        }"""
    )
    parts = np.array(data, np.float32).reshape(height, width, 4)[:, :, :3] / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]), np.float32)


def contrast(one: float, other: float) -> float:
    darker, lighter = sorted((float(one), float(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_bars_have_contrast_with_their_ground(scheme: Any, browser: Browser) -> None:
    async with opened(browser, scheme=scheme) as page:
        await look(page)
        pairs = await page.evaluate(
            """() => {
                const word = document.querySelector(".word[aria-current=true]");
                const bar = document.querySelector(".considered .bar");
                const ground = (part, which) => getComputedStyle(part, which).backgroundColor;
                const glass = ground(document.querySelector(".glass"));
                const ring = getComputedStyle(word).boxShadow.match(/rgb\\([^)]*\\)/)[0];
                return [
                    [ground(word, "::after"), ground(word, "::before")],
                    [ground(word, "::after"), ground(word)],
                    [ring, glass],
                    [ground(bar.firstChild), ground(bar)],
                    [ground(bar.firstChild), glass],
                ];
            }"""
        )
        for pair in pairs:
            assert contrast(*map(relative, pair)) >= CONTRAST, pair


def relative(color: str) -> float:
    parts = np.array([int(part) for part in color[4:-1].split(",")]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_forced_colors_keep_the_bars_and_outline_the_word(
    scheme: Any, browser: Browser
) -> None:
    async with opened(browser, scheme=scheme) as page:
        await page.emulate_media(forced_colors="active", color_scheme=scheme)
        words = await look(page)
        await page.locator(".look").focus()
        ground = await page.locator(".glass").evaluate("(one) => getComputedStyle(one).color")
        current, other = words.first, words.nth(1)
        for word, style in ((current, "solid"), (other, "none")):
            assert await word.evaluate("(one) => getComputedStyle(one).outlineStyle") == style
        bar = await page.locator(".bar i").first.evaluate(
            "(one) => [getComputedStyle(one), getComputedStyle(one.parentNode)]"
            ".map((style) => style.backgroundColor)"
        )
        assert bar[0] != bar[1]
        assert ground
        await shot(page, f"forced-{scheme}")


async def test_a_guess_says_where_but_not_how_likely(browser: Browser) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(0)
        return replace(DOG, out_of_distribution=True)

    async with opened(browser, caption) as page:
        await look(page, photo(1))
        for name in await page.locator(".word").evaluate_all("all => all.map((w) => w.ariaLabel)"):
            assert "looking at" in name
            assert "%" not in name
        assert replies.NO_ATTENTION not in await page.locator(".glass").inner_text()
