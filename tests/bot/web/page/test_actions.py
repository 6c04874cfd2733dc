"""The row of buttons under a caption, in Chromium: its keys, its menu, and what the buttons do.

SCREENSHOTS=/tmp/page pytest tests/bot/web/page/test_actions.py    # also a picture of every state
"""

import json
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from bot.replies import replies
from bot.web.sentences import SENTENCES
from captioner import Busy, Caption, Options
from captioner.wording import NOT_SURE
from tests.bot.web.browser import (
    CAT,
    DOG,
    EXAMPLES,
    IN_CHROMIUM,
    TAKES,
    always,
    choose,
    opened,
    photo,
    sentence,
    shot,
)
from tests.conftest import long

pytestmark = IN_CHROMIUM

UNSURE = replace(DOG, confidence=0.1)
ROW = (replies.ANOTHER, replies.LOOK, "Copy", "Read aloud", "More")
ARABIC = replace(sentence("كلب يركض على العشب.", 0.6), language="ar")


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def item(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("menuitem", name=name, exact=True)


async def copied(page: Page) -> str:
    text: str = await page.evaluate("navigator.clipboard.readText()")
    return text


async def items(page: Page) -> list[str]:
    return await page.get_by_role("menuitem").all_inner_texts()


async def test_the_row_is_a_toolbar_with_one_tab_stop_and_arrow_keys(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        row = page.get_by_role("toolbar", name="Caption of photo 1.jpg")
        await expect(row.get_by_role("button")).to_have_text(list(ROW))
        stops = "row => [...row.children].filter((one) => one.tabIndex === 0).length"
        await button(row, "Copy").click()
        assert await row.evaluate(stops) == 1
        for key, name in (
            ("ArrowRight", "Read aloud"),
            ("ArrowRight", "More"),
            ("ArrowRight", "More"),
            ("Home", replies.ANOTHER),
            ("ArrowLeft", replies.ANOTHER),
            ("ArrowRight", replies.LOOK),
            ("End", "More"),
        ):
            await page.keyboard.press(key)
            await expect(button(row, name)).to_be_focused()
            assert await row.evaluate(stops) == 1
        await page.keyboard.press("Tab")
        await expect(button(page, SENTENCES["download"])).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        await expect(button(row, "More")).to_be_focused()


async def test_arrow_keys_are_mirrored_from_right_to_left(browser: Browser) -> None:
    async with opened(browser, always(ARABIC), query="/?language=ar") as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(ARABIC.text)
        await page.locator(".copy").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator(".read")).to_be_focused()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await expect(page.locator(".look")).to_be_focused()


async def test_hidden_and_disabled_buttons_are_skipped(browser: Browser) -> None:
    captions: list[Caption | Busy] = [DOG, Busy("full", 600)]

    async def caption(given: bytes, options: Options) -> Caption:
        said = captions.pop(0)
        if isinstance(said, Busy):
            raise said
        return said

    async with opened(browser, caption, allowed="503") as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await choose(page, photo(2))
        retry = page.locator(".retry").last
        await expect(retry).to_be_visible()
        await expect(retry).to_have_attribute("tabindex", "0")
        row = page.get_by_role("toolbar").first
        await page.evaluate(
            """() => {
                document.querySelector(".another").setAttribute("aria-disabled", "true");
                document.querySelector(".read").hidden = true;
            }"""
        )
        await expect(button(row, replies.LOOK)).to_have_attribute("tabindex", "0")
        await button(row, "Copy").focus()
        await page.keyboard.press("ArrowRight")
        await expect(button(row, "More")).to_be_focused()
        await page.keyboard.press("Home")
        await expect(button(row, replies.LOOK)).to_be_focused()


async def test_a_button_that_comes_later_joins_the_row(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await expect(page.locator(".said")).to_have_text(DOG.text)
        await button(page, "More").focus()
        await page.evaluate(
            """() => {
                const late = document.createElement("button");
                late.textContent = "Late";
                document.querySelector(".actions").append(late);
            }"""
        )
        await page.keyboard.press("ArrowRight")
        await expect(button(page, "Late")).to_be_focused()


async def test_the_menu_is_used_with_the_keyboard(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        more = button(page, "More")
        await expect(more).to_be_visible()
        await more.focus()
        await expect(more).to_have_attribute("aria-expanded", "false")
        await page.keyboard.press("Enter")
        await expect(more).to_have_attribute("aria-expanded", "true")
        names = await items(page)
        assert names == [
            SENTENCES[name] for name in ("copy_doubt", "copy_html", "copy_markdown", "edit")
        ]
        await expect(item(page, names[0])).to_be_focused()
        for key, name in (
            ("ArrowDown", names[1]),
            ("End", names[-1]),
            ("ArrowDown", names[0]),
            ("ArrowUp", names[-1]),
            ("Home", names[0]),
            ("c", names[1]),
            ("e", names[3]),
        ):
            await page.keyboard.press(key)
            await expect(item(page, name)).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("menu")).to_be_hidden()
        await expect(more).to_be_focused()
        await expect(more).to_have_attribute("aria-expanded", "false")

        await page.keyboard.press("ArrowUp")
        await expect(item(page, names[-1])).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("menu")).to_be_hidden()
        await expect(button(page, SENTENCES["download"])).to_be_focused()


async def test_the_menu_closes_by_a_click_on_its_button_or_beside_it(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        more = button(page, "More")
        for beside in (more, page.locator(".said"), page.locator("h1")):
            await more.click()
            await expect(page.get_by_role("menu")).to_be_visible()
            await beside.click()
            await expect(page.get_by_role("menu")).to_be_hidden()
            await expect(more).to_be_focused()
            await expect(more).to_have_attribute("aria-expanded", "false")


async def test_the_row_and_its_menu_work_by_touch(browser: Browser) -> None:
    async with opened(browser, viewport=(360, 740), phone=True) as page:
        await choose(page, photo(1))
        await button(page, "More").tap()
        await item(page, "Copy as HTML").tap()
        await expect(page.get_by_role("menu")).to_be_hidden()
        await expect(page.locator(".note")).to_contain_text("Copied: “<img")
        await button(page, replies.ANOTHER).tap()
        await expect(page.locator(".said")).to_have_text(TAKES[1])


async def test_the_caption_is_copied_without_or_with_its_doubt(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await choose(page, photo(1))
        await button(page, "Copy").click()
        await expect(page.locator(".note")).to_have_text(f"Copied: “{DOG.text}”")
        assert await copied(page) == DOG.text
        await button(page, "More").click()
        await item(page, "Copy with doubt").click()
        doubtful = f"{DOG.text} ({NOT_SURE})"
        await expect(page.locator(".note")).to_have_text(f"Copied: “{doubtful}”")
        assert await copied(page) == doubtful


async def test_a_sure_caption_cannot_be_copied_with_doubt(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await button(page, "More").click()
        await expect(item(page, "Edit")).to_be_visible()
        await expect(item(page, "Copy with doubt")).to_be_hidden()


GUESS = replace(DOG, out_of_distribution=True)
NAMED = replace(sentence("A cat sits on a couch.", 0.4), out_of_distribution=True, objects=(CAT,))


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        (GUESS, DOG.text),
        (NAMED, "A cat sits on a couch."),
        (replace(GUESS, objects=(CAT,)), "A tabby cat."),
    ],
)
async def test_of_a_guess_the_sentence_that_serves_as_alt_text_is_copied(
    caption: Caption, text: str, browser: Browser
) -> None:
    async with opened(browser, always(caption)) as page:
        await choose(page, photo(1))
        await button(page, "Copy").click()
        await expect(page.locator(".note")).to_have_text(f"Copied: “{text}”")
        assert await copied(page) == text


@pytest.mark.parametrize(
    ("name", "html", "markdown"),
    [
        ("boats.jpg", "boats.jpg", "boats.jpg"),
        ("Größe 1.jpg", "Größe%201.jpg", "Größe%201.jpg"),
        (
            '"><b onx=1>&amp;(a)[b].jpg',
            "%22%3E%3Cb%20onx%3D1%3E%26amp%3B%28a%29%5Bb%5D.jpg",
            "%22%3E%3Cb%20onx%3D1%3E%26amp%3B%28a%29%5Bb%5D.jpg",
        ),
        ("javascript:1.jpg", "javascript%3A1.jpg", "javascript%3A1.jpg"),
    ],
)
async def test_source_is_copied_with_everything_escaped(
    name: str, html: str, markdown: str, browser: Browser
) -> None:
    text = 'A *dog* <b>"plays"</b> & [it]\\ has_one.'
    file: FilePayload = {**photo(1), "name": name}
    async with opened(browser, always(replace(DOG, text=text))) as page:
        await choose(page, file)
        await button(page, "More").click()
        await item(page, "Copy as HTML").click()
        await expect(page.locator(".note")).to_contain_text("Copied")
        alt = "A *dog* &lt;b&gt;&quot;plays&quot;&lt;/b&gt; &amp; [it]\\ has_one."
        source = await copied(page)
        assert source == f'<img src="{html}" alt="{alt}">'
        await button(page, "More").click()
        await item(page, "Copy as Markdown").click()
        alt = 'A \\*dog\\* \\<b\\>"plays"\\</b\\> \\& \\[it\\]\\\\ has\\_one.'
        await expect(page.locator(".note")).to_contain_text("Copied: “![")
        assert await copied(page) == f"![{alt}]({markdown})"


async def test_copying_works_without_the_clipboard_api(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        await button(page, "Copy").click()
        await expect(page.locator(".note")).to_contain_text("Copied")
        assert await copied(page) == DOG.text
        await expect(button(page, "Copy")).to_be_focused()


async def test_a_browser_that_copies_nothing_is_named_in_the_note(browser: Browser) -> None:
    async with opened(browser) as page:
        await choose(page, photo(1))
        await page.evaluate(
            """() => {
                navigator.clipboard.writeText = () => Promise.reject();
                document.execCommand = () => false;
            }"""
        )
        await button(page, "Copy").click()
        await expect(page.locator(".note")).to_have_text(
            SENTENCES["not_copied"].format(text=DOG.text)
        )


# A voice is (language, of this device, chosen by the system). The engine speaks until it is told
# that it has ended.
SPEECH = """(voices) => {
    const spoken = [];
    const engine = {
        getVoices: () => voices.map(([lang, localService, isDefault]) =>
            ({ lang, localService, default: isDefault })),
        addEventListener: (name, listener) => { engine.voicesCame = listener; },
        speak: (utterance) => { spoken.push(utterance); engine.now = utterance; },
        cancel: () => { engine.now?.onerror({ error: "canceled" }); engine.now = null; },
        now: null,
        spoken,
    };
    Object.defineProperty(window, "speechSynthesis", { value: engine });
    window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
}"""
GERMAN = replace(sentence("Der Hund rennt.", 0.6), language="de")
VOICES = [("en_US", True, True), ("de-AT", True, False), ("de-DE", True, False)]


async def give_voices(page: Page, *voices: tuple[str, bool, bool]) -> None:
    await page.add_init_script(f"({SPEECH})({json.dumps(voices)})")
    await page.reload()


async def test_read_aloud_reads_in_the_language_of_the_caption_until_stopped(
    browser: Browser,
) -> None:
    async with opened(browser, always(GERMAN)) as page:
        await give_voices(page, *VOICES)
        await choose(page, photo(1))
        await button(page, "Read aloud").click()
        stop = button(page, "Stop")
        await expect(stop).to_be_focused()
        said = "({ text, lang }) => [text, lang]"
        spoken = f"speechSynthesis.spoken.map({said})"
        assert await page.evaluate(spoken) == [[GERMAN.text, "de-DE"]]
        await stop.click()
        assert await page.evaluate("speechSynthesis.now") is None
        await expect(page.locator(".note")).to_be_empty()
        await button(page, "Read aloud").click()
        await expect(stop).to_be_visible()
        await page.evaluate("speechSynthesis.now.onend()")
        await expect(button(page, "Read aloud")).to_be_focused()
        assert len(await page.evaluate(spoken)) == 2


async def test_one_caption_is_read_at_a_time_and_none_that_has_gone(browser: Browser) -> None:
    async with opened(browser) as page:
        await give_voices(page, *VOICES)
        await choose(page, photo(1), photo(2))
        await expect(page.locator(".said", has_text=DOG.text)).to_have_count(2)
        await page.locator(".read").first.click()
        await page.locator(".read").last.click()
        await expect(page.locator(".read").first).to_have_text("Read aloud")
        await expect(page.locator(".read").last).to_have_text("Stop")
        await button(page, replies.ANOTHER).last.click()
        await expect(page.locator(".said").last).to_have_text(TAKES[1])
        await expect(page.locator(".read").last).to_have_text("Read aloud")
        await page.locator(".read").last.click()
        await expect(page.locator(".read").last).to_have_text("Stop")
        await page.get_by_role("button", name="Clear").click()
        assert await page.evaluate("speechSynthesis.now") is None


@pytest.mark.parametrize("voices", [[("en-US", True, True)], [("de-DE", False, True)]])
async def test_a_device_without_a_voice_says_so_and_asks_no_server(
    voices: list[tuple[str, bool, bool]], browser: Browser
) -> None:
    async with opened(browser, always(GERMAN)) as page:
        await give_voices(page, *voices)
        await choose(page, photo(1))
        await button(page, "Read aloud").click()
        await expect(page.locator(".note")).to_have_text("This device has no voice for Deutsch.")
        await expect(button(page, "Read aloud")).to_be_focused()
        assert await page.evaluate("speechSynthesis.spoken.length") == 0


async def test_voices_that_come_late_are_waited_for(browser: Browser) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await give_voices(page)
        await choose(page, photo(1))
        await button(page, "Read aloud").click()
        await page.evaluate(
            """() => {
                const voice = { lang: "en-GB", localService: true, default: true };
                speechSynthesis.getVoices = () => [voice];
                speechSynthesis.voicesCame();
            }"""
        )
        await expect(button(page, "Stop")).to_be_visible()
        assert await page.evaluate("speechSynthesis.now.lang") == "en-GB"
        assert await page.evaluate("speechSynthesis.now.text") == f"{DOG.text} ({NOT_SURE})"
        await page.evaluate("speechSynthesis.now.onerror({ error: 'audio-hardware' })")
        await expect(page.locator(".note")).to_have_text(SENTENCES["not_read"])


async def test_a_browser_that_cannot_speak_has_no_button_for_it(browser: Browser) -> None:
    async with opened(browser) as page:
        silent = "delete window.speechSynthesis; delete window.SpeechSynthesisUtterance"
        await page.add_init_script(silent)
        await page.reload()
        await choose(page, photo(1))
        await button(page, "Copy").focus()
        await expect(button(page, "Copy")).to_be_visible()
        await expect(page.locator(".read")).to_be_hidden()


SHARE = """(files, error) => {
    window.sharedItems = [];
    navigator.canShare = (data) => files || !data.files;
    navigator.share = async (data) => {
        if (error) throw new DOMException("", error);
        sharedItems.push([data.text, data.files?.[0].name, data.files?.[0].type]);
    };
}"""


async def share(page: Page, *, files: bool = True, error: str = "") -> None:
    await page.add_init_script(f"({SHARE})({json.dumps(files)}, {json.dumps(error)})")
    await page.reload()
    await choose(page, photo(1))
    await button(page, "More").click()
    await item(page, "Share").click()


@pytest.mark.parametrize("files", [True, False])
async def test_share_passes_on_the_caption_and_where_it_can_the_photo(
    files: bool, browser: Browser
) -> None:
    async with opened(browser, always(UNSURE)) as page:
        await share(page, files=files)
        sent = [DOG.text, *(("photo 1.jpg", "image/jpeg") if files else (None, None))]
        assert await page.evaluate("sharedItems") == [sent]
        await expect(page.locator(".note")).to_be_empty()


@pytest.mark.parametrize(
    ("error", "note"),
    [("AbortError", ""), ("NotAllowedError", SENTENCES["not_shared"].format(text=DOG.text))],
)
async def test_a_person_who_shares_after_all_not_is_told_nothing(
    error: str, note: str, browser: Browser
) -> None:
    async with opened(browser) as page:
        await share(page, error=error)
        await expect(page.locator(".note")).to_have_text(note)


LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"scheme": "dark"},
    "narrow": {"viewport": (320, 640)},
    "narrow-arabic": {"viewport": (320, 640), "query": "/?language=ar"},
    "arabic": {"query": "/?language=ar", "viewport": (900, 700)},
    "large-text": {"viewport": (640, 720)},
    "large-text-narrow": {"viewport": (320, 640)},
    "forced-colours": {},
}

# The header and the composer have tests of their own.
LARGE_TEXT = """() => {
    document.documentElement.style.setProperty("font-size", "200%");
    for (const part of document.querySelectorAll(".top, .composer")) part.hidden = true;
}"""


SHORT = ("narrow-arabic", "large-text-narrow", "forced-colours")


@pytest.mark.parametrize(
    "name", [one if one in SHORT else pytest.param(one, marks=long) for one in LOOKS]
)
async def test_the_row_and_its_menu_fit_every_window(name: str, browser: Browser) -> None:
    caption = ARABIC if "arabic" in name else UNSURE
    async with opened(browser, always(caption), **LOOKS[name]) as page:
        await page.add_init_script("navigator.share = async () => {}")
        await page.reload()
        if name == "forced-colours":
            await page.emulate_media(forced_colors="active")
        await choose(page, EXAMPLES / "bird.jpg")
        if "large-text" in name:
            await page.evaluate(LARGE_TEXT)
        await page.locator(".copy").click()
        await page.locator(".note").scroll_into_view_if_needed()
        await shot(page, f"row-{name}")
        await page.locator(".more").click()
        menu = page.locator(".entry .menu")
        await expect(menu).to_be_in_viewport(ratio=1)
        await shot(page, f"menu-{name}")
        await page.keyboard.press("Escape")
        await apart(page.locator(".actions button:visible"))
        await page.locator(".more").click()
        await page.locator(".menu .edit").click()
        await expect(page.locator("textarea")).to_be_in_viewport(ratio=1)
        await apart(page.locator(".edit-form > *"))
        await shot(page, f"edit-{name}")
        await page.keyboard.type(" More.")
        await page.keyboard.press("Enter")
        await expect(page.locator(".edited")).to_be_visible()
        await page.locator("#downloads > button").click()
        await expect(page.locator("#downloads .menu")).to_be_in_viewport(ratio=1)
        await shot(page, f"downloads-{name}")
        await page.emulate_media(forced_colors="none")


async def apart(parts: Locator) -> None:
    """Check that parts do not overlap, and that none is cut off."""
    overlapping = """(all) => {
        const boxes = all.map((one) => one.getBoundingClientRect());
        const isBeside = (a, b) => a.right <= b.left || b.right <= a.left;
        const isUnder = (a, b) => a.bottom <= b.top || b.bottom <= a.top;
        return boxes.filter((a) => boxes.some((b) => a !== b && !isBeside(a, b) && !isUnder(a, b)));
    }"""
    assert await parts.count() > 2
    assert await parts.evaluate_all(overlapping) == []
    cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    assert await parts.evaluate_all(cut) == 0
