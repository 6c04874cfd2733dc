"""The page for people who do not see it: what a screen reader says, and what the Tab key finds."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Busy, Caption, Options
from captioner.wording import NOT_SURE
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    always,
    captions_dog,
    choose,
    heard,
    listen,
    opened,
    photo,
    reload,
    sentence,
)
from tests.conftest import long

pytestmark = IN_CHROMIUM

GERMAN = replace(sentence("Der Hund rennt.", 0.6), language="de")
LETTER: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}


def announced(number: int, total: int, name: str, text: str) -> str:
    return SENTENCES["photo_announced"].format(number=number, total=total, name=name, text=text)


async def tree(page: Page) -> list[dict[str, Any]]:
    """Return the nodes of Chromium's accessibility tree that it shows to a screen reader."""
    chromium = await page.context.new_cdp_session(page)
    await chromium.send("Accessibility.enable")
    nodes = (await chromium.send("Accessibility.getFullAXTree"))["nodes"]
    await chromium.detach()
    return [node for node in nodes if not node["ignored"]]


def named(nodes: list[dict[str, Any]], role: str) -> Iterator[tuple[str, str]]:
    """Give the name and the description of each node with a role."""
    for node in nodes:
        if node["role"]["value"] == role:
            name, description = (node.get(part, {}) for part in ("name", "description"))
            yield name.get("value", ""), description.get("value", "")


async def test_a_caption_is_announced_with_its_photo_and_its_doubt(browser: Browser) -> None:
    async with opened(browser, always(replace(DOG, confidence=0.1))) as page:
        await listen(page)
        status = page.get_by_role("status")
        doubtful = f"{DOG.text} ({NOT_SURE})"
        for number in (1, 2):
            await choose(page, photo(number, "boats.jpg"))
            await expect(status).to_have_text(announced(number, number, "boats.jpg", doubtful))
        assert len(await heard(page)) == 2  # nothing else is said


async def test_an_announced_caption_says_its_language(browser: Browser) -> None:
    async with opened(browser, always(GERMAN)) as page:
        await choose(page, photo(1))
        part = page.get_by_role("status").get_by_text(GERMAN.text, exact=True)
        await expect(part).to_have_attribute("lang", "de")
        await expect(page.get_by_role("status")).to_contain_text("Photo 1 of 1, photo 1.jpg")


async def test_a_failure_is_announced_with_its_photo(browser: Browser) -> None:
    busy = [Busy("full", 60)]

    async def caption(photo: bytes, options: Options) -> Caption:
        if busy:
            raise busy[0]
        return await captions_dog(photo, options)

    async with opened(browser, caption, allowed="Failed to load") as page:
        status = page.get_by_role("status")
        await choose(page, photo(1))
        await expect(status).to_have_text(
            announced(1, 1, "photo 1.jpg", replies.busy(busy[0])), timeout=10_000
        )
        busy.clear()
        await choose(page, LETTER)
        await expect(status).to_contain_text(
            announced(2, 2, "a.txt", "I cannot read this file"), timeout=10_000
        )


async def test_another_caption_and_its_absence_are_announced(browser: Browser) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        if options.sample and options.seed > 1:
            return replace(DOG, alternatives=())
        return await captions_dog(photo, options)

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        status = page.get_by_role("status")
        another = page.get_by_role("button", name=replies.ANOTHER)
        await another.click()
        await expect(status).to_contain_text("photo 1.jpg: A dog plays, take one.")
        await another.click()
        await expect(status).to_contain_text(f"photo 1.jpg: {replies.NOTHING_ELSE}")


async def test_of_many_photos_only_the_progress_is_announced(browser: Browser) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(0.6)
        return await captions_dog(photo, options)

    many = 20
    no_photo: FilePayload = {**photo(0, "letter.jpg"), "buffer": LETTER["buffer"]}
    async with opened(browser, caption, allowed="415") as page:
        await listen(page)
        await choose(page, no_photo, *[photo(seed) for seed in range(many - 1)])
        bar = page.locator("#progress progress")
        await expect(bar).to_be_visible()
        await expect(page.locator("#progress")).to_contain_text("4 of 20 done, 1 without a caption")
        await expect(page.get_by_role("progressbar")).to_have_count(0)  # some readers beep
        end = SENTENCES["progress_failed"].format(done=many, total=many, failed=1)
        await expect(page.get_by_role("status")).to_have_text(end, timeout=30_000)
        await expect(bar).to_be_hidden()
        times, said = zip(*await heard(page), strict=True)
        assert said[-1] == end
        assert all("done" in text for text in said)
        pauses = [after - before for before, after in pairwise(times[:-1])]
        assert all(pause >= 4.9 for pause in pauses)


@long
async def test_what_was_announced_leaves_before_it_is_untrue(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        status = page.get_by_role("status")
        await expect(status).to_contain_text(DOG.text)
        await page.get_by_role("button", name="Clear").click()
        await expect(status).to_contain_text(SENTENCES["cleared"])
        await choose(page, photo(2))
        await expect(status).not_to_contain_text(SENTENCES["cleared"])
        await expect(status).to_contain_text(DOG.text)
        await expect(status).to_be_empty(timeout=15_000)


async def test_only_one_part_of_the_page_speaks_by_itself(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.LOOK).click()
        live = page.locator(
            "[aria-live]:not([aria-live=off]), [role=log], [role=status], [role=alert], "
            "[role=timer], output, marquee"
        )
        ids = await live.evaluate_all("all => all.map(({ id }) => id)")
        assert ids == ["example-trouble", "status", "webcam-trouble", "token-trouble"]


async def test_each_photo_is_an_article_with_a_heading_and_named_buttons(
    browser: Browser,
) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1, "boats.jpg"), photo(2, "birds.jpg"))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        nodes = await tree(page)
        titles = ["Photo 1: boats.jpg", "Photo 2: birds.jpg"]
        assert [name for name, _ in named(nodes, "article")] == titles
        assert [name for name, _ in named(nodes, "heading")] == [SENTENCES["title"], *titles]
        levels = await page.locator("h1, h2:visible").evaluate_all(
            "all => all.map(({ localName }) => localName)"
        )
        assert levels == ["h1", "h2", "h2"]
        rows = [name for name, _ in named(nodes, "toolbar")]
        assert rows == [
            SENTENCES["caption_of"].format(name=name) for name in ("boats.jpg", "birds.jpg")
        ]
        buttons = list(named(nodes, "button"))
        for title in titles:
            assert (replies.ANOTHER, title) in buttons
        for number, name in ((1, "boats.jpg"), (2, "birds.jpg")):
            for act in ("remove", "enlarge"):
                assert (SENTENCES[act].format(number=number, name=name), "") in buttons


async def test_the_caption_is_the_alt_text_of_its_photo(browser: Browser) -> None:
    go = asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        await go.wait()
        return replace(GERMAN, confidence=0.1)

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        image = page.locator(".sent img")
        await expect(image).to_have_accessible_name("Your photo photo 1.jpg")
        go.set()
        for _ in range(2):
            await expect(image).to_have_accessible_name(GERMAN.text)
            await expect(image).to_have_attribute("lang", "de")
            await reload(page)


@pytest.mark.parametrize("width", [320, 1280])
async def test_few_presses_of_tab_lead_to_the_next_photo(width: int, browser: Browser) -> None:
    async with opened(browser, viewport=(width, 720)) as page:
        await choose(page, *[photo(seed) for seed in range(20)])
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(20)
        await reload(page)
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(20)
        for _ in range(5):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id") == "choose":
                break
        await expect(page.locator("#choose")).to_be_focused()


async def test_the_first_link_skips_to_sending_photos(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name=SENTENCES["skip"])
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport(ratio=1)
        await page.keyboard.press("Enter")
        await expect(page.locator("#choose")).to_be_focused()
        await expect(skip).not_to_be_in_viewport()
        assert "#" not in page.url
