"""The page in Chromium: what people say about captions, where the bot keeps it.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_feedback.py    # one of every state
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bot.replies import replies
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import FeedbackRow
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import (
    CAT,
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    TAKES,
    Scheme,
    always,
    choose,
    opened,
    photo,
    reload,
    sentence,
    shot,
)
from tests.conftest import long, photo_bytes

pytestmark = IN_CHROMIUM

HASH = hashlib.sha256(photo_bytes(1)).hexdigest()
ARABIC = replace(sentence("كلب يركض على العشب.", 0.6), language="ar")


@dataclass
class Memory:
    """What was said, as `bot.store.feedback_rows.FeedbackRows`, and how often."""

    rows: dict[tuple[str, str], FeedbackRow] = field(default_factory=dict)
    calls: int = 0
    broken: bool = False

    async def put(self, row: FeedbackRow) -> None:
        self._called()
        self.rows[row.photo, row.caption] = row

    async def withdraw(self, photo: str, caption: str) -> None:
        self._called()
        self.rows.pop((photo, caption), None)

    async def all(self) -> list[FeedbackRow]:
        return list(self.rows.values())

    async def forget(self, photo: str | None = None) -> int:
        raise NotImplementedError

    def _called(self) -> None:
        self.calls += 1
        if self.broken:
            raise DatabaseError("DATA_DIR: data", "the disk is full")


@pytest.fixture
def said() -> Memory:
    return Memory()


def thumbs(page: Page) -> tuple[Locator, Locator]:
    names = (SENTENCES["good_caption"], SENTENCES["bad_caption"])
    good, bad = (page.get_by_role("button", name=name) for name in names)
    return good, bad


async def pressed(page: Page) -> tuple[str | None, ...]:
    return tuple([await one.get_attribute("aria-pressed") for one in thumbs(page)])


def field_of(page: Page) -> Locator:
    return page.get_by_role("textbox")


async def thanked(page: Page) -> None:
    await expect(page.locator(".thanks")).to_have_text(SENTENCES["thanks"])


async def test_nobody_is_asked_where_nothing_is_kept(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await expect(thumbs(page)[0]).to_have_count(0)
        await page.locator("#about").click()
        await expect(page.get_by_text(replies.PRIVACY)).to_be_visible()
        await expect(page.get_by_text(SENTENCES["feedback_about"])).to_be_hidden()


async def test_a_thumb_is_sent_and_a_second_press_takes_it_back(
    browser: Browser, said: Memory
) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        good, bad = thumbs(page)
        await expect(page.get_by_text(SENTENCES["feedback_kept"])).to_be_visible()
        await expect(page.get_by_role("group", name=SENTENCES["is_it_good"])).to_be_visible()
        assert said.calls == 0
        await good.click()
        await thanked(page)
        assert await said.all() == [FeedbackRow(HASH, DOG.text, "en", "good")]
        assert await pressed(page) == ("true", "false")
        await reload(page)
        await expect(good).to_have_attribute("aria-pressed", "true")

        await good.click()
        await expect(good).to_have_attribute("aria-pressed", "false")
        await expect(bad).to_have_attribute("aria-pressed", "false")
        await expect(page.locator(".thanks")).to_be_empty()
        await until(page, lambda: not said.rows)
        assert said.calls == 2


async def until(page: Page, true: Callable[[], object]) -> None:
    for _ in range(500):
        if true():
            return
        await page.wait_for_timeout(10)
    raise AssertionError


async def test_after_a_thumb_down_the_right_caption_can_be_sent(
    browser: Browser, said: Memory
) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        good, bad = thumbs(page)
        await bad.click()
        field = page.get_by_label(SENTENCES["what_is_right"])
        await expect(field).to_have_value(DOG.text)
        await expect(field).to_be_focused()
        await page.keyboard.type(" No.")  # at its end
        await expect(field).to_have_value(f"{DOG.text} No.")
        await until(page, lambda: said.calls)
        assert await said.all() == [FeedbackRow(HASH, DOG.text, "en", "bad")]
        await shot(page, "feedback-field")
        await field.fill("  A ball rolls over the grass.")
        await page.keyboard.press("Enter")
        await thanked(page)
        await expect(field).to_be_hidden()
        await expect(bad).to_be_focused()
        assert await said.all() == [
            FeedbackRow(HASH, DOG.text, "en", "bad", "A ball rolls over the grass.")
        ]
        await reload(page)
        await expect(bad).to_have_attribute("aria-pressed", "true")
        await expect(field).to_be_hidden()

        await good.click()
        await thanked(page)
        assert await pressed(page) == ("true", "false")
        assert await said.all() == [FeedbackRow(HASH, DOG.text, "en", "good")]


@pytest.mark.parametrize("way", ["skip", "escape", "unchanged"])
async def test_a_correction_can_be_skipped(browser: Browser, said: Memory, way: str) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        _, bad = thumbs(page)
        await bad.click()
        if way == "skip":
            await field_of(page).fill("A ball.")
            await page.get_by_role("button", name=SENTENCES["no_correction"]).click()
        elif way == "escape":
            await page.keyboard.press("Escape")
        else:
            await page.get_by_role("button", name=SENTENCES["send"], exact=True).click()
        await thanked(page)
        await expect(field_of(page)).to_be_hidden()
        await expect(bad).to_be_focused()
        assert [row.correction for row in await said.all()] == [None]
        assert said.calls == 1


async def edit(page: Page, after: str) -> None:
    """Do what editing a caption in the thread does."""
    await page.get_by_role("article").evaluate(
        """(entry, after) => entry.dispatchEvent(
            new CustomEvent("edited", { bubbles: true, detail: { before: "", after } }))""",
        after,
    )


async def test_an_edited_caption_is_offered_and_sent_only_by_a_press(
    browser: Browser, said: Memory
) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        field = page.get_by_label(SENTENCES["send_correction"])
        await edit(page, "A ball rolls.")
        await expect(field).to_have_value("A ball rolls.")
        await expect(page.get_by_text(SENTENCES["feedback_kept"])).to_be_visible()
        await shot(page, "feedback-edited")
        await page.get_by_role("button", name=SENTENCES["no_correction"]).click()
        await expect(field).to_be_hidden()
        await edit(page, DOG.text)  # as it was
        await expect(field).to_be_hidden()
        await edit(page, "A red ball rolls.")
        await expect(field).to_be_visible()
        assert said.calls == 0

        await page.get_by_role("button", name=SENTENCES["send"], exact=True).click()
        await thanked(page)
        assert await said.all() == [FeedbackRow(HASH, DOG.text, "en", "bad", "A red ball rolls.")]
        assert await pressed(page) == ("false", "true")


async def test_under_an_edited_caption_are_no_thumbs_until_a_correction_is_sent(
    browser: Browser, said: Memory
) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        good, bad = thumbs(page)
        await expect(good).to_be_visible()
        await page.evaluate(
            """() => new Promise((resolve) => {
              indexedDB.open("photo-captioner").onsuccess = ({ target }) => {
                const change = target.result.transaction("thread", "readwrite");
                const records = change.objectStore("thread");
                records.getAll().onsuccess = ({ target }) => {
                  for (const record of target.result) {
                    records.put({ ...record, edited: "A ball rolls." });
                  }
                };
                change.oncomplete = resolve;
              };
            })"""
        )
        await page.reload()
        await expect(page.locator(".said")).to_be_visible()
        await expect(good).to_be_hidden()
        await expect(page.locator(".kept")).to_be_hidden()
        await edit(page, "A ball rolls.")
        await page.get_by_role("button", name=SENTENCES["no_correction"]).press("Enter")
        await expect(page.get_by_role("article")).to_be_focused()
        await expect(good).to_be_hidden()

        await edit(page, "A ball rolls.")
        await page.get_by_role("textbox").press("Enter")
        await thanked(page)
        await expect(bad).to_be_focused()
        assert await pressed(page) == ("false", "true")
        assert [row.correction for row in await said.all()] == ["A ball rolls."]


async def test_another_caption_is_asked_about_anew(browser: Browser, said: Memory) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        await thumbs(page)[1].click()
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".said")).to_have_text(TAKES[1])
        assert await pressed(page) == ("false", "false")
        await expect(field_of(page)).to_be_hidden()
        await thumbs(page)[0].click()
        await thanked(page)
        assert [(row.caption, row.verdict) for row in await said.all()] == [
            (DOG.text, "bad"),
            (TAKES[1], "good"),
        ]


async def test_what_is_shown_is_what_is_kept_without_its_doubt(
    browser: Browser, said: Memory
) -> None:
    named = always(replace(DOG, confidence=0.05, objects=(CAT,)))
    async with opened(browser, named, feedback=said) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text("It looks like a tabby cat.")
        await thumbs(page)[0].click()
        await thanked(page)
        assert [row.caption for row in await said.all()] == ["A tabby cat."]


async def test_what_did_not_arrive_is_not_shown_as_said(browser: Browser, said: Memory) -> None:
    said.broken = True
    async with opened(browser, feedback=said, allowed="503") as page:
        await choose(page, photo(1))
        good, bad = thumbs(page)
        await bad.click()
        await expect(page.locator(".thanks")).to_have_text(replies.FAILED)
        await expect(field_of(page)).to_be_hidden()
        assert await pressed(page) == ("false", "false")
        said.broken = False
        await good.click()
        await thanked(page)
        assert await pressed(page) == ("true", "false")


async def test_the_token_of_the_page_is_sent_along(browser: Browser, said: Memory) -> None:
    async with opened(browser, feedback=said, token="a tökén", allowed="401") as page:
        await choose(page, photo(1))
        await page.locator("#token").fill("a tökén")
        await page.keyboard.press("Enter")
        await thumbs(page)[0].click()
        await thanked(page)
        assert said.calls == 1


async def test_clear_is_not_undone_by_what_arrives_later(browser: Browser, said: Memory) -> None:
    async with opened(browser, feedback=said) as page:
        await choose(page, photo(1))
        good, _ = thumbs(page)
        await expect(good).to_be_visible()
        await page.evaluate(
            """() => {
              document.querySelector(".good").click();
              document.getElementById("clear").click();
            }"""
        )
        await until(page, lambda: said.calls)
        await reload(page)
        await expect(page.locator("#empty")).to_be_visible()


async def test_the_privacy_notice_says_what_is_kept(browser: Browser, said: Memory) -> None:
    async with opened(browser, feedback=said) as page:
        await page.locator("#about").click()
        await expect(page.get_by_text(SENTENCES["feedback_about"])).to_be_visible()
        await shot(page, "feedback-about")


async def captions_in_arabic(photo: bytes, options: Options) -> Caption:
    return ARABIC if options.language == "ar" else DOG


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=long)])
@pytest.mark.parametrize("code", ["en", "ar"])
@pytest.mark.parametrize(("width", "height"), [(320, 640), pytest.param(1280, 800, marks=long)])
async def test_it_fits_phones_and_desktops_in_both_directions(
    width: int, height: int, code: str, scheme: Scheme, browser: Browser, said: Memory
) -> None:
    async with opened(
        browser,
        captions_in_arabic,
        feedback=said,
        captions_in=("ar",),
        query=f"?language={code}",
        viewport=(width, height),
        scheme=scheme,
        phone=width < 400,
    ) as page:
        await choose(page, EXAMPLES / "bird.jpg", EXAMPLES / "boats.jpg")
        entries = page.get_by_role("article")
        await expect(entries.nth(1).locator(".good")).to_be_visible()
        await expect(page.locator(".kept:visible")).to_have_count(1)  # it is said once
        await entries.nth(0).locator(".good").click()
        await expect(entries.nth(0).locator(".thanks")).not_to_be_empty()
        name = f"feedback-{code}-{scheme}-{width}"
        await shot(page, name)
        await entries.nth(1).locator(".bad").click()
        field = entries.nth(1).locator("textarea")
        await expect(field).to_be_in_viewport()
        await expect(field).to_have_css("direction", "rtl" if code == "ar" else "ltr")
        await shot(page, f"{name}-field")
