"""What makes the page an app, as its server sends it: the manifest, the icons, the worker."""

import io
import json
import re

from aiohttp import ClientSession
from PIL import Image

from bot.web import app
from bot.web.page import WORKER
from bot.web.sentences import SENTENCES
from tests.bot.web.catalogues import MARKS
from tests.bot.web.server import form, serving, web_chat


async def test_the_manifest_names_the_app_in_every_language_and_its_icons_exist(
    translated: None, url: str, client: ClientSession
) -> None:
    for code in ("en", "de", "ar"):
        async with client.get(f"{url}/?language={code}") as answer:
            (address,) = re.findall(r'<link rel="manifest" href="(.*?)"', await answer.text())
        async with client.get(f"{url}{address}") as answer:
            assert answer.content_type == "application/manifest+json"
            manifest = json.loads(await answer.read())
        mark = MARKS.get(code, "")
        assert manifest["name"] == mark + SENTENCES["title"]
        assert manifest["short_name"] == mark + SENTENCES["app_name"]
        assert manifest["description"] == mark + SENTENCES["hint"]
        assert (manifest["lang"], manifest["dir"]) == (code, "rtl" if code == "ar" else "ltr")
        assert {manifest[name] for name in ("id", "start_url", "scope")} == {"/"}
        assert manifest["display"] == "standalone"

    assert len(SENTENCES["app_name"]) <= 12  # what fits under an icon
    purposes = set()
    for icon in manifest["icons"]:
        async with client.get(f"{url}{icon['src']}") as answer:
            assert answer.content_type == icon["type"]
            body = await answer.read()
        if icon["sizes"] == "any":
            assert body.rstrip().endswith(b"</svg>")
            continue
        with Image.open(io.BytesIO(body)) as image:
            assert "{}x{}".format(*image.size) == icon["sizes"]
            corner = image.convert("RGBA").getpixel((0, 0))
        assert isinstance(corner, tuple)
        assert corner[3] == (255 if icon["purpose"] == "maskable" else 0)
        purposes.add((icon["sizes"], icon["purpose"]))
    assert purposes == {
        (sizes, purpose) for sizes in ("192x192", "512x512") for purpose in ("any", "maskable")
    }


async def test_the_icon_of_apples_home_screens_is_opaque(url: str, client: ClientSession) -> None:
    async with client.get(f"{url}/static/apple-touch-icon.png") as answer:
        with Image.open(io.BytesIO(await answer.read())) as image:
            assert image.size == (180, 180)
            assert "transparency" not in image.info


async def test_the_worker_changes_with_every_file_and_page_that_it_keeps() -> None:
    first = app.worker(WORKER, {"/static/a.js": b"a", "/static/b.js": b"b"}, [b"1", b"2"])

    assert first == app.worker(WORKER, {"/static/b.js": b"b", "/static/a.js": b"a"}, [b"2", b"1"])
    for files, pages in (
        ({"/static/a.js": b"a", "/static/b.js": b"c"}, [b"1", b"2"]),
        ({"/static/a.js": b"a"}, [b"1", b"2"]),
        ({"/static/a.js": b"a", "/static/b.js": b"b"}, [b"1", b"3"]),
    ):
        assert app.worker(WORKER, files, pages) != first


async def test_what_is_shared_past_the_worker_is_not_read(client: ClientSession) -> None:
    async with serving(web_chat()) as url:
        asked = client.post(f"{url}/share", data=form(bytes(2**20)), allow_redirects=False)
        async with asked as answer:
            assert answer.status == 303
            assert answer.headers["Location"] == "/#not-shared"
