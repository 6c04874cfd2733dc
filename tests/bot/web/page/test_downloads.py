"""The downloads of all captions, in Chromium: what their files hold, and that they are harmless."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, expect

from bot.answers import CaptionPhoto
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.browser import (
    CAT,
    DOG,
    IN_CHROMIUM,
    always,
    captions_dog,
    choose,
    opened,
    photo,
    reload,
    sentence,
)

pytestmark = IN_CHROMIUM

COLUMNS = ["name", "caption", "alt_text", "confidence", "doubt", "language", "edited"]
ARABIC = replace(sentence("كلب يركض على العشب.", 0.6), language="ar")
EVIL = '=HYPERLINK("http://a.example","</figcaption><script>alert(1)</script>")'


async def download(page: Page, form: str) -> tuple[str, bytes]:
    """Return the file that the page offers: its name and its bytes."""
    await page.get_by_role("button", name=SENTENCES["download"]).click()
    async with page.expect_download() as started:
        await page.get_by_role("menuitem", name=SENTENCES[f"download_{form}"]).click()
    file = await started.value
    await expect(page.locator("#status")).to_have_text(f"Saved as {file.suggested_filename}.")
    return file.suggested_filename, Path(await file.path()).read_bytes()


async def send(page: Page, *photos: FilePayload | Path) -> None:
    await choose(page, *photos)
    said = page.locator(".entry:not([aria-busy=true]) .said")
    await expect(said).to_have_count(len(photos))


def cells(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))


async def edit(page: Page, text: str) -> None:
    await page.get_by_role("button", name="More", exact=True).last.click()
    await page.get_by_role("menuitem", name="Edit", exact=True).click()
    await page.get_by_role("textbox").fill(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox")).to_have_count(0)


async def test_downloads_are_offered_while_there_is_a_caption(browser: Browser) -> None:
    async with opened(browser, allowed="415") as page:
        offer = page.get_by_role("button", name=SENTENCES["download"])
        await expect(offer).to_be_hidden()
        await send(page, {"name": "b", "mimeType": "image/png", "buffer": b"b"})
        await expect(page.locator(".said")).to_contain_text("cannot read this file")
        await expect(offer).to_be_hidden()
        await choose(page, photo(1))
        await expect(offer).to_be_visible()
        await page.reload()
        await expect(offer).to_be_visible()
        await page.get_by_role("button", name="Clear").click()
        await expect(offer).to_be_hidden()


async def test_json_has_every_photo_with_its_caption_or_without(browser: Browser) -> None:
    async with opened(browser, captions_by_photo, allowed="415") as page:
        letter: FilePayload = {"name": "b", "mimeType": "image/png", "buffer": b"b"}
        await send(page, letter, *(photo(seed) for seed in (1, 2, 3, 4)))
        await edit(page, 'Mine, "edited".')
        name, file = await download(page, "json")
    assert name == f"captions-{datetime.now():%Y-%m-%d}.json"
    unsaid = ("", "", None, "", None, False)
    assert json.loads(file) == [
        dict(zip(COLUMNS, row, strict=True))
        for row in (
            ("b", *unsaid),
            ("photo 1.jpg", DOG.text, DOG.text, 0.57, "", "en", False),
            ("photo 2.jpg", DOG.text, DOG.text, 0.1, "Not sure.", "en", False),
            (
                *("photo 3.jpg", "It looks like a tabby cat.", "A cat sits.", None),
                *("Perhaps: a cat sits.", "en", False),
            ),
            ("photo 4.jpg", *('Mine, "edited".',) * 2, None, "", "ar", True),
        )
    ]


def of_photos_only(caption: Caption) -> CaptionPhoto:
    """Return a captioner that refuses what is not a picture, and says the same of all others."""

    async def caption_photo(given: bytes, options: Options) -> Caption:
        await captions_dog(given, options)
        return caption

    return caption_photo


BY_PHOTO = [
    DOG,
    replace(DOG, confidence=0.1),
    replace(sentence("A cat sits.", 0.4), out_of_distribution=True, objects=(CAT,)),
    ARABIC,
]


async def captions_by_photo(given: bytes, options: Options) -> Caption:
    await captions_dog(given, options)
    photos = [photo(seed)["buffer"] for seed in (1, 2, 3, 4)]
    return BY_PHOTO[photos.index(given)]


async def test_a_name_without_its_caption_has_no_confidence(browser: Browser) -> None:
    named = replace(DOG, out_of_distribution=True, objects=(CAT,))
    async with opened(browser, always(named)) as page:
        await send(page, photo(1))
        _, file = await download(page, "json")
    (row,) = json.loads(file)
    assert (row["caption"], row["alt_text"], row["confidence"], row["doubt"]) == (
        *("It looks like a tabby cat.", "A tabby cat.", None),
        "",
    )


async def test_captions_of_an_earlier_version_of_the_page_are_in_it_too(browser: Browser) -> None:
    forget = """() => new Promise((resolve) => {
        indexedDB.open("photo-captioner").onsuccess = ({ target: { result: store } }) => {
            const change = store.transaction("thread", "readwrite");
            const thread = change.objectStore("thread");
            thread.getAll().onsuccess = ({ target: { result: [record] } }) => {
                delete record.answer.alt_text;
                delete record.answer.doubt;
                delete record.answer.language;
                thread.put(record);
            };
            change.oncomplete = resolve;
        };
    })"""
    async with opened(browser) as page:
        await send(page, photo(1))
        await reload(page)
        await page.evaluate(forget)
        await page.reload()
        await page.get_by_role("button", name="Copy", exact=True).click()
        await expect(page.locator(".note")).to_have_text(f"Copied: “{DOG.text}”")
        _, file = await download(page, "json")
    assert json.loads(file) == [
        dict(zip(COLUMNS, ("photo 1.jpg", DOG.text, DOG.text, 0.57, "", "en", False), strict=True))
    ]


async def test_the_table_is_read_by_excel_and_by_programs(browser: Browser) -> None:
    async with opened(browser, of_photos_only(ARABIC), allowed="415") as page:
        file: FilePayload = {**photo(1), "name": 'a "b", c.jpg'}
        await send(page, file, {"name": "b", "mimeType": "image/png", "buffer": b"b"})
        name, table = await download(page, "csv")
    assert name == f"captions-{datetime.now():%Y-%m-%d}.csv"
    assert table.startswith(b"\xef\xbb\xbf")
    assert table.count(b"\r\n") == table.count(b"\n") == 3
    first, second = cells(table)
    assert list(first) == COLUMNS
    assert first["name"] == 'a "b", c.jpg'
    assert (first["caption"], first["language"], first["edited"]) == (ARABIC.text, "ar", "false")
    assert (second["name"], second["caption"], second["language"]) == ("b", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}"])
async def test_no_cell_begins_like_a_formula(start: str, browser: Browser) -> None:
    async with opened(browser) as page:
        code = "import('/static/csv.js').then(({ table }) => table([[text, -1, null, 'a=1']]))"
        table = await page.evaluate(f"(text) => {code}", f'{start}1+"1"\n')
    ((guarded, *rest),) = csv.reader(io.StringIO(table.lstrip("\ufeff"), newline=""))
    assert guarded == f'\'{start}1+"1"\n'
    assert rest == ["-1", "", "a=1"]


async def test_a_photos_name_cannot_compute_in_the_table(browser: Browser) -> None:
    async with opened(browser) as page:
        await send(page, {**photo(1), "name": EVIL})
        _, table = await download(page, "csv")
    (row,) = cells(table)
    assert row["name"].startswith("'=HYPERLINK(")


class Parts(HTMLParser):
    """The elements of a page with their attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attrs, "".join(text).strip()) for name, attrs, text in self.found if name == tag]


async def test_the_page_of_photos_needs_no_other_file_and_no_script(browser: Browser) -> None:
    unsure = of_photos_only(replace(DOG, confidence=0.1))
    async with opened(browser, unsure, allowed="415") as page:
        broken: FilePayload = {"name": "b", "mimeType": "image/png", "buffer": b"b"}
        large = io.BytesIO()
        Image.new("RGB", (2000, 1000), "teal").save(large, "PNG")
        teal: FilePayload = {"name": "t.png", "mimeType": "image/png", "buffer": large.getvalue()}
        await send(page, broken, {**photo(1), "name": EVIL}, teal)
        name, file = await download(page, "html")
        assert name == f"captions-{datetime.now():%Y-%m-%d}.html"
        parts = Parts(file.decode())
        ((root, _),) = parts.all("html")
        assert root == {"lang": "en", "dir": "ltr"}
        doubtful = f"{DOG.text} (Not sure.)"
        assert [text for _, text in parts.all("figcaption")] == [doubtful, doubtful]
        for attributes, _ in parts.all("figcaption"):
            assert attributes == {"lang": "en", "dir": "ltr"}
        images = [attributes for attributes, _ in parts.all("img")]
        assert [image["alt"] for image in images] == [DOG.text, DOG.text]
        assert (images[1]["width"], images[1]["height"]) == ("1280", "640")
        kind, _, content = str(images[1]["src"]).partition(",")
        assert kind == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(content)))
        assert picture.size == (1280, 640)
        assert np.allclose(np.asarray(picture)[9, 9], (0, 128, 128), atol=8)
        assert not parts.all("script")
        assert not re.search(rb'(?:src|href)="(?!data:)', file)
        await shown(page, file)


async def shown(page: Page, file: bytes) -> None:
    """Check that a browser shows the file, and logs nothing."""
    complaints: list[str] = []
    other = await page.context.new_page()
    try:
        other.on("console", lambda message: complaints.append(message.text))
        await other.goto(f"data:text/html;charset=utf-8;base64,{base64.b64encode(file).decode()}")
        wide = "[...document.images].every((image) => image.naturalWidth)"
        assert await other.evaluate(wide)
        assert await other.evaluate("document.compatMode") == "CSS1Compat"
    finally:
        await other.close()
    assert complaints == []


async def test_edited_and_foreign_captions_are_in_the_page_of_photos(browser: Browser) -> None:
    async with opened(browser, always(ARABIC), query="/?language=ar") as page:
        await send(page, photo(1))
        await page.locator(".more").click()
        await page.locator(".menu .edit").click()
        await page.locator("textarea").fill("<b>&amp;")
        await page.keyboard.press("Enter")
        await page.locator("#downloads > button").click()
        async with page.expect_download() as started:
            await page.locator("#downloads .html").click()
        parts = Parts(Path(await (await started.value).path()).read_text("utf-8"))
    for tag in ("html", "figcaption", "img"):
        ((attributes, _),) = parts.all(tag)
        assert (attributes["lang"], attributes["dir"]) == ("ar", "rtl")
    ((image, _),) = parts.all("img")
    assert image["alt"] == "<b>&amp;"
    ((_, caption),) = parts.all("figcaption")
    assert caption == "<b>&amp;"
    assert not parts.all("b")


async def test_a_photo_that_the_browser_cannot_show_has_its_name_in_its_place(
    browser: Browser,
) -> None:
    async with opened(browser, always(DOG)) as page:
        heic: FilePayload = {"name": "<a>.heic", "mimeType": "image/heic", "buffer": b"heic"}
        await send(page, heic)
        _, file = await download(page, "html")
    parts = Parts(file.decode())
    assert parts.all("img") == []
    assert ({"dir": "auto"}, "<a>.heic") in parts.all("p")
    assert [text for _, text in parts.all("figcaption")] == [DOG.text]


async def test_a_photo_is_turned_as_its_camera_says_and_loses_what_it_wrote(
    browser: Browser,
) -> None:
    file = io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    turned[0x010F] = "a camera"
    Image.new("RGB", (40, 20)).save(file, "JPEG", exif=turned)
    async with opened(browser, always(DOG)) as page:
        await send(page, {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
        _, page_of_photos = await download(page, "html")
    ((image, _),) = Parts(page_of_photos.decode()).all("img")
    assert (image["width"], image["height"]) == ("20", "40")
    content = base64.b64decode(str(image["src"]).partition(",")[2])
    assert not Image.open(io.BytesIO(content)).getexif()
