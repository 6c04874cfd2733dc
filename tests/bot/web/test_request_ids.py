"""Each request has an id: in its answer, in its errors, and in the lines that it logs."""

import asyncio
import json
import logging
import re

import pytest
from aiohttp import ClientSession, web

from bot import logs
from captioner import Caption, Options
from tests.bot.web.server import PHOTO, SURE, connect, documented, ended, serving, web_chat
from tests.conftest import failing

OWN = re.compile(r"[0-9a-f]{32}")


async def test_a_new_id_is_made_for_every_request(url: str, client: ClientSession) -> None:
    ids = []
    for path in ("/", "/", "/api/caption", "/none", "/healthz", "/metrics", "/static/chat.js"):
        async with client.get(f"{url}{path}") as answer:
            ids.append(answer.headers["X-Request-Id"])

    assert all(map(OWN.fullmatch, ids))
    assert len(set(ids)) == len(ids)


async def test_a_harmless_id_is_kept_and_is_in_the_error(url: str, client: ClientSession) -> None:
    headers = {"X-Request-Id": "nightly-42_a.B"}
    for data in (PHOTO, b""):
        async with client.post(f"{url}/api/caption", data=data, headers=headers) as answer:
            said = await documented(answer)
            assert answer.headers["X-Request-Id"] == "nightly-42_a.B"
            assert said.get("request_id") == (None if data else "nightly-42_a.B")


@pytest.mark.parametrize(
    "brought",
    [
        [""],
        ["a" * 65],
        ["two words"],
        ["<script>"],
        ["a\xff"],
        ['{"level": "error"}'],
        ["one", "two"],
        ["a,b"],
    ],
)
async def test_any_other_id_is_replaced(brought: list[str], url: str) -> None:
    reader, writer = await connect(url)
    lines = ["GET /healthz HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"X-Request-Id: {one}" for one in brought]
    writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
    said = (await ended(reader)).decode()
    writer.close()

    (shown,) = re.findall(r"^X-Request-Id: (.*)\r$", said, re.MULTILINE | re.IGNORECASE)
    assert OWN.fullmatch(shown)


async def test_every_line_of_a_request_has_its_id(
    capfd: pytest.CaptureFixture[str], client: ClientSession
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("a bug")

    try:
        logs.set_up("INFO", "json")
        chat = web_chat(failing(RuntimeError("a bug")), routes=(web.get("/broken", broken),))
        async with serving(chat) as url:
            headers = {"X-Request-Id": "the-first"}
            async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
                assert answer.status == 500
            headers = {"X-Request-Id": "the-second"}
            async with client.get(f"{url}/broken", headers=headers) as answer:
                assert answer.status == 500
                assert answer.headers["X-Request-Id"] == "the-second"
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]

    assert [line["event"] for line in said if line.get("request_id") == "the-first"] == [
        "a photo failed unexpectedly",
        "answered",
    ]
    second = [line for line in said if line.get("request_id") == "the-second"]
    assert [line["level"] for line in second] == ["error"]
    assert all("request_id" not in line for line in said if "the web chat" in line["event"])


async def test_requests_at_the_same_time_keep_their_ids(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(0.01)
        return SURE

    async def ask(url: str, name: str) -> str:
        headers = {"X-Request-Id": name}
        async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
            return answer.headers["X-Request-Id"]

    names = [f"request-{number}" for number in range(10)]
    async with serving(web_chat(caption)) as url:
        assert await asyncio.gather(*(ask(url, name) for name in names)) == names
