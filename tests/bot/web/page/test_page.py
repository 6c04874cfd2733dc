"""The web chat's page in a real Chromium, against the real server over loopback.

SCREENSHOTS=docs pytest tests/bot/web/page/test_page.py -k readme  # the README's picture
SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_page.py  # also one of every state
"""

import asyncio
import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from bot.access import Access
from bot.replies import replies
from bot.web.refusals import refusals
from bot.web.sentences import SENTENCES
from captioner import Busy, Caption, Captioner, Options
from captioner.result import Word
from tests.bot.web.browser import (
    CAT,
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    SCREENSHOTS,
    TAKES,
    Scheme,
    always,
    captions_dog,
    choose,
    opened,
    photo,
    reload,
    sentence,
    shot,
)
from tests.conftest import long, photo_bytes

pytestmark = IN_CHROMIUM


async def test_a_chosen_photo_is_captioned(browser: Browser) -> None:
    async with opened(browser) as page:
        await expect(
            page.get_by_role("heading", name="Drop a photo or a short video here")
        ).to_be_visible()
        await shot(page, "empty")
        await choose(page, photo(1))
        entry = page.get_by_role("article", name="photo 1.jpg")
        await expect(entry.locator(".said")).to_have_text(DOG.text)
        await expect(entry).to_have_attribute("aria-busy", "false")
        assert await entry.locator("img").evaluate("image => image.naturalWidth") == 96
        await expect(page.locator("#empty")).to_be_hidden()
        for name in (replies.ANOTHER, replies.LOOK, "Copy", "More"):
            await expect(entry.get_by_role("button", name=name, exact=True)).to_be_visible()
        await expect(entry.get_by_role("button", name="Retry")).to_be_hidden()


async def test_dropped_photos_are_captioned(browser: Browser, tmp_path: Path) -> None:
    files = [tmp_path / "one.jpg", tmp_path / "two.jpg"]
    for seed, file in enumerate(files):
        file.write_bytes(photo_bytes(seed))
    async with opened(browser) as page:
        mouse = await page.context.new_cdp_session(page)
        drag = {
            "x": 300,
            "y": 200,
            "data": {"items": [], "files": [*map(str, files)], "dragOperationsMask": 1},
        }
        await mouse.send("Input.dispatchDragEvent", {"type": "dragEnter", **drag})
        await mouse.send("Input.dispatchDragEvent", {"type": "dragOver", **drag})
        await expect(page.get_by_text("Drop to send")).to_be_visible()
        await shot(page, "drop")
        await mouse.send("Input.dispatchDragEvent", {"type": "drop", **drag})

        await expect(page.get_by_text("Drop to send")).to_be_hidden()
        for file in files:
            entry = page.get_by_role("article", name=file.name)
            await expect(entry.locator(".said")).to_have_text(DOG.text)


async def test_a_pasted_photo_is_captioned(browser: Browser) -> None:
    async with opened(browser) as page:
        picture = base64.b64encode(photo_bytes(1, "PNG")).decode()
        await page.evaluate(
            """async (picture) => {
                const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
                const blob = new Blob([bytes], { type: "image/png" });
                await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
            }""",
            picture,
        )
        await page.keyboard.press("Control+V")

        await expect(page.get_by_role("article").locator(".said")).to_have_text(DOG.text)


async def test_several_photos_keep_their_order_and_go_two_at_a_time(browser: Browser) -> None:
    go = asyncio.Event()
    seen: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        seen.append(photo)
        await go.wait()
        return DOG

    photos = [photo(seed) for seed in range(4)]
    async with opened(browser, caption) as page:
        await choose(page, *photos)
        entries = page.get_by_role("article")
        await expect(entries).to_have_count(4)
        await expect(page.get_by_text("Looking…")).to_have_count(2)
        await expect(page.get_by_text("Waiting for its turn…")).to_have_count(2)
        assert await entries.nth(3).get_attribute("aria-busy") == "true"
        await until_seen(seen, 2)
        await shot(page, "waiting")
        go.set()
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(4)

        for number, one in enumerate(photos, 1):
            name = f"Photo {number}: {one['name']}"
            await expect(entries.nth(number - 1)).to_have_accessible_name(name)
        assert sorted(seen[:2]) == sorted(one["buffer"] for one in photos[:2])
        assert len(seen) == 4


async def until_seen(seen: list[bytes], number: int) -> None:
    async with asyncio.timeout(10):
        while len(seen) < number:
            await asyncio.sleep(0.01)


async def test_a_file_that_is_not_a_picture_is_refused_by_the_server(
    browser: Browser,
) -> None:
    letter: FilePayload = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}
    async with opened(browser, allowed="415") as page:
        await choose(page, letter)
        entry = page.get_by_role("article", name="a.txt")
        await expect(entry.locator(".said")).to_contain_text("I cannot read this file")
        await expect(entry.get_by_text(SENTENCES["no_preview"])).to_be_visible()
        await expect(entry.locator("img")).to_be_hidden()
        for name in ("Retry", replies.ANOTHER):
            await expect(entry.get_by_role("button", name=name)).to_be_hidden()
        await shot(page, "refused")


async def test_a_file_that_is_too_large_is_refused_by_the_server(browser: Browser) -> None:
    large: FilePayload = {**photo(1), "buffer": bytes(3 * 2**20)}
    async with opened(browser, allowed="413") as page:
        await choose(page, large)
        await expect(page.locator(".said")).to_have_text(replies.too_large(2))


async def test_a_busy_server_is_asked_again_after_a_countdown(browser: Browser) -> None:
    busy = [Busy("full", 1), Busy("full", 600)]

    async def caption(photo: bytes, options: Options) -> Caption:
        if busy:
            raise busy.pop(0)
        return DOG

    async with opened(browser, caption, allowed="503") as page:
        await choose(page, photo(1))
        await expect(page.locator(".countdown")).to_have_text("Trying again in 1 s.")
        await expect(page.locator(".countdown")).to_contain_text(re.compile("in (600|599) s"))
        await expect(page.locator(".said")).to_have_text(replies.busy(Busy("full", 600)))
        await shot(page, "busy")
        await page.get_by_role("button", name="Retry").click()
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await expect(page.locator(".countdown")).to_be_hidden()


async def test_a_photo_above_the_rate_is_sent_again_when_allowed(browser: Browser) -> None:
    async with opened(browser, access=Access("1/second"), allowed="429") as page:
        await choose(page, photo(1), photo(2))
        await expect(page.locator(".said", has_text="too much for now")).to_be_visible()
        await expect(page.get_by_text("Trying again in")).to_be_visible()
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)


async def test_an_address_that_is_not_allowed_is_refused(browser: Browser) -> None:
    async with opened(browser, access=Access(allowed={"web:192.0.2.1"}), allowed="403") as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(replies.NOT_ALLOWED)


TOKEN = "a tökén ✓"


async def enter(page: Page, token: str) -> None:
    field = page.get_by_label("Token", exact=True)
    await expect(field).to_be_focused()
    await field.fill(token)
    await page.keyboard.press("Enter")


async def test_a_token_is_asked_for_and_the_photo_that_waited_is_sent(browser: Browser) -> None:
    async with opened(browser, token=TOKEN, allowed="401") as page:
        await choose(page, photo(1), photo(2), photo(3))
        dialog = page.get_by_role("dialog", name=SENTENCES["token_title"])
        await expect(dialog).to_contain_text(refusals.NEEDS_TOKEN)
        await expect(dialog.locator(".wrong")).to_be_hidden()
        await enter(page, f" {TOKEN} ")
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(3)
        await expect(dialog).to_be_hidden()

        await page.reload()
        await choose(page, photo(4))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(4)


async def test_a_wrong_token_is_reported_and_asked_for_again(browser: Browser) -> None:
    async with opened(browser, token=TOKEN, allowed="401") as page:
        await choose(page, photo(1))
        await enter(page, "wrong")
        field = page.get_by_label("Token", exact=True)
        await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(
            refusals.WRONG_TOKEN
        )
        await expect(field).to_have_accessible_description(refusals.WRONG_TOKEN)
        await expect(field).to_have_value("")
        await enter(page, TOKEN)
        await expect(page.locator(".said")).to_have_text(DOG.text)


async def test_a_refusal_that_comes_after_the_token_asks_for_nothing(browser: Browser) -> None:
    seen: list[str] = []
    go = asyncio.Event()

    async def hold_the_second(route: Route) -> None:
        seen.append(route.request.url)
        if len(seen) == 2:
            await go.wait()
        await route.continue_()

    async with opened(browser, token=TOKEN, allowed="401") as page:
        await page.route("**/api/caption*", hold_the_second)
        await choose(page, photo(1), photo(2))
        await enter(page, TOKEN)
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(1)
        go.set()
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)


@pytest.mark.parametrize("leave", ["Escape", "Not now"])
async def test_a_person_without_a_token_can_try_again_later(leave: str, browser: Browser) -> None:
    async with opened(browser, token=TOKEN, allowed="401") as page:
        await choose(page, *[photo(seed) for seed in range(4)])
        await expect(page.get_by_role("dialog")).to_be_visible()
        if leave == "Escape":
            await page.keyboard.press("Escape")
        else:
            await page.get_by_role("button", name=leave).click()
        await expect(page.locator(".said", has_text=refusals.NEEDS_TOKEN)).to_have_count(4)
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await page.get_by_role("button", name="Retry").first.click()
        await enter(page, TOKEN)
        await expect(page.locator(".said").first).to_have_text(DOG.text)


async def test_a_token_works_in_a_browser_without_storage(browser: Browser) -> None:
    refusing = "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error(); } })"
    async with (
        opened(browser, token=TOKEN, allowed="401") as page,
        await page.add_init_script(refusing),
    ):
        await page.reload()
        await choose(page, photo(1))
        await enter(page, TOKEN)
        await expect(page.locator(".said")).to_have_text(DOG.text)


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (360, 740, "light"),
        (1440, 900, "dark"),
        pytest.param(360, 740, "dark", marks=long),
        pytest.param(1440, 900, "light", marks=long),
    ],
)
async def test_the_token_field_fits_phones_and_desktops_in_light_and_dark(
    width: int, height: int, scheme: Scheme, browser: Browser
) -> None:
    size = (width, height)
    async with opened(browser, token=TOKEN, allowed="401", viewport=size, scheme=scheme) as page:
        await choose(page, EXAMPLES / "bird.jpg")
        await expect(page.get_by_role("dialog")).to_be_in_viewport(ratio=1)
        await shot(page, f"token-{scheme}-{width}")
        await enter(page, "wrong")
        await expect(page.get_by_text(refusals.WRONG_TOKEN)).to_be_visible()
        await expect(page.get_by_role("dialog")).to_be_in_viewport(ratio=1)
        await shot(page, f"token-wrong-{scheme}-{width}")


async def test_another_gives_a_different_caption_each_time(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        said = page.locator(".said")
        await expect(said).to_have_text(DOG.text)
        another = page.get_by_role("button", name=replies.ANOTHER)
        for turn in (1, 2):
            await another.click()
            await expect(said).to_have_text(TAKES[turn])
        await page.get_by_role("button", name=replies.LOOK).click()
        considered = page.locator(".considered li")
        await expect(considered.filter(has_text=TAKES[2])).to_contain_text(SENTENCES["chosen"])
        await expect(considered.filter(has_text=DOG.text)).to_have_count(1)


async def test_another_says_when_there_is_no_other_caption(browser: Browser) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(DOG, alternatives=())

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".note")).to_have_text(replies.NOTHING_ELSE)
        await expect(page.locator(".said")).to_have_text(DOG.text)


async def test_the_glass_box_is_used_with_the_keyboard(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        look = page.get_by_role("button", name=replies.LOOK)
        await look.focus()
        await page.keyboard.press("Enter")
        await expect(look).to_have_attribute("aria-expanded", "true")
        words = page.locator(".word")
        assert " ".join(await words.all_text_contents()) == "A dog 's ball rolls over the grass."
        await expect(words.first).to_have_attribute("aria-current", "true")
        await expect(words.nth(1)).to_have_accessible_name(
            "dog, 50% likely, looking at the upper right"
        )
        assert await words.evaluate_all("all => all.filter((w) => w.tabIndex === 0).length") == 1

        await words.first.focus()
        for key, current in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 7)):
            await page.keyboard.press(key)
            await expect(words.nth(current)).to_be_focused()
            await expect(words.nth(current)).to_have_attribute("aria-current", "true")
        await expect(page.locator(".now")).to_have_text(
            "“grass”: 50% likely, looking at the upper right"
        )
        await words.nth(3).hover()
        await expect(page.locator(".now")).to_contain_text("“ball”")

        await look.click()
        await expect(look).to_have_attribute("aria-expanded", "false")
        await expect(page.locator(".glass")).to_be_hidden()


@pytest.mark.parametrize(("word", "bright", "dark"), [(0, "right", "left"), (6, "left", "right")])
async def test_the_photo_is_bright_where_the_model_looked(
    word: int, bright: str, dark: str, browser: Browser
) -> None:
    file = io.BytesIO()
    Image.new("RGB", (96, 80), "silver").save(file, "PNG")
    plain: FilePayload = {"name": "a.png", "mimeType": "image/png", "buffer": file.getvalue()}
    async with opened(browser) as page:
        await choose(page, plain)
        await page.get_by_role("button", name=replies.LOOK).click()
        await page.locator(".word").nth(word).click()
        sums = await page.locator("canvas").evaluate(
            """(canvas) => {
                const { width, height } = canvas;
                const part = (x) => canvas.getContext("2d")
                    .getImageData(x, 0, width / 2, height).data
                    .reduce((sum, value, at) => at % 4 < 3 ? sum + value : sum, 0);
                return { left: part(0), right: part(width / 2) };
            }"""
        )
        assert sums[bright] > 1.2 * sums[dark]


async def test_other_captions_are_listed_with_their_confidence(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.LOOK).click()
        lines = page.locator(".considered li")
        await expect(lines).to_have_count(3)
        considered = (DOG, *DOG.alternatives[:2])
        percents = [round(100 * one.confidence) for one in considered]
        shown = await page.locator(".percent").all_text_contents()
        assert shown == [f"{percent}%" for percent in sorted(percents, reverse=True)]
        widths = await page.locator(".bar i").evaluate_all("all => all.map((i) => i.offsetWidth)")
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] < widths[0]


async def test_play_walks_through_the_words_and_pause_holds(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.LOOK).click()
        play = page.locator(".play")
        await expect(play).to_have_text("Play")  # with reduced motion nothing plays by itself
        await play.click()
        await expect(play).to_have_text("Pause")
        await expect(page.locator(".word").nth(1)).to_have_attribute("aria-current", "true")
        await play.click()
        await expect(play).to_have_text("Play")


async def test_the_glass_box_plays_by_itself_unless_motion_is_unwanted(browser: Browser) -> None:
    async with opened(browser, motion="no-preference") as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(page.locator(".play")).to_have_text("Pause")
        await expect(page.locator(".word").nth(1)).to_have_attribute("aria-current", "true")


async def test_a_model_without_attention_still_shows_its_words(browser: Browser) -> None:
    words = tuple(Word(word.text, word.logprob, None) for word in DOG.words)

    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(DOG, words=words, alternatives=())

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(page.get_by_text(replies.NO_ATTENTION)).to_be_visible()
        await expect(page.locator("canvas")).to_be_hidden()
        await page.locator(".word").nth(1).click()
        await expect(page.locator(".now")).to_have_text("“dog”: 50% likely")


async def test_doubt_is_a_quiet_mark_that_is_read_once_after_the_caption(
    browser: Browser,
) -> None:
    async with opened(browser, always(replace(DOG, confidence=0.1))) as page:
        await choose(page, photo(1))
        said = page.locator(".said")
        await expect(said).to_have_text(f"{DOG.text} Not sure")
        mark = said.locator(".doubt")
        await expect(mark).to_have_text("Not sure")
        assert await mark.evaluate("(mark) => mark.offsetWidth > 2 * mark.offsetHeight")
        await expect(page.get_by_role("article").get_by_text("Not sure")).to_have_count(1)
        await shot(page, "not-sure")


async def test_a_sure_caption_has_no_mark(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await expect(page.locator(".doubt")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_doubt_can_be_read_by_people_who_see_little_contrast(
    scheme: Scheme, browser: Browser
) -> None:
    async with opened(browser, always(replace(DOG, confidence=0.1)), scheme=scheme) as page:
        await choose(page, photo(1))
        colors = await page.locator(".doubt").evaluate(
            """(mark) => [
                getComputedStyle(mark).color,
                getComputedStyle(mark.closest(".bubble")).backgroundColor,
            ]"""
        )
    darker, lighter = sorted(map(luminance, colors))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5  # WCAG 2.2, AA


def luminance(color: str) -> float:
    """Return the relative luminance of `rgb(...)`, as WCAG 2.2 defines it."""
    parts = np.array([int(part) for part in re.findall(r"\d+", color)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


async def test_a_guess_comes_without_percentages(browser: Browser) -> None:
    async with opened(browser, always(replace(DOG, out_of_distribution=True))) as page:
        await choose(page, photo(1))
        entry = page.get_by_role("article")
        await expect(entry.locator(".said")).to_have_text(f"{DOG.text} Only a guess")
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(entry.locator(".considered li")).to_have_count(3)
        await expect(entry.locator("h4")).to_have_text(SENTENCES["considered"])
        await expect(entry.locator(".word").nth(1)).to_have_accessible_name(
            "dog, looking at the upper right"
        )
        await entry.locator(".word").nth(1).click()
        await expect(entry.locator(".now")).to_have_text("“dog”: looking at the upper right")
        assert "%" not in await entry.inner_text()
        assert "sure" not in await entry.locator(".glass").inner_text()
        await shot(page, "guess")


async def test_a_name_replaces_a_caption_that_does_not_agree_with_it(browser: Browser) -> None:
    guesses = [
        replace(one, out_of_distribution=True, objects=(CAT,)) for one in (DOG, *DOG.alternatives)
    ]
    named = replace(guesses[0], alternatives=tuple(guesses[1:]))
    async with opened(browser, always(named)) as page:
        await choose(page, photo(1))
        entry = page.get_by_role("article")
        await expect(entry.locator(".said")).to_have_text("It looks like a tabby cat.")
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(entry.locator(".unsaid")).to_have_text(replies.LOOKED_UNSAID)
        await expect(entry.locator(".considered")).not_to_contain_text(SENTENCES["chosen"])
        await shot(page, "name")

        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(entry.locator(".note")).to_have_text(replies.NOTHING_ELSE)
        await expect(entry.locator(".said")).to_have_text("It looks like a tabby cat.")


async def test_a_caption_that_agrees_with_the_name_comes_behind_it(browser: Browser) -> None:
    cat = sentence("A cat sits on a couch.", 0.4)
    async with opened(
        browser, always(replace(cat, out_of_distribution=True, objects=(CAT,)))
    ) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(
            "It looks like a tabby cat. Perhaps: a cat sits on a couch."
        )
        await expect(page.locator(".doubt")).to_have_text("Perhaps: a cat sits on a couch.")
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(page.locator(".unsaid")).to_be_hidden()
        await shot(page, "perhaps")


async def test_a_reload_keeps_the_thread_and_clear_empties_it(browser: Browser) -> None:
    calls: list[bytes] = []

    async def caption(photo: bytes, options: Options) -> Caption:
        calls.append(photo)
        return await captions_dog(photo, options)

    async with opened(browser, caption, allowed="415") as page:
        await choose(page, photo(1), {"name": "b", "mimeType": "image/png", "buffer": b"b"})
        await expect(page.locator(".said", has_text="cannot read this file")).to_be_visible()
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(page.locator(".said").first).to_have_text(TAKES[1])
        await reload(page)

        entries = page.get_by_role("article")
        await expect(entries).to_have_count(2)
        await expect(entries.first.locator(".said")).to_have_text(TAKES[1])
        await expect(entries.nth(1).locator(".said")).to_contain_text("cannot read this file")
        assert await page.locator(".sent img").first.evaluate("image => image.decode()") is None
        await page.get_by_role("button", name=replies.LOOK).click()
        await expect(page.locator(".word").first).to_be_visible()
        assert len(calls) == 3  # the reload sent no photo
        await page.get_by_role("button", name=replies.ANOTHER).click()
        await expect(entries.first.locator(".said")).to_have_text(TAKES[2])

        await page.get_by_role("button", name="Clear").click()
        await expect(entries).to_have_count(0)
        await expect(page.get_by_role("button", name="Choose files")).to_be_focused()
        await expect(page.locator("#empty")).to_be_visible()
        await reload(page)
        await expect(page.locator("#empty")).to_be_visible()
        await expect(entries).to_have_count(0)


async def test_a_photo_without_an_answer_is_sent_again_after_a_reload(browser: Browser) -> None:
    go = asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        await go.wait()
        return DOG

    async with opened(browser, caption) as page:
        await choose(page, photo(1))
        await expect(page.get_by_text("Looking…")).to_be_visible()
        await reload(page)
        go.set()
        await expect(page.locator(".said")).to_have_text(DOG.text)


async def test_only_the_last_twenty_photos_are_kept(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, *[photo(seed) for seed in range(22)])
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(22)
        await reload(page)
        await expect(page.get_by_role("article")).to_have_count(20)
        first = page.get_by_role("article").first
        await expect(first).to_have_accessible_name("Photo 1: photo 2.jpg")


async def test_everything_works_without_browser_storage(browser: Browser) -> None:
    missing = "Object.defineProperty(window, 'indexedDB', { value: null })"
    async with opened(browser) as page, await page.add_init_script(missing):
        await page.reload()
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await page.get_by_role("button", name="Clear").click()
        await expect(page.locator("#empty")).to_be_visible()


async def test_about_describes_the_model_and_what_is_kept(browser: Browser) -> None:
    async with opened(browser) as page:
        await page.get_by_role("button", name="About").click()
        dialog = page.get_by_role("dialog", name="About")
        await expect(dialog).to_contain_text("I am a <model>.")
        await expect(dialog).to_contain_text(replies.PRIVACY)
        await shot(page, "about")
        await page.get_by_role("button", name="Close").click()
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="About")).to_be_focused()


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (360, 740, "light"),
        (768, 900, "dark"),
        (1440, 900, "light"),
        pytest.param(360, 740, "dark", marks=long),
        pytest.param(768, 900, "light", marks=long),
        pytest.param(1440, 900, "dark", marks=long),
    ],
)
async def test_the_page_fits_phones_and_desktops_in_light_and_dark(
    width: int, height: int, scheme: Scheme, browser: Browser
) -> None:
    phone = width < 500
    async with opened(browser, viewport=(width, height), scheme=scheme, phone=phone) as page:
        await expect(page.get_by_role("button", name="Take a photo")).to_be_visible(visible=phone)
        await choose(page, EXAMPLES / "bird.jpg", EXAMPLES / "photographer.jpg")
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        await shot(page, f"thread-{scheme}-{width}")
        await page.get_by_role("button", name=replies.LOOK).last.click()
        await page.locator(".word").nth(3).focus()
        await expect(page.locator("canvas")).to_be_in_viewport()
        await shot(page, f"glass-{scheme}-{width}")
        await page.locator(".considered").scroll_into_view_if_needed()
        await shot(page, f"considered-{scheme}-{width}")


async def test_the_newest_photo_stays_in_view_until_the_reader_scrolls_up(
    browser: Browser,
) -> None:
    photos = [EXAMPLES / "bird.jpg", EXAMPLES / "tourist.jpg", EXAMPLES / "bird.jpg"]
    async with opened(browser) as page:
        await choose(page, *photos)
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(3)
        await expect(page.locator(".actions").last).to_be_in_viewport(ratio=1)
        await page.mouse.move(300, 300)
        await page.mouse.wheel(0, -5000)
        await expect(page.locator(".sent img").first).to_be_in_viewport()
        await page.locator(".copy").first.click()
        await expect(page.locator(".note").first).to_be_in_viewport(ratio=1)
        await expect(page.locator(".actions").last).not_to_be_in_viewport()


@pytest.mark.skipif(not SCREENSHOTS, reason="SCREENSHOTS names no folder for pictures")
async def test_the_readme_shows_the_page_with_the_real_captioner(browser: Browser) -> None:
    size = (820, 840)
    async with (
        Captioner.load() as captioner,
        opened(browser, captioner.caption, viewport=size) as page,
    ):
        await choose(page, EXAMPLES / "bird.jpg")
        await page.get_by_role("button", name=replies.LOOK).click()
        await page.locator(".word").nth(1).click()
        await expect(page.locator(".now")).to_contain_text("likely")
        await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        await page.mouse.move(0, 0)
        file = Path(SCREENSHOTS or "") / "web-chat.png"
        await page.screenshot(path=file)
    assert file.stat().st_size < 400_000
