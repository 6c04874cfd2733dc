"""What listens on the web chat's address already: a bot, or another program."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.web import listener
from bot.web.listener import is_a_bot
from tests.bot.web.server import serving, web_chat
from tests.bot.web.test_tls import pem


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@asynccontextmanager
async def program(says: bytes | None) -> AsyncIterator[int]:
    """Run a program that says something to everyone, or nothing; give its port."""
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if says is None:
            await gone.wait()
        else:
            writer.write(says)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        gone.set()


async def test_a_bot_is_known_by_its_answer() -> None:
    async with serving(web_chat()) as url:
        assert await is_a_bot("127.0.0.1", port_of(url))
        assert await is_a_bot("localhost", port_of(url))
        assert await is_a_bot("0.0.0.0", port_of(url))


async def test_a_bot_with_a_certificate_that_nobody_here_trusts_is_known_too(
    tmp_path: Path,
) -> None:
    async with serving(web_chat(**pem(tmp_path, "own"))) as url:
        assert url.startswith("https://")
        assert await is_a_bot("127.0.0.1", port_of(url))


async def test_a_bot_with_another_store_is_told_apart() -> None:
    chat = web_chat()
    chat.store = "this"
    async with serving(chat) as url:
        assert await is_a_bot("127.0.0.1", port_of(url), "this")
        assert not await is_a_bot("127.0.0.1", port_of(url), "another")


async def test_a_bot_that_does_not_say_its_store_may_have_any() -> None:
    async with serving(web_chat()) as url:
        assert await is_a_bot("127.0.0.1", port_of(url), "this")


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        b"",
        None,
    ],
    ids=["a web server", "a redirect", "another protocol", "nothing", "silence"],
)
async def test_another_program_is_not_a_bot(
    says: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 0.2)
    async with program(says) as port:
        assert not await is_a_bot("127.0.0.1", port)


async def test_where_nothing_listens_any_more_there_is_no_bot() -> None:
    async with program(b"") as port:
        pass
    assert not await is_a_bot("127.0.0.1", port)
