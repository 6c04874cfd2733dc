"""One line for each event, as text or JSON, without any token."""

import io
import json
import logging
import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import ExifTags, Image

from bot import logs

TOKEN = "12345:se/cret\"quoted'"
HALF = TOKEN.partition(":")[2]
Output = pytest.CaptureFixture[str]


def lines(capsys: Output) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_json_object(capsys: Output) -> None:
    logs.set_up("INFO", "json")
    structlog.stdlib.get_logger("bot.answers").info("answered", outcome="captioned", seconds=0.25)

    (line,) = lines(capsys)
    assert list(line)[:4] == ["time", "level", "logger", "event"]
    at = datetime.fromisoformat(line.pop("time"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert line == {
        "level": "info",
        "logger": "bot.answers",
        "event": "answered",
        "outcome": "captioned",
        "seconds": 0.25,
    }


def test_events_of_libraries_look_like_our_own(capsys: Output) -> None:
    logs.set_up("INFO", "json")
    with logs.about("telegram", 7):
        logging.getLogger("discord").warning("shard %d\nis late", 3)
        structlog.stdlib.get_logger("bot").warning("shard %d\nis late", 3)
    structlog.stdlib.get_logger("bot").warning("afterwards")

    theirs, ours, after = lines(capsys)
    assert theirs["event"] == "shard 3\nis late"
    assert (theirs["platform"], theirs["chat"]) == ("telegram", logs.pseudonym("telegram", 7))
    assert theirs.keys() == ours.keys()
    assert {key for key in ours if ours[key] != theirs[key]} <= {"time", "logger"}
    assert not {"platform", "chat"} & after.keys()


def test_an_error_carries_its_traceback_on_the_same_line(capsys: Output) -> None:
    logs.set_up("INFO", "json")
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("theirs").exception("failed")
        structlog.stdlib.get_logger("ours").exception("failed")

    for line in lines(capsys):
        assert line["level"] == "error"
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("ValueError: bad")


@pytest.mark.parametrize(
    ("log_format", "terminal", "start"),
    [
        ("auto", False, r'\{"time": "'),
        ("auto", True, "\x1b.*\\d{4}-"),
        ("text", False, r"\d{4}-.*Z \[info "),
        ("text", True, "\x1b.*\\d{4}-"),
        ("json", True, r'\{"time": "'),
    ],
)
def test_text_is_for_terminals_and_json_for_everything_else(
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    log_format: str,
    terminal: bool,
    start: str,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    logs.set_up("INFO", log_format)
    structlog.stdlib.get_logger("bot").info("two\nlines", seconds=1)

    said = capsys.readouterr().err
    assert re.match(start, said)
    assert said.count("\n") == 1
    assert ("\x1b" in said) == (terminal and log_format != "json")


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    [
        f"/file/bot{TOKEN}/photo.jpg",
        f"/file/bot{quote(TOKEN)}/photo.jpg",
        f"/file/bot{quote(TOKEN, safe='').lower()}/photo.jpg",
        f"{json.dumps(TOKEN)}/photo.jpg",
        f"{TOKEN!r}/photo.jpg",
        f"{HALF}/photo.jpg",
    ],
)
def test_a_token_is_masked_wherever_and_however_it_is_written(
    capsys: Output, said: str, log_format: str
) -> None:
    logs.set_up("INFO", log_format, ["", "another", TOKEN])
    logging.getLogger("bot").info("fetching %s", said)
    structlog.stdlib.get_logger("bot").info("fetching", address=said, several=[said])
    try:
        raise ValueError(said)
    except ValueError:
        logging.getLogger("bot").exception("failed")

    written = capsys.readouterr().err
    assert not re.search("cret", written, re.IGNORECASE)
    assert written.count("[token]") == 4  # of the traceback's two, one is the name of a variable
    assert written.count("/photo.jpg") == 4


def test_the_traceback_of_code_that_holds_a_token_is_masked(capsys: Output) -> None:
    logs.set_up("INFO", "text", ["12345:literally"])
    try:
        raise ValueError("bad 12345:literally")
    except ValueError:
        logging.getLogger("bot").exception("failed")

    written = capsys.readouterr().err
    assert "literally" not in written
    assert written.count("[token]") == 2  # the line of code, and the error


def test_an_event_that_does_not_fit_its_arguments_shows_none_of_them(capsys: Output) -> None:
    logs.set_up("INFO", "json", [TOKEN])
    logging.getLogger("theirs").info("%d photos", TOKEN)

    (line,) = lines(capsys)
    assert line["event"] == "an event with wrong arguments: '%d photos'"


def test_uncaught_exceptions_are_logged_and_masked(capsys: Output) -> None:
    logs.set_up("INFO", "json", [TOKEN])
    sys.excepthook(ValueError, ValueError(TOKEN), None)

    def fail() -> None:
        raise ValueError(TOKEN)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    for line in lines(capsys):
        assert line["level"] == "critical"
        assert line["exception"].endswith("ValueError: [token]")


async def test_tokens_are_masked_where_a_library_logs_its_requests(capsys: Output) -> None:
    logs.set_up("DEBUG", "json", [TOKEN])
    for name in logs.TALKATIVE:
        logging.getLogger(name).setLevel(logging.DEBUG)

    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server, httpx.AsyncClient() as client:
        await client.get(f"{server.make_url('/')}bot{TOKEN}/getMe")

    written = capsys.readouterr().err
    assert not re.search("cret", written)
    assert written.count("bot[token]/getMe") >= 2  # the client's line, and the server's


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_that_log_addresses_log_only_trouble(capsys: Output, level: str) -> None:
    logs.set_up(level, "json")
    for name in logs.TALKATIVE:
        logging.getLogger(name).info("GET https://example.org")
        logging.getLogger(name).error("no")

    assert [line["event"] for line in lines(capsys)] == ["no"] * len(logs.TALKATIVE)


def test_where_a_photo_was_taken_is_not_logged(capsys: Output) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.ImageDescription] = "at home"
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=exif)
    logs.set_up("DEBUG", "json")

    with Image.open(file) as photo:
        assert photo.getexif()[ExifTags.Base.ImageDescription] == "at home"
    assert capsys.readouterr().err == ""


def test_below_the_level_nothing_is_logged(capsys: Output) -> None:
    logs.set_up("WARNING", "json")
    structlog.stdlib.get_logger("bot").info("answered")
    structlog.stdlib.get_logger("bot").warning("late")

    assert [line["event"] for line in lines(capsys)] == ["late"]


def test_a_chat_keeps_its_pseudonym_over_restarts_but_not_with_other_secrets() -> None:
    names = []
    for secrets in ([TOKEN], [TOKEN], ["another"]):
        logs.set_up("INFO", "json", secrets)
        names.append(logs.pseudonym("telegram", -100))

    assert names[0] == names[1] != names[2]
    assert re.fullmatch(r"[0-9a-f]{8}", names[0])
    assert logs.pseudonym("telegram", "-100") == names[2]
    assert logs.pseudonym("discord", -100) != names[2]


def test_without_secrets_pseudonyms_hold_for_one_process() -> None:
    names = set()
    for _ in range(2):
        logs.set_up("INFO", "json")
        names.add(logs.pseudonym("web", "127.0.0.1"))

    assert len(names) == 2
