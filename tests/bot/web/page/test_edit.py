"""Captions that a person edits in place, in Chromium."""

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import (
    DOG,
    IN_CHROMIUM,
    TAKES,
    always,
    captions_dog,
    choose,
    opened,
    photo,
    reload,
    sentence,
)

pytestmark = IN_CHROMIUM

UNSURE = replace(DOG, confidence=0.1)
ARABIC = replace(sentence("كلب يركض على العشب.", 0.6), language="ar")
MINE = 'My "dog" & its <ball>.'


async def choose_item(page: Page, name: str) -> None:
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_role("menuitem", name=name, exact=True).click()


async def begin(page: Page) -> None:
    await choose_item(page, "Edit")
    await expect(page.get_by_role("textbox", name="Caption of photo 1.jpg")).to_be_focused()


async def edit(page: Page, text: str) -> None:
    await begin(page)
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox")).to_have_count(0)


async def copied(page: Page) -> str:
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def test_an_edited_caption_replaces_the_models_everywhere(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        await edit(page, MINE)
        said = page.locator(".said")
        for _ in range(2):
            await expect(said).to_have_text(f"{MINE} edited")
            await expect(page.locator(".doubt")).to_have_count(0)
            await expect(page.get_by_role("img", name=MINE)).to_be_visible()
            await page.get_by_role("button", name="Copy", exact=True).click()
            await expect(page.locator(".note")).to_have_text(f"Copied: “{MINE}”")
            assert await copied(page) == MINE
            await choose_item(page, "Copy as HTML")
            await expect(page.locator(".note")).to_contain_text("<img")
            assert await copied(page) == (
                '<img src="photo%201.jpg" alt="My &quot;dog&quot; &amp; its &lt;ball&gt;.">'
            )
            await page.get_by_role("button", name="More", exact=True).click()
            await expect(page.get_by_role("menuitem", name="Copy with doubt")).to_be_hidden()
            await page.keyboard.press("Escape")
            await reload(page)  # it is kept


async def test_undo_brings_the_models_sentence_back(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        await edit(page, MINE)
        await expect(page.get_by_role("button", name="More", exact=True)).to_be_focused()
        await expect(page.locator(".note")).to_have_text(f"Saved: “{MINE}”")
        await choose_item(page, "Undo edit")
        await expect(page.locator(".note")).to_have_text(f"My caption is back: “{DOG.text}”")
        said = page.locator(".said")
        for _ in range(2):
            await expect(said).to_have_text(f"{DOG.text} Not sure")
            await expect(page.get_by_role("img", name=MINE)).to_have_count(0)
            await page.get_by_role("button", name="More", exact=True).click()
            await expect(page.get_by_role("menuitem", name="Undo edit")).to_be_hidden()
            await reload(page)


async def test_another_caption_replaces_an_edited_one(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await edit(page, MINE)
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".said")).to_have_text(TAKES[1])
        await reload(page)
        await expect(page.locator(".said")).to_have_text(TAKES[1])


async def test_an_edited_caption_stays_where_there_is_no_other(browser: Browser) -> None:
    async with opened(browser, always(replace(DOG, alternatives=()))) as page:
        await choose(page, photo(1))
        await edit(page, MINE)
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".note")).to_have_text(replies.NOTHING_ELSE)
        await expect(page.locator(".said")).to_have_text(f"{MINE} edited")


async def test_the_field_is_left_by_keys_and_by_buttons(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        field, said = page.get_by_role("textbox"), page.locator(".said")
        for leave in ("Escape", "Cancel"):
            await begin(page)
            await expect(field).to_have_value(DOG.text)
            await expect(said).to_be_hidden()
            await expect(page.get_by_role("toolbar")).to_be_hidden()
            await field.fill("Never mind.")
            if leave == "Escape":
                await page.keyboard.press("Escape")
            else:
                await page.get_by_role("button", name="Cancel").click()
            await expect(field).to_have_count(0)
            await expect(said).to_have_text(DOG.text)
            await expect(page.get_by_role("button", name="More", exact=True)).to_be_focused()
        await begin(page)
        await field.fill("One.")
        await page.get_by_role("button", name="Save").click()
        await expect(said).to_have_text("One. edited")
        await begin(page)
        await page.keyboard.type(" Two.")
        await page.keyboard.press("Shift+Enter")
        await expect(said).to_have_text("One. Two. edited")


async def test_lines_become_one_sentence(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await edit(page, "  A dog\n and\t a\n\nball. ")
        await expect(page.locator(".said")).to_have_text("A dog and a ball. edited")
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(page.locator(".note")).to_contain_text("Copied")
        assert await copied(page) == "A dog and a ball."


@pytest.mark.parametrize("before", [None, MINE])
async def test_an_empty_text_is_refused_and_the_models_is_back(
    before: str | None, browser: Browser
) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        if before:
            await edit(page, before)
        await edit(page, " \n ")
        await expect(page.locator(".said")).to_have_text(f"{DOG.text} Not sure")
        await expect(page.locator(".note")).to_have_text(
            SENTENCES["empty_edit"].format(text=DOG.text)
        )


async def test_saving_the_models_own_sentence_is_no_edit(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        await listen(page)
        await edit(page, DOG.text)
        await expect(page.locator(".said")).to_have_text(f"{DOG.text} Not sure")
        await edit(page, MINE)
        await edit(page, DOG.text)
        await expect(page.locator(".said")).to_have_text(f"{DOG.text} Not sure")
        assert len(await page.evaluate("edits")) == 1


async def listen(page: Page) -> None:
    await page.evaluate(
        """() => {
            window.edits = [];
            document.addEventListener("edited", ({ target, detail }) =>
                edits.push([target.className.split(" ")[0], detail]));
        }"""
    )


async def test_an_edit_is_an_event_with_the_models_sentence_and_the_persons(
    browser: Browser,
) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        await listen(page)
        await edit(page, MINE)
        await edit(page, "Ours.")
        assert await page.evaluate("edits") == [
            ["entry", {"before": DOG.text, "after": after}] for after in (MINE, "Ours.")
        ]


async def test_the_field_has_the_language_and_direction_of_the_caption(browser: Browser) -> None:
    async with opened(browser, always(ARABIC)) as page:
        await choose(page, photo(1))
        await begin(page)
        field = page.get_by_role("textbox")
        await expect(field).to_have_attribute("lang", "ar")
        await expect(field).to_have_attribute("dir", "rtl")
        await field.fill("كلب.")
        await page.keyboard.press("Enter")
        image = page.get_by_role("img", name="كلب.")
        await expect(image).to_have_attribute("lang", "ar")
        await expect(page.locator(".said")).to_have_attribute("dir", "rtl")
        await expect(page.locator(".edited")).to_have_attribute("dir", "ltr")


async def test_an_input_method_keeps_its_own_enter(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await begin(page)
        keyboard = await page.context.new_cdp_session(page)
        await keyboard.send(
            "Input.imeSetComposition", {"text": "犬", "selectionStart": 1, "selectionEnd": 1}
        )
        await page.evaluate(
            """() => document.activeElement.dispatchEvent(
                new KeyboardEvent("keydown", { key: "Enter", isComposing: true }))"""
        )
        await expect(page.get_by_role("textbox")).to_be_focused()


async def test_a_caption_that_is_being_replaced_cannot_be_edited(browser: Browser) -> None:
    go = asyncio.Event()

    async def caption(given: bytes, options: Options) -> Caption:
        if options.sample:
            await go.wait()
        return await captions_dog(given, options)

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await page.get_by_role("button", name="More", exact=True).click()
        item = page.get_by_role("menuitem", name="Edit", exact=True)
        await expect(item).to_be_disabled()
        await item.click(force=True)
        await expect(page.get_by_role("menu")).to_be_visible()
        await expect(page.get_by_role("textbox")).to_have_count(0)
        await page.keyboard.press("Escape")
        go.set()
        await expect(page.locator(".said")).to_have_text(TAKES[1])
        await begin(page)


async def test_an_edited_caption_is_read_aloud_and_shared(browser: Browser) -> None:
    script = """
        navigator.share = async (data) => { window.sharedText = data.text; };
        navigator.canShare = () => false;
        const voice = { lang: "en-US", localService: true, default: true };
        const engine = { getVoices: () => [voice], speak: (one) => { window.spoken = one.text; } };
        Object.defineProperty(window, "speechSynthesis", { value: { ...engine, cancel() {} } });
        window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
    """
    async with opened(browser, always(UNSURE)) as page:
        await page.add_init_script(script)
        await page.reload()
        await choose(page, photo(1))
        await edit(page, MINE)
        await page.get_by_role("button", name="Read aloud").click()
        await page.wait_for_function("window.spoken")
        await choose_item(page, "Share")
        await page.wait_for_function("window.sharedText")
        assert await page.evaluate("[spoken, sharedText]") == [MINE, MINE]
