"""What `python -m bot --check` says, and that it changes nothing."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.__main__ import main
from captioner.runtime import select
from tests.bot.process import Start, closed_port


def test_check_prints_what_would_run(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0

    said = capsys.readouterr().out
    assert re.search(
        r"^Captioner: ResNet-18 with an attention LSTM, \w+, .* took ", said, re.MULTILINE
    )
    assert re.search(r"^Web chat: http://127\.0\.0\.1", said, re.MULTILINE)
    assert (
        "Access: everyone; 0 blocked; 0 operators; photos and videos: 20/minute per person, "
        "60/minute per chat, 6000/minute per web address\n"
    ) in said
    assert "Feedback" not in said
    assert "Telegram: off; TELEGRAM_BOT_TOKEN is not set" in said
    assert "Discord: off; DISCORD_BOT_TOKEN is not set" in said


def test_check_names_a_gpu_that_only_pytorch_could_use(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setattr(select, "_has_torch", lambda: False)
    settings.setattr(select, "_has_driver", lambda: True)

    assert main(["--check"]) == 0
    assert select.GPU_UNUSED in capsys.readouterr().out.splitlines()


def test_check_counts_who_is_allowed(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("ALLOWED", "telegram:7,discord:42")
    settings.setenv("OPERATORS", "telegram:7")

    assert main(["--check"]) == 0
    assert "Access: 2 allowed; 0 blocked; 1 operators; " in capsys.readouterr().out


def test_check_fails_where_a_platform_would(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("TELEGRAM_BOT_TOKEN", "12345:abcdef")
    settings.setenv("TELEGRAM_API_URL", f"http://127.0.0.1:{closed_port()}")

    assert main(["--check"]) == 1
    said = capsys.readouterr()
    assert "error: Telegram: " in said.err
    assert "Web chat: http://" in said.out


def test_check_creates_nothing(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"]) == 0
    assert f"Data: {Path('data').absolute()}, which the bot will create; 0 messages" in (
        capsys.readouterr().out
    )
    assert list(Path().iterdir()) == []


def test_check_says_that_feedback_is_kept_and_creates_nothing(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("FEEDBACK", "on")

    assert main(["--check"]) == 0
    assert "Feedback: on; captions, corrections and hashes of photos are kept" in (
        capsys.readouterr().out
    )
    assert list(Path().iterdir()) == []


def test_check_fails_for_a_database_of_another_program(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("data").mkdir()
    with closing(sqlite3.connect("data/chats.sqlite3")) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER)")

    assert main(["--check"]) == 1
    assert "chats.sqlite3: it belongs to another program" in capsys.readouterr().err


async def test_check_accepts_the_port_of_a_running_bot_with_the_same_database(
    start: Start, database_url: str
) -> None:
    keys = {"DATABASE_URL": database_url, "WEB_PORT": str(closed_port())}
    async with start(**keys) as bot:
        await bot.until(f"http://127.0.0.1:{keys['WEB_PORT']}")
        async with start("--check", **keys) as check:
            status, printed = await check.ended(), await check.printed()

    assert (status, check.said) == (0, "")
    port = f"Web chat: 127.0.0.1, port {keys['WEB_PORT']}"
    assert f"{port}, in use; probably by the running bot" in printed


@pytest.mark.parametrize("with_database", [False, True])
async def test_a_port_of_another_program_is_an_error_also_while_a_bot_runs(
    start: Start, request: pytest.FixtureRequest, with_database: bool
) -> None:
    keys = {"DATABASE_URL": request.getfixturevalue("database_url")} if with_database else {}
    async with start(**keys) as bot, await asyncio.start_server(hang_up, "127.0.0.1") as other:
        port = str(other.sockets[0].getsockname()[1])
        await bot.until(r"http://127\.0\.0\.1:\d+")
        async with start("--check", **keys, WEB_PORT=port) as check:
            assert await check.ended() == 1

    error = f"error: Web chat: cannot listen on 127.0.0.1, port {port}: another program uses that"
    assert check.said.startswith(error)


async def test_a_port_of_a_bot_with_another_folder_is_an_error(start: Start) -> None:
    port = str(closed_port())
    async with start(WEB_PORT=port) as bot:
        await bot.until(f"http://127.0.0.1:{port}")
        async with start("--check", WEB_PORT=port, DATA_DIR="another") as check:
            assert await check.ended() == 1
    assert f"port {port}: another program uses that port. Set WEB_PORT to " in check.said


@pytest.mark.parametrize("with_database", [False, True])
async def test_a_port_of_another_bot_is_an_error_while_this_one_runs_too(
    start: Start, request: pytest.FixtureRequest, with_database: bool
) -> None:
    keys = {"DATABASE_URL": request.getfixturevalue("database_url")} if with_database else {}
    port = str(closed_port())
    async with start(**keys) as bot, start(WEB_PORT=port, DATA_DIR="another") as other:
        await bot.until(r"http://127\.0\.0\.1:\d+")
        await other.until(f"http://127.0.0.1:{port}")
        async with start("--check", **keys, WEB_PORT=port) as check:
            assert await check.ended() == 1
    assert f"port {port}: another program uses that port. Set WEB_PORT to " in check.said


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
