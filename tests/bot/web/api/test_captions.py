"""`POST /api/caption` over the network; every answer is as the OpenAPI file documents it."""

import asyncio
import io
import logging
import os
import socket
import struct
import sys
from asyncio import StreamWriter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from openapi_spec_validator import validate as validate_openapi
from PIL import Image

from bot.replies import replies
from bot.web import adapter
from bot.web.api.body import CHUNK
from bot.web.api.upload import MOST_LINES
from bot.web.refusals import refusals
from captioner import BadImage, Busy, Caption, Options
from captioner.result import NamedObject, Word
from tests.bot.web.server import (
    LIMIT,
    LIMIT_MB,
    OPENAPI,
    PHOTO,
    SURE,
    connect,
    documented,
    form,
    head,
    refused,
    serving,
    web_chat,
)
from tests.conftest import failing


def test_the_openapi_file_is_valid() -> None:
    validate_openapi(OPENAPI)


async def test_a_photo_in_a_form_is_captioned(url: str, client: ClientSession) -> None:
    async with client.post(f"{url}/api/caption", data=form()) as answer:
        said = await documented(answer)

    assert answer.status == 200
    assert (said["caption"], said["text"]) == ("A dog runs.", "A dog runs.")
    assert said["confidence"] == 0.9
    assert said["unfamiliar"] is False
    assert (said["doubt"], said["alt_text"], said["objects"]) == ("", "A dog runs.", [])
    assert len(said["alternatives"]) == 2
    assert said["alternatives"][0] == {"caption": "A cat number 0.", "confidence": 0.8}
    assert "words" not in said


@pytest.mark.parametrize(
    "kind", ["image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded"]
)
async def test_a_photo_that_is_the_body_is_captioned(
    kind: str, url: str, client: ClientSession
) -> None:
    headers = {"Content-Type": kind}
    async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
        said = await documented(answer)

    assert (answer.status, said["caption"]) == (200, "A dog runs.")


@pytest.mark.parametrize("number", [0, 8])
async def test_the_requested_number_of_alternatives_is_returned(
    number: int, url: str, client: ClientSession
) -> None:
    query = {"alternatives": str(number)}
    async with client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer:
        assert len((await documented(answer))["alternatives"]) == number


async def test_words_come_with_their_attention(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        assert options.attention
        return SURE

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption?explain=1", data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert said["words"] == [
        {"text": "a", "probability": 0.9048, "attention": [[0.25, 0.25], [0.25, 0.25]]},
        {"text": "dog", "probability": 0.8187, "attention": None},
    ]


async def test_another_caption_is_a_different_one(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        assert (options.sample, options.seed, options.attention) == (True, 3, True)
        return SURE

    query = {"another": "3", "shown": "Perhaps: a dog runs.", "explain": "1", "alternatives": "2"}
    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert said["caption"] == "A cat number 0."


async def test_the_text_says_when_there_is_no_other_caption(
    url: str, client: ClientSession
) -> None:
    query = {"another": "1", "shown": " ".join([SURE.text, *(c.text for c in SURE.alternatives)])}
    async with client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer:
        said = await documented(answer)

    assert (said["text"], said["caption"]) == (replies.NOTHING_ELSE, "A dog runs.")
    assert said["doubt"] == ""


async def test_doubt_is_worded_and_the_caption_remains_plain(
    client: ClientSession,
) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return Caption("A dog runs.", -9.0, 0.3, SURE.words)

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert (said["caption"], said["alt_text"]) == ("A dog runs.", "A dog runs.")
    assert (said["text"], said["doubt"]) == ("A dog runs. (Not sure.)", "Not sure.")


async def test_a_photo_out_of_distribution_is_marked_and_its_caption_remains_plain(
    client: ClientSession,
) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return Caption("A dog runs.", -0.3, 0.9, SURE.words, out_of_distribution=True)

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert said["unfamiliar"] is True
    assert said["caption"] == "A dog runs."
    assert (said["text"], said["doubt"]) == ("A dog runs. (Only a guess.)", "Only a guess.")
    assert said["objects"] == []


async def test_the_names_of_what_a_photo_shows_come_with_their_confidence(
    client: ClientSession,
) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        cat = NamedObject("a tabby cat", 0.83456, ("a cat", "an animal"))
        return replace(SURE, out_of_distribution=True, objects=(cat,))

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert said["objects"] == [{"name": "a tabby cat", "confidence": 0.8346}]
    assert (said["text"], said["doubt"]) == ("It looks like a tabby cat.", "")
    assert (said["alt_text"], said["caption"]) == ("A tabby cat.", "A dog runs.")


TWELVE_BITS = PHOTO.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")


def large_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 400, "empty"),
        (PHOTO[:300], 400, "damaged"),
        (b"a letter", 415, "cannot read this file"),
        (TWELVE_BITS, 415, "this variant of its format"),
        (large_picture(), 413, "1000 x 1000"),
    ],
)
@pytest.mark.parametrize("wrap", [bytes, form])
async def test_a_bad_photo_is_refused_with_the_reason(
    wrap: Callable[[bytes], Any],
    body: bytes,
    status: int,
    part: str,
    url: str,
    client: ClientSession,
) -> None:
    async with client.post(f"{url}/api/caption", data=wrap(body)) as answer:
        assert answer.status == status
        assert part in (await documented(answer))["error"]


TURNS = f"another must be a whole number from 0 to {2**63 - 1}."


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("alternatives=9", "alternatives must be a whole number from 0 to 8."),
        ("alternatives=-1", "alternatives must be a whole number from 0 to 8."),
        ("alternatives=x", "alternatives must be a whole number from 0 to 8."),
        ("explain=yes", "explain must be 0 or 1."),
        ("another=-1", TURNS),
        ("another=", TURNS),
        (f"another={2**63}", TURNS),
        (f"another=1&shown={'x' * 4001}", "shown must have at most 4000 characters."),
    ],
)
async def test_a_wrong_query_is_refused_by_name(
    query: str, sentence: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption?{query}", data=PHOTO) as answer:
        assert answer.status == 400
        assert (await documented(answer))["error"] == sentence


async def test_a_form_holds_photos_and_nothing_else(url: str, client: ClientSession) -> None:
    more, empty = form(), FormData()
    more.add_field("other", "text")
    empty.add_field("photo_", b"", filename="a")
    for data in (form(field="picture"), more, empty):
        async with client.post(f"{url}/api/caption", data=data) as answer:
            assert await refused(answer, "needs_photo_field") == refusals.NEEDS_FIELD


START = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"no boundary"),
        ("multipart/form-data; boundary=x", START + b"\r\nhalf a pho"),
        ("multipart/form-data; boundary=x", START + b"no colon\r\n\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            START + b"Content-Type: multipart/a; boundary=y\r\n\r\n\r\n--x--",
        ),
    ],
)
async def test_a_broken_form_is_refused(
    kind: str, body: bytes, url: str, client: ClientSession
) -> None:
    headers = {"Content-Type": kind}
    async with client.post(f"{url}/api/caption", data=body, headers=headers) as answer:
        assert answer.status == 400
        error = (await documented(answer))["error"]
        assert error == (refusals.NEEDS_FIELD if b"multipart" in body else refusals.BROKEN_UPLOAD)


async def test_a_body_with_a_wrong_content_encoding_is_refused_and_not_logged(
    client: ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "image/jpeg"}
    async with serving(web_chat()) as url:
        for _ in range(2):  # the second does not meet the connection of the first while it closes
            async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
                assert answer.status == 400
                assert (await documented(answer))["error"] == refusals.BROKEN_UPLOAD
    # The server reads the rest of a body after its answer.
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_file_with_too_large_a_content_length_is_refused_unread(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(head(f"Content-Length: {LIMIT + 1}"))
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert b" 413 " in line


async def test_a_file_that_turns_out_too_large_is_refused_before_its_end(
    url: str,
) -> None:
    reader, writer = await connect(url)
    writer.write(head("Transfer-Encoding: chunked"))
    for _ in range(LIMIT // CHUNK + 1):
        writer.write(f"{CHUNK:x}\r\n".encode() + bytes(CHUNK) + b"\r\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert b" 413 " in line


async def test_a_form_that_is_too_large_is_refused(url: str, client: ClientSession) -> None:
    data = form(bytes(LIMIT + 1))
    async with client.post(f"{url}/api/caption", data=data) as answer:
        assert answer.status == 413
        assert (await documented(answer))["error"] == replies.too_large(LIMIT_MB)


async def test_a_form_of_lines_is_refused_after_a_few(url: str, client: ClientSession) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    lines = b"\r\n" * 2 * MOST_LINES
    async with client.post(f"{url}/api/caption", data=lines, headers=headers) as answer:
        assert await refused(answer, "broken_upload")
        assert answer.headers["Connection"] == "close"


async def test_bodies_of_all_requests_have_only_so_much_memory(
    client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "PHOTOS_IN_MEMORY", 1)
    monkeypatch.setattr(adapter, "VIDEOS_IN_MEMORY", 1)
    part = bytes(LIMIT // 2)
    chat = {"messages": [{"role": "user", "content": "A" * LIMIT}]}
    async with serving(web_chat()) as url:
        writers = []
        for _ in range(2):
            _, writer = await connect(url)
            writer.write(head(f"Content-Length: {len(part) + 1}") + part)
            await writer.drain()
            writers.append(writer)
        full = replies.busy(Busy("full", 10))
        async with asyncio.timeout(5):
            while True:
                async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
                    if answer.status == 503:
                        assert await refused(answer, "busy") == full
                        break
        async with client.post(f"{url}/v1/chat/completions", json=chat) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        for writer in writers:
            writer.close()
        async with asyncio.timeout(5):
            while True:
                async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
                    if answer.status == 200:
                        break


async def test_a_form_with_the_largest_photo_is_read(url: str, client: ClientSession) -> None:
    data = form(PHOTO + bytes(LIMIT - len(PHOTO)))
    async with client.post(f"{url}/api/caption", data=data) as answer:
        assert answer.status == 200


async def test_a_body_that_does_not_come_times_out(client: ClientSession) -> None:
    async with serving(web_chat(photo_seconds=0.05)) as url:
        reader, writer = await connect(url)
        writer.write(head("Content-Length: 100") + b"some")
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()

    assert b" 408 " in line


async def test_with_a_full_queue_a_photo_is_refused_before_its_body_comes() -> None:
    def check_room() -> None:
        raise Busy("full", 6.2)

    async with serving(web_chat(check_room=check_room)) as url:
        reader, writer = await connect(url)
        writer.write(head("Content-Length: 100"))
        said = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()

    assert b" 503 " in said
    assert b"Retry-After: 7" in said


@pytest.mark.parametrize(
    ("error", "status", "sentence", "retry_after"),
    [
        (Busy("full", 6.2), 503, replies.busy(Busy("full", 6.2)), "7"),
        (BadImage("damaged"), 400, replies.bad_image(BadImage("damaged")), None),
        (RuntimeError("a bug"), 500, replies.FAILED, None),
    ],
)
async def test_errors_say_when_to_try_again(
    error: Exception, status: int, sentence: str, retry_after: str | None, client: ClientSession
) -> None:
    async with (
        serving(web_chat(failing(error))) as url,
        client.post(f"{url}/api/caption", data=PHOTO) as answer,
    ):
        assert answer.status == status
        assert (await documented(answer))["error"] == sentence
        assert answer.headers.get("Retry-After") == retry_after


async def test_a_photo_that_takes_too_long_is_given_up(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        await asyncio.Event().wait()
        return SURE

    async with (
        serving(web_chat(caption, deadline=0.02)) as url,
        client.post(f"{url}/api/caption", data=PHOTO) as answer,
    ):
        assert answer.status == 503
        assert (await documented(answer))["error"] == replies.LATE


async def test_a_bug_in_the_server_is_answered_in_json(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return Caption("A dog runs.", -0.3, 0.9, (Word("a", 1e9, None),))  # exp() overflows

    query = {"explain": "1"}
    chat = web_chat(caption)
    async with (
        serving(chat) as url,
        client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer,
    ):
        assert answer.status == 500
        assert (await documented(answer))["error"] == replies.FAILED


async def test_wrong_addresses_and_methods_are_answered_in_json(
    url: str, client: ClientSession
) -> None:
    async with client.get(f"{url}/api/caption") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await answer.json(content_type=None))["error"] == refusals.NEEDS_POST
    async with client.post(f"{url}/api/nothing", data=PHOTO) as answer:
        assert answer.status == 404
        assert (await answer.json(content_type=None))["error"] == refusals.NOT_HERE


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_are_refused(
    headers: dict[str, str], url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
        assert answer.status == 403
        assert (await documented(answer))["error"] == refusals.FOREIGN
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_page_may_use_the_api_behind_a_proxy_too(url: str, client: ClientSession) -> None:
    elsewhere = {"Origin": "https://captions.example", "Sec-Fetch-Site": "same-origin"}
    for headers in ({"Origin": url}, {"Sec-Fetch-Site": "same-origin"}, elsewhere):
        async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
            assert answer.status == 200


def troubles(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.exc_info or r.levelno >= logging.WARNING]


async def test_a_client_that_goes_away_leaves_the_queue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    working, dropped = asyncio.Event(), asyncio.Event()

    async def caption(photo: bytes, options: Options) -> Caption:
        working.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()
        return SURE

    async with serving(web_chat(caption)) as url:
        _, writer = await connect(url)
        writer.write(head("Content-Length: 4") + b"some")
        await asyncio.wait_for(working.wait(), 5)
        writer.close()
        await asyncio.wait_for(dropped.wait(), 5)

    assert not troubles(caplog)


async def test_a_client_that_goes_away_during_its_upload_is_not_an_error(
    caplog: pytest.LogCaptureFixture, client: ClientSession
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(web_chat()) as url:
        for kind in ("image/jpeg", "multipart/form-data; boundary=x"):
            for leave in (StreamWriter.close, lambda writer: writer.transport.abort()):
                _, writer = await connect(url)
                writer.write(head("Content-Length: 100", kind=kind) + b"--x\r\n")
                async with client.get(f"{url}/healthz"):  # the server has read what came before
                    leave(writer)

    assert not troubles(caplog)


async def test_a_client_that_goes_away_before_it_is_told_to_go_on_is_not_an_error(
    caplog: pytest.LogCaptureFixture, client: ClientSession
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(web_chat()) as url:
        host, _, port = url.partition("://")[2].partition(":")
        for reset in (True, False):
            # The server's loop waits meanwhile; then it finds the request and its end together.
            with socket.create_connection((host, int(port))) as leaving:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))
                leaving.sendall(head("Content-Length: 100000", "Expect: 100-continue"))
            async with client.get(f"{url}/healthz") as answer:
                assert answer.status == 200
            _, writer = await connect(url)
            writer.write(head("Content-Length: 100000", "Expect: 100-continue"))
            writer.transport.abort() if reset else writer.close()
            async with client.get(f"{url}/healthz") as answer:
                assert answer.status == 200

    assert not troubles(caplog)


WRITTEN: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WRITTEN is not None and event == "open":
        path, mode, flags = arguments
        if set(mode or "") & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR):
            WRITTEN.append(str(path))


@pytest.fixture
def written() -> Iterator[list[str]]:
    """Return the files that are opened for writing."""
    global WRITTEN
    sys.addaudithook(_watch)  # it cannot be removed again, and does nothing while there is no list
    WRITTEN = []
    yield WRITTEN
    WRITTEN = None


async def test_no_photo_is_written_to_a_file(
    written: list[str], url: str, client: ClientSession
) -> None:
    large = PHOTO + bytes(LIMIT - len(PHOTO))
    for data in (form(large), large):
        async with client.post(f"{url}/api/caption", data=data) as answer:
            assert answer.status == 200

    assert written == []
