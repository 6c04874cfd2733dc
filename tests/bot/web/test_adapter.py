"""The web chat's server: its page, health and metrics, and how it starts and stops."""

import asyncio
import re
import tomllib
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from string import Template

import pytest
from aiohttp import ClientSession, web
from pydantic import SecretStr

from bot.about import about
from bot.replies import replies
from bot.supervision import PlatformError
from bot.web.adapter import Unready
from bot.web.address import elsewhere, here
from bot.web.page import STATIC
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from tests.bot.web.server import (
    OPENAPI,
    PHOTO,
    SURE,
    connect,
    documented,
    ended,
    head,
    serving,
    until,
    web_chat,
)

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "path", ["/", "/static/chat.js", "/api/caption", "/api/none", "/none", "/healthz", "/metrics"]
)
async def test_every_answer_makes_the_browser_strict(
    path: str, url: str, client: ClientSession
) -> None:
    async with client.get(f"{url}{path}") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "aiohttp" not in answer.headers["Server"]
        kept = "no-cache" if path == "/" or path.startswith("/static") else "no-store"
        assert answer.headers["Cache-Control"] == kept


async def test_health_readiness_metrics_and_openapi_are_served(
    url: str, client: ClientSession
) -> None:
    for path, said in (("/healthz", "ok"), ("/readyz", "ready")):
        async with client.get(f"{url}{path}") as answer:
            assert await documented(answer, path) == {"status": said}
    async with client.get(f"{url}/metrics") as answer:
        text = await answer.text()
        assert "captioner_queue_photos 3.0" in text
        assert 'captioner_platform_up{platform="web"} 1.0' in text
    async with client.get(f"{url}/openapi.json") as answer:
        described = await documented(answer, "/openapi.json")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert described["info"]["version"] == project["version"]
    assert described == {**OPENAPI, "info": described["info"]}


@pytest.mark.parametrize("reason", ["no database", "captioner unreachable"])
async def test_a_bot_that_lacks_something_says_so_and_answers_what_it_can(reason: Unready) -> None:
    lacking: list[Unready] = []
    async with (
        serving(web_chat(unready=lambda: lacking[0] if lacking else None)) as url,
        ClientSession() as client,
    ):
        for status, said in ((200, "ready"), (503, reason), (200, "ready")):
            async with client.get(f"{url}/readyz") as answer:
                assert answer.status == status
                assert await documented(answer, "/readyz") == {"status": said}
            async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
                assert answer.status == 200
            if lacking:
                lacking.clear()
            else:
                lacking.append(reason)


LOADED = ("application/manifest+json", "image/jpeg", "image/png", "text/css", "text/javascript")
DOWN, ACROSS = ("upper", "middle", "lower"), ("left", "middle", "right")


class References(HTMLParser):
    """What a page loads, and its inline scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.inline += [name for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(tag)
        if tag in ("script", "img", "link") and (target := names.get("src", names.get("href"))):
            self.loaded.append(target)


async def test_the_page_loads_only_from_its_own_server(url: str, client: ClientSession) -> None:
    page = References()
    async with client.get(url) as answer:
        page.feed(await answer.text())

    assert not page.inline
    served = [target for target in page.loaded if not target.startswith("data:")]
    assert "/static/chat.js" in served
    assert "/static/chat.css" in served
    for target in served:
        async with client.get(f"{url}{target}") as answer:
            assert answer.status == 200
            assert answer.content_type in LOADED


async def test_a_file_that_the_browser_has_cached_is_not_sent_again(
    url: str, client: ClientSession
) -> None:
    for path in ("/", "/static/chat.css", "/openapi.json"):
        async with client.get(f"{url}{path}") as answer:
            tag = answer.headers["ETag"]
        for known, status in ((tag, 304), (f'"other", {tag}', 304), ('"other"', 200)):
            async with client.get(f"{url}{path}", headers={"If-None-Match": known}) as answer:
                assert answer.status == status
                assert bool(await answer.read()) == (status == 200)


@pytest.mark.parametrize("start", ["/static/", "/", "//", "http://localhost/static/"])
@pytest.mark.parametrize(
    "target",
    [
        "../web_chat.py",
        "..%2fweb_chat.py",
        "%2e%2e/web_chat.py",
        "%252e%252e%252fweb_chat.py",
        "..\\web_chat.py",
        "..%5cweb_chat.py",
        "....//web_chat.py",
        "./index.html",
        "%2e/index.html",
        "index.html",
        "chat.css%00.html",
        "chat.css\0",
        "chat.css/",
        "chat.css/../index.html",
        "static/../../adapter.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "../../../../../../../../etc/passwd",
        "..;/web_chat.py",
        "\u2025/web_chat.py",
    ],
)
async def test_no_part_of_a_request_becomes_a_path(start: str, target: str, url: str) -> None:
    reader, writer = await connect(url)
    line = f"GET {start}{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    writer.write(line.encode())
    said = await ended(reader)
    writer.close()

    assert said.split()[1] in (b"400", b"404")
    for content in (b"import ", b"root:", b"$hint", b"<template"):
        assert content not in said


async def test_the_page_uses_the_bots_own_sentences(url: str, client: ClientSession) -> None:
    async with client.get(url) as answer:
        text = await answer.text()

    for sentence in (replies.ANOTHER, replies.LOOK, replies.HINT):
        assert sentence in text
    assert "I am a &lt;model&gt;." in text
    assert about.NAMES_NOTICE in text


async def test_every_sentence_of_the_page_is_used_and_has_a_name(
    url: str, client: ClientSession
) -> None:
    used = set(Template((STATIC / "index.html").read_text("utf-8")).get_identifiers())
    for script in STATIC.glob("*.js"):
        # Names are written as strings; those of nine places are put together from two words.
        used |= set(re.findall(r'"([a-z_]+)"', script.read_text("utf-8")))
    used |= {f"{down}_{across}" for down in DOWN for across in ACROSS}
    used |= {"app_name"}  # in the manifest
    asked = "".join(script.read_text("utf-8") for script in STATIC.glob("*.js"))

    assert set(SENTENCES) <= used
    assert set(re.findall(r'(?:say|nodes)\("([a-z_]+)"', asked)) <= set(SENTENCES)
    async with client.get(f"{url}/static/sentences.en.js") as answer:
        assert answer.content_type == "text/javascript"
        assert SENTENCES["unreachable"] in await answer.text()


async def test_routes_of_other_adapters_are_served(client: ClientSession) -> None:
    async def hook(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async with (
        serving(web_chat(routes=(web.post("/hook", hook),))) as url,
        client.post(f"{url}/hook", data="an update") as answer,
    ):
        assert await answer.text() == "an update"


async def test_a_port_that_is_taken_is_named(url: str) -> None:
    second = web_chat(web_port=int(url.rpartition(":")[2]))
    for trial in (second.run(asyncio.Event()), second.check()):
        with pytest.raises(PlatformError, match="WEB_PORT"):
            await trial


async def test_a_host_that_is_not_this_machine_is_named() -> None:
    with pytest.raises(PlatformError, match="WEB_HOST"):
        await web_chat(web_host="192.0.2.1").check()


async def test_the_check_prints_the_address_and_leaves_it_free() -> None:
    chat = web_chat()
    line = await chat.check()
    port = int(line.rpartition(":")[2])

    assert line == f"Web chat: http://127.0.0.1:{port}"
    assert await web_chat(web_port=port).check() == line


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")]
)
async def test_a_browser_can_open_the_address(host: str, shown: str) -> None:
    try:
        line = await web_chat(web_host=host).check()
    except PlatformError:
        pytest.skip(f"this machine has no address {host}")
    assert line.startswith(f"Web chat: {shown}")


async def test_a_web_chat_that_is_open_to_others_says_so_and_where(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for fields, warns in (
        ({"web_host": "0.0.0.0"}, True),
        ({"web_host": "0.0.0.0", "web_token": SecretStr("secret")}, False),
        ({"web_host": "localhost"}, False),
        ({}, False),
    ):
        caplog.clear()
        chat = web_chat(**fields)
        line = await chat.check()
        async with serving(chat):
            pass

        assert ("WEB_TOKEN is not set, so everyone who can reach" in line) == warns
        warnings = [record for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == warns
        if "0.0.0.0" in fields.values() and (others := elsewhere("0.0.0.0")):
            assert f"from other machines http://{others}:" in line
            assert others in " ".join(str(vars(record)) for record in caplog.records)
        else:
            assert "other machines" not in line


def test_other_machines_find_what_listens_on_every_address_only() -> None:
    assert elsewhere("127.0.0.1") is None
    assert elsewhere("192.0.2.7") is None
    assert here("0.0.0.0") == "127.0.0.1"
    assert here("::") == "[::1]"
    assert here("2001:db8::7") == "[2001:db8::7]"


READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
ANOTHER = head(f"Content-Length: {len(PHOTO)}") + PHOTO


async def test_stopping_finishes_the_work_in_hand_and_accepts_no_more(
    client: ClientSession,
) -> None:
    working, go = asyncio.Event(), asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        working.set()
        await go.wait()
        return SURE

    chat, stop = web_chat(caption), asyncio.Event()
    running = asyncio.create_task(chat.run(stop))
    await until(lambda: chat.url)
    asked = asyncio.create_task(client.post(f"{chat.url}/api/caption", data=PHOTO))
    await asyncio.wait_for(working.wait(), 5)
    reader, writer = await connect(chat.url)
    for line, status in ((READY, b" 200 "), (READY, b" 503 "), (ANOTHER, b" 503 ")):
        writer.write(line)
        assert status in await asyncio.wait_for(reader.readline(), 5)
        await asyncio.wait_for(reader.readuntil(b"}"), 5)
        stop.set()
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        await connect(chat.url)
    assert not running.done()

    go.set()
    answer = await asked
    assert answer.status == 200
    assert (await documented(answer))["caption"] == "A dog runs."
    await asyncio.wait_for(running, 5)
    writer.close()


async def test_it_can_be_run_again(client: ClientSession) -> None:
    chat = web_chat()
    for _ in range(2):
        async with serving(chat) as url, client.post(f"{url}/api/caption", data=PHOTO) as answer:
            assert answer.status == 200


async def test_it_can_be_cancelled_with_a_photo_in_hand(client: ClientSession) -> None:
    working = asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        working.set()
        await asyncio.Event().wait()
        return SURE

    chat = web_chat(caption)
    running = asyncio.create_task(chat.run(asyncio.Event()))
    await until(lambda: chat.url)
    asked = asyncio.create_task(client.post(f"{chat.url}/api/caption", data=PHOTO))
    await asyncio.wait_for(working.wait(), 5)
    running.cancel()

    done, _ = await asyncio.wait({running}, timeout=5)
    assert running in done
    assert running.cancelled()
    with suppress(Exception):
        await asyncio.wait_for(asked, 5)
