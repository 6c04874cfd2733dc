"""The whole process, as an operator starts and stops it."""

import asyncio
import json
import os
import re
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import __main__ as command
from bot.__main__ import main
from bot.store.inbox import Inbox
from bot.store.inbox_rows import Key
from bot.store.sqlite.inbox_rows import SqliteRows
from captioner import Captioner
from captioner.checkpoint import CheckpointError
from captioner.photo.sandbox import Sandbox
from tests.bot.process import Start, caption, clean, closed_port, common
from tests.bot.stories import video_file
from tests.bot.telegram.fake_telegram import TOKEN, FakeTelegram
from tests.conftest import long, photo_bytes

Finished = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def finished(tmp_path: Path, served_file: Path) -> Finished:
    """Return a function that runs `python -m bot` to its end, its output in a file or a pipe."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inbox.sqlite3").touch()

    def run(*arguments: str, to: str = "", **environment: str) -> Any:
        leaving, output = os.pipe()
        os.close(leaving)
        if to == "/dev/full":
            os.dup2(os.open(to, os.O_WRONLY), output)
        try:
            return subprocess.run(
                [sys.executable, "-m", "bot", *arguments],
                cwd=tmp_path,
                env=clean() | common(served_file) | environment,
                stdout=output if to else subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        finally:
            os.close(output)

    return run


async def test_without_tokens_only_the_web_chat_runs_and_the_others_are_named(
    start: Start,
) -> None:
    async with start(LOG_FORMAT="json") as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        status, answer = await caption(address, photo_bytes(1))
        bot.process.send_signal(signal.SIGTERM)

        assert await bot.ended() == 0
    assert status == 200
    assert answer["caption"]
    assert "Telegram" not in bot.said
    assert "Traceback" not in bot.said
    events = [json.loads(line) for line in bot.said.splitlines()]
    off = {one["reason"] for one in events if one["event"] == "a platform is off"}
    assert off == {"TELEGRAM_BOT_TOKEN is not set", "DISCORD_BOT_TOKEN is not set"}


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=long)])
async def test_stopping_finishes_the_work_in_hand(start: Start, number: signal.Signals) -> None:
    async with start() as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        asked = [asyncio.create_task(caption(address, photo_bytes(seed))) for seed in range(20)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        bot.process.send_signal(number)
        answers = await asyncio.gather(*asked)

        assert await bot.ended() == 0
    assert all(status in (200, 503) and answer for status, answer in answers)
    assert "stopping" in bot.said
    assert "Traceback" not in bot.said


async def test_a_second_signal_stops_at_once(start: Start) -> None:
    async with start() as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        port = int(address.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        # A request whose body never ends is in hand until the deadline.
        writer.write(b"POST /api/caption HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        async with aiohttp.ClientSession() as session:  # what came before is in hand by now
            await (await session.get(f"{address}/healthz")).read()
        bot.process.send_signal(signal.SIGINT)
        await bot.until("stopping")
        bot.process.send_signal(signal.SIGTERM)

        assert await bot.ended() == -signal.SIGTERM
        writer.close()


async def test_one_platform_that_cannot_be_reached_leaves_the_others_running(
    start: Start,
) -> None:
    nowhere = f"127.0.0.1:{closed_port()}"
    tokens = {
        "TELEGRAM_BOT_TOKEN": "12345:abcdef",
        "TELEGRAM_API_URL": f"http://{nowhere}",
        "DISCORD_BOT_TOKEN": "abc.def.ghi",
        "DISCORD_API_URL": f"http://{nowhere}",
        "DISCORD_GATEWAY_URL": f"ws://{nowhere}",
    }
    async with start(LOG_FORMAT="json", **tokens) as bot:
        address = (await bot.until(rf"http://(?!{nowhere})127\.0\.0\.1:\d+"))[0]
        await bot.until(r"a platform is down.*Telegram: ")
        await bot.until(r"a platform is down.*Discord")
        status, _ = await caption(address, photo_bytes(1))
        bot.process.send_signal(signal.SIGTERM)

        assert await bot.ended() == 0
    assert status == 200
    assert "abcdef" not in bot.said
    assert "abc.def.ghi" not in bot.said
    assert all(json.loads(line)["event"] for line in bot.said.splitlines())
    assert "Traceback" not in bot.said


async def test_videos_are_told_in_chats_up_to_a_limit_of_their_own(start: Start) -> None:
    small = round(len(video_file()) / 2**21, 6)  # MB, half as much
    async with FakeTelegram().serve() as fake:
        tokens = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": fake.url}
        async with start(MAX_PHOTO_MB=f"{small:.6f}", **tokens) as bot:
            await fake.send(video=fake.file(video_file(), width=96, height=80, duration=2))
            sent = await fake.nth("sendMessage")
            bot.process.send_signal(signal.SIGTERM)
            assert await bot.ended() == 0

    buttons = [
        one["callback_data"] for row in sent["reply_markup"]["inline_keyboard"] for one in row
    ]
    assert buttons == ["alt", "scenes"]
    assert TOKEN not in bot.said


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_an_interrupted_start_ends_without_a_message(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    settings.setattr(sys, "argv", ["bot", *arguments])
    settings.setattr(Captioner, "load", interrupt)

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(command.__file__, run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("key", "module"),
    [
        ("TELEGRAM_BOT_TOKEN", "bot.telegram.adapter"),
        ("DISCORD_BOT_TOKEN", "bot.discord.adapter"),
    ],
)
def test_the_missing_library_of_a_platform_is_one_line(
    settings: pytest.MonkeyPatch, key: str, module: str
) -> None:
    settings.setenv(key, "12345:abcdef")
    settings.setitem(sys.modules, module, None)

    with pytest.raises(SystemExit, match=r"^import of .*The bot needs: pip install -e '.\[bot\]'$"):
        main(["--check"])


def test_photos_can_be_decoded_while_the_network_is_loaded(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decoded = []

    def load(*args: object, sandbox: Sandbox, **options: object) -> None:
        photo = asyncio.run_coroutine_threadsafe(sandbox.squeeze(photo_bytes(1), 64), loops[0])
        decoded.append(photo.result(20).pixels.shape)
        raise CheckpointError(Path("no.safetensors"), "there is no such file")

    async def start(sandbox: Sandbox) -> Sandbox:
        loops.append(asyncio.get_running_loop())
        return await started(sandbox)

    loops: list[asyncio.AbstractEventLoop] = []
    started = Sandbox.__aenter__
    settings.setattr(Sandbox, "__aenter__", start)
    settings.setattr(Captioner, "load", load)

    assert main(["--check"]) == 1
    assert decoded == [(64, 64, 3)]
    assert "no.safetensors: there is no such file" in capsys.readouterr().err


def test_the_version_is_that_of_the_installed_package(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("WEB_PORT", "x")  # the version needs no settings

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{version('photo-captioner')}\n"


def test_each_wrong_setting_is_an_error_of_its_own(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("WEB_PORT", "x")
    settings.setenv("BEAM", "0")

    assert main([]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == ["WEB_PORT", "BEAM"]
    assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("WEB_PORT", "x", "error: WEB_PORT: "),
        ("CAPTIONER_CHECKPOINT", "no.safetensors", "error: CAPTIONER_CHECKPOINT: no.safetensors: "),
        ("CAPTIONER_DEVICE", "quantum", "error: CAPTIONER_DEVICE: device 'quantum' cannot be used"),
        ("DATA_DIR", "/dev/null/data", "error: DATA_DIR: /dev/null/data: a part of its path is a "),
    ],
)
def test_a_wrong_setting_is_one_clear_error(
    settings: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    value: str,
    said: str,
) -> None:
    settings.setenv(key, value)

    assert main([]) == 1
    assert capsys.readouterr().err.startswith(said)


def test_a_mistyped_key_is_named(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("TELEGRAM_TOKEN=1\n")

    assert main(["--check"]) == 0
    assert (
        ".env: TELEGRAM_TOKEN is not a setting; did you mean TELEGRAM_BOT_TOKEN?"
        in capsys.readouterr().err
    )


def test_the_inbox_is_shown_without_a_model(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("CAPTIONER_CHECKPOINT", "no.safetensors")
    Path("data").mkdir()
    Path("data/inbox.sqlite3").touch()

    assert main(["inbox", "list"]) == 0
    assert capsys.readouterr().out == "No message is open or given up.\n"


def test_an_inbox_in_a_mistyped_folder_is_an_error_and_not_created(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setenv("DATA_DIR", "dada")

    assert main(["inbox", "list"]) == 1
    error = f"error: DATA_DIR: {Path('dada').absolute()}: there is no inbox; "
    assert capsys.readouterr().err.startswith(error)
    assert not Path("dada").exists()


async def test_what_is_said_of_a_caption_outlives_the_bot_and_is_exported(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(photo_bytes(1))
    async with start(FEEDBACK="on") as bot:
        address = (await bot.until(r"http://127\.0\.0\.1:\d+"))[0]
        _, answer = await caption(address, photo_bytes(1))
        said = {
            "photo_sha256": answer["photo_sha256"],
            "caption": answer["alt_text"],
            "language": answer["language"],
            "verdict": "bad",
            "correction": "A dog runs.",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{address}/api/feedback", json=said) as response,
        ):
            assert response.status == 204
        bot.process.send_signal(signal.SIGTERM)
        assert await bot.ended() == 0
    async with start("feedback", "export", "out", "--photos", "photos") as export:
        assert await export.ended() == 0
    table = (tmp_path / "out" / "captions.tsv").read_text("utf-8")
    assert table == "photo\tcaption\nphotos/one.jpg\tA dog runs.\n"
    assert (tmp_path / "data" / "feedback.sqlite3").stat().st_mode & 0o077 == 0


async def test_a_second_bot_on_the_same_folder_says_who_uses_it(start: Start) -> None:
    port = closed_port()
    async with start(WEB_PORT=str(port)) as bot:
        await bot.until(f"http://127.0.0.1:{port}")
        async with start() as second:
            assert await second.ended() == 1
        async with start("--check", WEB_PORT=str(port)) as check:
            assert await check.ended() == 0
            printed = await check.printed()
        async with start("inbox", "list") as listing:
            assert await listing.ended() == 0

    (line,) = second.said.splitlines()
    assert re.match(rf"error: DATA_DIR: .*another bot uses .*process {bot.process.pid} on ", line)
    assert f", in use by a bot (process {bot.process.pid} on " in printed
    assert f"Web chat: 127.0.0.1, port {port}, in use; probably by the running bot" in printed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["inbox", "list"], pytest.param(["--check"], marks=long)])
def test_a_full_output_is_one_line(arguments: list[str], finished: Finished) -> None:
    full = finished(*arguments, to="/dev/full")
    assert (full.returncode, full.stderr) == (
        1,
        "error: standard output: No space left on device\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("arguments", [["inbox", "list"], pytest.param(["--check"], marks=long)])
def test_a_reader_that_leaves_ends_the_program_without_a_word(
    arguments: list[str], finished: Finished
) -> None:
    left = finished(*arguments, to="a reader that leaves")
    assert (left.returncode, left.stderr) == (-signal.SIGPIPE, "")


def test_what_the_output_cannot_encode_is_escaped(finished: Finished, tmp_path: Path) -> None:
    asyncio.run(give_up(tmp_path / "data" / "inbox.sqlite3", "Telegram refuses: größer"))

    done = finished("inbox", "list", PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert r"Telegram refuses: gr\xf6\xdfer" in done.stdout


async def give_up(path: Path, reason: str) -> None:
    async with Inbox(SqliteRows(path)) as inbox:
        key = Key("telegram", "7", "100")
        await inbox.accept(key, None)
        await inbox.settle(key, "given up", reason)
