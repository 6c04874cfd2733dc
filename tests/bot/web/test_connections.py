"""Slow clients, too many clients, and clients that do not send HTTP."""

import asyncio
import logging
import socket

import pytest
from aiohttp import ClientSession

from bot.web import connections
from bot.web.adapter import MAX_FIELD, MAX_FIELDS, MAX_LINE
from bot.web.connections import Connections
from captioner import Caption, Options
from tests.bot.web.server import PHOTO, SURE, connect, documented, ended, head, serving, web_chat

READY = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHORT = 0.1  # seconds, instead of many


@pytest.fixture
def short_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then until the other side closes the connection."""
    while not writer.is_closing():
        writer.write(b"a")
        await asyncio.sleep(SHORT / 10)


async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(READY)
    assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
    await asyncio.wait_for(reader.readuntil(b"}"), 5)


@pytest.mark.usefixtures("short_heads")
@pytest.mark.parametrize("start", [b"", b"GET /readyz HTTP/1.1\r\nHost: "])
async def test_a_client_that_sends_no_complete_head_is_cut_off(start: bytes, url: str) -> None:
    reader, writer = await connect(url)
    writer.write(start)
    assert await ended(reader) == b""
    writer.close()


@pytest.mark.usefixtures("short_heads")
@pytest.mark.parametrize("before", [0, 1])
async def test_a_client_that_sends_its_head_byte_by_byte_is_cut_off(before: int, url: str) -> None:
    reader, writer = await connect(url)
    for _ in range(before):
        await ready(reader, writer)
    writer.write(READY[:-2] + b"X-Slow: ")
    dripping = asyncio.create_task(drip(writer))
    assert await ended(reader) == b""
    writer.close()
    await dripping


@pytest.mark.usefixtures("short_heads")
async def test_a_client_that_waits_between_requests_is_not_cut_off(url: str) -> None:
    reader, writer = await connect(url)
    for _ in range(2):
        await ready(reader, writer)
        await asyncio.sleep(2 * SHORT)
    await ready(reader, writer)
    writer.close()


@pytest.mark.usefixtures("short_heads")
async def test_a_photo_and_its_caption_may_take_longer_than_a_head(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(2 * SHORT)
        return SURE

    async with serving(web_chat(caption)) as url:
        reader, writer = await connect(url)
        writer.write(head(f"Content-Length: {len(PHOTO)}"))
        await asyncio.sleep(2 * SHORT)
        writer.write(PHOTO)
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


async def test_a_photo_that_comes_byte_by_byte_times_out() -> None:
    async with serving(web_chat(photo_seconds=2 * SHORT)) as url:
        reader, writer = await connect(url)
        writer.write(head("Content-Length: 10000"))
        dripping = asyncio.create_task(drip(writer))
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        await dripping

    assert b" 408 " in line


async def test_a_client_that_does_not_read_the_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", SHORT)
    left = asyncio.Event()
    leave = Connections.leave

    def spy(connections: Connections) -> None:
        leave(connections)
        left.set()

    monkeypatch.setattr(Connections, "leave", spy)
    host, _, port = url.removeprefix("http://").partition(":")
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect((host, int(port)))
    _, writer = await asyncio.open_connection(sock=lazy)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /static/chat.css HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000)
    await asyncio.wait_for(left.wait(), 10)
    writer.transport.abort()


async def test_connections_above_the_limit_are_closed_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    first, second = await connect(url), await connect(url)
    for connection in (first, second):
        await ready(*connection)
    for _ in range(3):
        reader, writer = await connect(url)
        assert await ended(reader) == b""
        writer.close()
    first[1].close()
    await first[1].wait_closed()
    await ready(*second)  # by then the server has seen the first leave
    third = await connect(url)
    await ready(*third)
    for _, writer in (second, third):
        writer.close()

    (warning,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert warning.getMessage() == "too many connections"
    assert (vars(warning)["closed_at_once"], vars(warning)["open"]) == (1, 2)


async def test_refused_connections_are_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 0)
    opened = Connections()
    for _ in range(4):
        assert not opened.enter()
    monkeypatch.setattr(connections, "WARN_SECONDS", 0.0)
    assert not opened.enter()

    told = [vars(record) for record in caplog.records]
    assert [(one["closed_at_once"], one["open"]) for one in told] == [(1, 0), (4, 0)]


def asked(path: str = "/readyz", *fields: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


@pytest.mark.parametrize(
    ("fits", "too_much"),
    [
        (asked(f"/readyz?{'a' * (MAX_LINE - 100)}"), asked(f"/readyz?{'a' * MAX_LINE}")),
        (
            asked("/readyz", f"A: {'a' * (MAX_FIELD - 100)}"),
            asked("/readyz", f"A: {'a' * (MAX_FIELD + 100)}"),
        ),
        (
            asked("/readyz", *["A: a"] * (MAX_FIELDS - 10)),
            asked("/readyz", *["A: a"] * (MAX_FIELDS + 1)),
        ),
    ],
    ids=["line", "field", "fields"],
)
async def test_a_head_has_its_limits(
    fits: bytes, too_much: bytes, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(url)
    writer.write(fits)
    assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
    await asyncio.wait_for(reader.readuntil(b"}"), 5)
    writer.write(too_much)
    assert b" 400 " in (await ended(reader)).splitlines()[0]
    writer.close()

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_longest_allowed_text_fits_into_the_request_line(
    url: str, client: ClientSession
) -> None:
    query = {"another": "1", "shown": "\N{DOG FACE}" * 4000}
    async with client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer:
        assert answer.status == 200
        await documented(answer)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-client\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        READY[:-2] + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        READY[:-2] + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        READY[:-2] + b"Transfer-Encoding: chunked\r\n\r\nno number\r\n",
        READY[:-2] + b"A : b\r\n\r\n",
    ],
)
async def test_data_that_is_not_http_is_not_logged_as_an_error(
    sent: bytes, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await connect(url)
    writer.write(sent)
    writer.write_eof()
    await ended(reader)
    writer.close()

    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    reader, writer = await connect(url)
    await ready(reader, writer)
    writer.close()
