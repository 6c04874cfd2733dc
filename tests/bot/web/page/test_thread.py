"""The life of a photo on the page: removed and brought back, retried, enlarged, worded again.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_thread.py
"""

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Browser, FilePayload, Page, Response, expect

from bot.access import Access
from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Busy, Caption, Options
from tests.bot.web.browser import (
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    TAKES,
    captions_dog,
    choose,
    opened,
    photo,
    reload,
    sentence,
    shot,
)

pytestmark = IN_CHROMIUM

LETTER: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}


async def titles(page: Page) -> list[str]:
    return await page.locator(".entry h2").all_text_contents()


async def three(page: Page) -> None:
    """Have three captioned photos."""
    await choose(page, photo(1), photo(2), photo(3))
    await expect(page.locator(".said", has_text=DOG.text)).to_have_count(3)


async def test_clear_can_be_undone(browser: Browser) -> None:
    calls: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        calls.append(photo)
        return await captions_dog(photo, options)

    async with opened(browser, caption) as page:
        await three(page)
        await reload(page)  # so that the photos come from the store that Clear empties
        await page.get_by_role("button", name=replies.ANOTHER).nth(1).click()
        said = [DOG.text, TAKES[1], DOG.text]
        await expect(page.locator(".said")).to_have_text(said)
        await page.get_by_role("button", name="Clear").click()
        await expect(page.get_by_role("article")).to_have_count(0)
        await expect(page.get_by_role("button", name="Choose files")).to_be_focused()
        await shot(page, "cleared")
        for _ in range(2):  # past the button for folders
            await page.keyboard.press("Tab")
        undo = page.get_by_role("button", name="Undo")
        await expect(undo).to_be_focused()
        await page.keyboard.press("Enter")

        await expect(page.locator(".said")).to_have_text(said)
        await expect(undo).to_be_hidden()
        await expect(page.get_by_role("article").last).to_be_focused()
        await expect(page.get_by_role("status")).to_have_text(SENTENCES["all_back"])
        await reload(page)
        await expect(page.locator(".said")).to_have_text(said)
        assert await titles(page) == [f"Photo {number}: photo {number}.jpg" for number in (1, 2, 3)]
        for image in await page.locator(".sent img").all():
            assert await image.evaluate("image => image.decode()") is None
        assert len(calls) == 4


async def test_a_reload_does_not_bring_back_what_was_cleared(browser: Browser) -> None:
    async with opened(browser) as page:
        await three(page)
        await page.get_by_role("button", name="Clear").click()
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        await reload(page)
        await expect(page.locator("#empty")).to_be_visible()
        await expect(page.get_by_role("button", name="Undo")).to_be_hidden()


async def test_another_tab_does_not_bring_back_what_was_cleared(browser: Browser) -> None:
    async with opened(browser) as page:
        await three(page)
        other = await page.context.new_page()
        await other.goto(page.url)
        await expect(other.get_by_role("article")).to_have_count(3)
        await page.get_by_role("button", name="Clear").click()
        await other.get_by_role("button", name=replies.ANOTHER).first.click()
        await expect(other.locator(".said").first).to_have_text(TAKES[1])
        await other.close()
        await reload(page)
        await expect(page.locator("#empty")).to_be_visible()


async def test_the_offer_to_undo_stays_until_it_is_closed_or_a_photo_is_sent(
    browser: Browser,
) -> None:
    async with opened(browser) as page:
        undo = page.get_by_role("button", name="Undo")
        await choose(page, photo(1))
        await page.get_by_role("button", name="Clear").click()
        await choose(page, photo(2))
        await expect(undo).to_be_hidden()
        await page.get_by_role("button", name="Clear").click()
        await expect(undo).to_be_visible()
        await page.locator("#undo-close").focus()
        await page.keyboard.press("Enter")
        await expect(undo).to_be_hidden()
        await expect(page.get_by_role("button", name="Choose files")).to_be_focused()
        await page.keyboard.press("Control+Z")
        await expect(page.get_by_role("article")).to_have_count(0)


async def test_a_photo_in_work_is_asked_about_again_after_undo(browser: Browser) -> None:
    go = asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        await go.wait()
        return DOG

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await expect(page.get_by_text("Looking…")).to_be_visible()
        await page.get_by_role("button", name="Clear").click()
        await page.get_by_role("button", name="Undo").click()
        go.set()
        await expect(page.locator(".said")).to_have_text(DOG.text)


async def test_one_photo_is_removed_and_brought_back_to_its_place(browser: Browser) -> None:
    async with opened(browser) as page:
        await three(page)
        await page.get_by_role("button", name="Remove photo 2, photo 2.jpg").focus()
        await page.keyboard.press("Enter")
        rest = ["Photo 1: photo 1.jpg", "Photo 2: photo 3.jpg"]
        assert await titles(page) == rest
        await expect(page.get_by_role("article").last).to_be_focused()
        await expect(page.get_by_role("status")).to_contain_text("“photo 2.jpg” is removed.")
        await expect(page.get_by_role("button", name="Remove photo 2, photo 3.jpg")).to_be_visible()
        await page.keyboard.press("Control+Z")
        await expect(page.get_by_role("article").nth(1)).to_be_focused()
        assert len(await titles(page)) == 3
        assert (await titles(page))[1] == "Photo 2: photo 2.jpg"
        await expect(page.get_by_role("status")).to_have_text("“photo 2.jpg” is back.")
        await page.get_by_role("button", name="Remove photo 2, photo 2.jpg").click()
        await reload(page)
        await expect(page.get_by_role("article")).to_have_count(len(rest))
        assert await titles(page) == rest
        for _ in rest:
            await page.get_by_role("button", name="Remove photo").last.click()
        await expect(page.get_by_role("button", name="Choose files")).to_be_focused()
        await expect(page.locator("#empty")).to_be_visible()


async def test_retry_is_offered_only_where_it_can_help(browser: Browser) -> None:
    failing = True

    async def caption(photo: bytes, options: Options) -> Caption:
        if failing:
            raise RuntimeError
        return await captions_dog(photo, options)

    large: FilePayload = {**photo(1), "buffer": bytes(3 * 2**20)}
    async with opened(browser, caption, allowed="Failed to load resource") as page:
        await choose(page, photo(1), large)
        await expect(page.locator(".entry.bad")).to_have_count(2)
        retry = page.get_by_role("button", name="Retry", exact=True)
        retry_all = page.get_by_role("button", name="Retry all")
        await expect(retry).to_have_count(1)
        await expect(retry_all).to_be_hidden()
        await choose(page, photo(2))
        await expect(page.locator(".entry.bad")).to_have_count(3)
        await reload(page)
        await expect(retry).to_have_count(2)
        await shot(page, "retry-all")
        failing = False
        await retry_all.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        await expect(retry_all).to_be_hidden()
        await expect(page.get_by_role("button", name="Choose files")).to_be_focused()


async def test_photos_wait_while_others_are_refused(browser: Browser) -> None:
    refused: list[str] = []

    def note(response: Response) -> None:
        if response.status == 429:
            refused.append(response.url)

    async with opened(browser, access=Access("4/second"), allowed="429") as page:
        page.on("response", note)
        await choose(page, *[photo(seed) for seed in range(12)])
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(12, timeout=20_000)
        page.remove_listener("response", note)
        assert 2 <= len(refused) <= 2 * 4  # two at once, in each second but the first


async def test_a_failure_that_an_earlier_version_stored_can_be_retried(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.evaluate(
            """() => new Promise((resolve) => {
                indexedDB.open("photo-captioner").onsuccess = ({ target }) => {
                    const change = target.result.transaction("thread", "readwrite");
                    change.objectStore("thread").put({
                        id: 7, name: "old.jpg", photo: new Blob(["old"]), answer: null,
                        trouble: "It failed.", language: "en", turn: 0, said: [],
                    });
                    change.oncomplete = resolve;
                };
            })"""
        )
        await page.reload()
        await expect(page.locator(".said")).to_have_text("It failed.")
        await expect(page.get_by_role("button", name="Retry", exact=True)).to_be_visible()


async def test_another_asks_on_within_one_click(browser: Browser) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        if options.seed == 3:
            return sentence("Two benches stand in a park.", 0.4)
        return replace(DOG, alternatives=())

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".said")).to_have_text("Two benches stand in a park.")
        await expect(page.locator(".note")).to_be_empty()


async def test_another_is_switched_off_when_nothing_is_left(browser: Browser) -> None:
    turns: list[int] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        turns.append(options.seed)
        return replace(DOG, alternatives=())

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        another = page.get_by_role("button", name=replies.ANOTHER)
        await another.click()
        for _ in range(2):
            await expect(another).to_have_attribute("aria-disabled", "true")
            await expect(another).to_have_accessible_description(
                f"Photo 1: photo 1.jpg {replies.NOTHING_ELSE}"
            )
            await reload(page)
        asked = len(turns)
        await another.click(force=True)
        await page.get_by_role("button", name=SENTENCES["copy"], exact=True).click()
        await expect(page.locator(".note")).to_contain_text("Copied")
        assert len(turns) == asked == 1 + 4


async def test_a_failure_is_shown_at_its_photo_until_the_next_click(browser: Browser) -> None:
    failing = False

    async def caption(photo: bytes, options: Options) -> Caption:
        if failing:
            raise RuntimeError
        return await captions_dog(photo, options)

    async with opened(browser, caption, allowed="500") as page:
        await choose(page, photo(1), photo(2))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        failing = True
        first = page.get_by_role("article").first
        another = first.get_by_role("button", name=replies.ANOTHER)
        await another.click()
        await expect(first.locator(".note")).to_have_text(replies.FAILED)
        await expect(page.locator(".note").last).to_be_empty()
        await expect(first.locator(".said")).to_have_text(DOG.text)
        failing = False
        await another.click()
        await expect(first.locator(".said")).to_have_text(TAKES[1])
        await expect(first.locator(".note")).to_be_empty()


async def test_a_busy_answer_to_another_leaves_with_its_countdown(browser: Browser) -> None:
    busy: list[Busy] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        if busy:
            raise busy.pop()
        return await captions_dog(photo, options)

    async with opened(browser, caption, allowed="503") as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        busy.append(Busy("full", 600))
        await page.get_by_role("button", name=replies.ANOTHER).click()
        note = page.locator(".note")
        await expect(note).to_have_text(replies.busy(Busy("full", 600)))
        await page.get_by_role("button", name="Retry", exact=True).click()
        await expect(page.locator(".said")).to_have_text(TAKES[1])
        await expect(note).to_be_empty()


@pytest.mark.parametrize("leave", ["Escape", "Close", "click"])
async def test_a_photo_is_enlarged_and_the_focus_returns(leave: str, browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, EXAMPLES / "bird.jpg")
        await expect(page.locator(".said")).to_have_text(DOG.text)
        button = page.get_by_role("button", name="Enlarge photo 1, bird.jpg")
        if leave == "Close":
            await page.locator(".sent img").click()
        else:
            await button.focus()
            await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="bird.jpg")
        image = dialog.get_by_role("img", name=DOG.text)
        await expect(image).to_be_in_viewport(ratio=1)
        box = await image.bounding_box()
        assert box
        assert box["height"] > 600
        await shot(page, "enlarged")
        if leave == "click":
            await image.click()
        elif leave == "Close":
            await dialog.get_by_role("button", name="Close").click()
        else:
            await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(button).to_be_focused()
