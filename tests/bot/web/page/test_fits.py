"""The page fits small windows and large letters; what has the focus is never hidden.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_fits.py
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.bot.web.browser import DOG, EXAMPLES, IN_CHROMIUM, choose, opened, shot
from tests.conftest import long

pytestmark = IN_CHROMIUM

# Width, height, size of the letters, whether it is a phone.
WINDOWS: dict[str, tuple[int, int, str, bool]] = {
    "320": (320, 568, "100%", True),
    "phone-200": (360, 740, "200%", True),
    "desktop-200": (1280, 720, "200%", False),
    "zoom-200": (640, 360, "100%", False),  # 1280 x 720 at 200 %
    "zoom-400": (320, 256, "100%", False),  # 1280 x 1024 at 400 %
    "320-200": (320, 568, "200%", True),
    "landscape": (740, 360, "100%", True),
}
SHORT = ("320", "desktop-200", "landscape")
WINDOW = pytest.mark.parametrize(
    "window", [one if one in SHORT else pytest.param(one, marks=long) for one in WINDOWS]
)
QUERY = pytest.mark.parametrize("query", ["", "/?language=ar"])

OVERLAPS = """() => {
    const isShown = (part) => part.checkVisibility({ visibilityProperty: true });
    const controls = "button, select, summary, input, .said, .now, h1, h2, h3, h4, .top p";
    const root = document.querySelector("dialog[open]") ?? document.body;
    const parts = [...root.querySelectorAll(controls)]
        .filter((part) => isShown(part) && !part.closest(".unseen, .looking .sent"));
    const boxes = parts.map((part) => part.getBoundingClientRect());
    const bar = (part) => part.closest(".top, .composer, .head");
    const found = [];
    parts.forEach((one, i) => parts.slice(i + 1).forEach((other, j) => {
        const [a, b] = [boxes[i], boxes[i + 1 + j]];
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        const glued = other.classList.contains("glued");
        if (wide > 1 && high > 1 && !one.contains(other) && bar(one) === bar(other) && !glued)
            found.push(`${one.outerHTML.slice(0, 60)} and ${other.outerHTML.slice(0, 60)}`);
    }));
    for (const [at, part] of parts.entries()) {
        const cut = part.clientWidth && part.scrollWidth > part.clientWidth + 1;
        if (cut && part.tagName !== "SELECT")
            found.push(`cut off: ${part.outerHTML.slice(0, 80)}`);
        if (boxes[at].left < -1 || boxes[at].right > innerWidth + 1)
            found.push(`outside: ${part.outerHTML.slice(0, 80)}`);
    }
    return found;
}"""

# Whether a part of what has the focus can be seen; null when the focus has left the page.
SEEN = """() => {
    const part = document.activeElement;
    if (part === document.body) return null;
    const box = part.getBoundingClientRect();
    const at = [[.5, .5], [.5, .15], [.5, .85], [.15, .5], [.85, .5]];
    const seen = at.filter(([across, down]) => {
        const [x, y] = [box.left + box.width * across, box.top + box.height * down];
        const top = document.elementFromPoint(x, y);
        return part.contains(top);
    });
    return { name: part.outerHTML.slice(0, 70), seen: seen.length };
}"""


@asynccontextmanager
async def fitted(browser: Browser, window: str, query: str = "") -> AsyncIterator[Page]:
    width, height, letters, phone = WINDOWS[window]
    async with opened(browser, viewport=(width, height), phone=phone, query=query) as page:
        await page.evaluate(
            "(size) => { document.documentElement.style.fontSize = size; }", letters
        )
        yield page


async def with_the_glass_box(page: Page) -> None:
    await choose(page, EXAMPLES / "bird.jpg", EXAMPLES / "photographer.jpg")
    await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
    await page.locator(".look").first.click()
    await expect(page.locator(".glass").first).to_be_visible()


@QUERY
@WINDOW
async def test_nothing_overlaps_or_is_cut_off(window: str, query: str, browser: Browser) -> None:
    name = f"{window}{'-ar' if query else ''}"
    async with fitted(browser, window, query) as page:
        assert await page.evaluate(OVERLAPS) == []
        await shot(page, f"fits-empty-{name}")
        await page.locator("#about").click()
        assert await page.evaluate(OVERLAPS) == []
        await shot(page, f"fits-about-{name}")
        await page.keyboard.press("Escape")
        await with_the_glass_box(page)
        await page.evaluate("scrollTo(0, 0)")
        assert await page.evaluate(OVERLAPS) == []
        await shot(page, f"fits-thread-{name}")
        await page.locator(".word").nth(3).focus()
        await shot(page, f"fits-glass-{name}")


@pytest.mark.parametrize("key", ["Tab", pytest.param("Shift+Tab", marks=long)])
@WINDOW
async def test_what_has_the_focus_can_be_seen(window: str, key: str, browser: Browser) -> None:
    async with fitted(browser, window) as page:
        await with_the_glass_box(page)
        await page.locator("#choose").focus()
        seen: list[Any] = []
        while len(seen) < 40 and (not seen or 'id="choose"' not in seen[-1]["name"]):
            await page.keyboard.press(key)
            if one := await page.evaluate(SEEN):
                seen.append(one)
        assert 12 < len(seen) < 40
        assert [one for one in seen if not one["seen"]] == []


@pytest.mark.parametrize("window", SHORT)
async def test_targets_are_large_enough(window: str, browser: Browser) -> None:
    async with fitted(browser, window) as page:
        await with_the_glass_box(page)
        sizes = await page.locator("button, select, summary").evaluate_all(
            """all => all.filter((one) => one.checkVisibility())
                .map((one) => [one.outerHTML.slice(0, 60), one.offsetWidth, one.offsetHeight])"""
        )
        assert len(sizes) > 12
        least = 44 if WINDOWS[window][3] else 24  # WCAG 2.2: 2.5.5 for fingers, 2.5.8
        assert [one for one in sizes if one[1] < 24 or one[2] < least] == []


@pytest.mark.parametrize(("height", "position"), [(720, "sticky"), (400, "static")])
async def test_the_bars_leave_a_low_window_to_the_thread(
    height: int, position: str, browser: Browser
) -> None:
    async with opened(browser, viewport=(1000, height)) as page:
        for bar in (".top", ".composer"):
            assert await page.locator(bar).evaluate("(bar) => getComputedStyle(bar).position") == (
                position
            )
        top, bottom = await page.evaluate(
            """["--top", "--bottom"].map((name) => parseFloat(
                document.documentElement.style.getPropertyValue(name)))"""
        )
        assert (top > 40 and bottom > 40) == (position == "sticky")
        assert (top == bottom == 0) == (position == "static")


async def test_large_letters_make_the_bars_give_way(browser: Browser) -> None:
    async with fitted(browser, "320-200") as page:
        await expect(page.locator("html.low")).to_be_attached()
        await expect(page.locator(".top")).to_have_css("position", "static")
