"""`Accept: text/plain`: the sentences alone, and how the types that a client takes are weighed."""

import gzip
from dataclasses import replace

import pytest
from aiohttp import ClientSession

from bot.web.refusals import refusals
from captioner import Caption, Options
from tests.bot.web.server import PHOTO, SURE, connect, ended, form, serving, web_chat

TEXT = {"Accept": "text/plain"}


async def test_one_photo_is_answered_with_its_text_alone(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return Caption("A dog runs.", -9.0, 0.3, SURE.words)

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=PHOTO, headers=TEXT) as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "text/plain")
        assert answer.charset == "utf-8"
        assert await answer.text() == "A dog runs. (Not sure.)\n"
        assert answer.headers["Content-Language"] == "en"


async def test_several_photos_have_a_line_each_and_so_have_their_errors(
    url: str, client: ClientSession
) -> None:
    data = form()
    data.add_field("photo", b"a letter", filename="b.jpg")
    data.add_field("photo", PHOTO, filename="c.jpg")
    async with client.post(f"{url}/api/caption", data=data, headers=TEXT) as answer:
        assert answer.status == 200
        first, second, third = (await answer.text()).splitlines()

    assert (first, third) == ("A dog runs.", "A dog runs.")
    assert second.startswith("I cannot read this file.")


@pytest.mark.parametrize(
    ("query", "photo", "status", "sentence"),
    [
        ("explain=2", PHOTO, 400, "explain must be 0 or 1."),
        ("", b"", 400, "The file is empty."),
        ("", b"a letter", 415, "I cannot read this file"),
    ],
)
async def test_an_error_is_its_sentence_with_its_status(
    query: str, photo: bytes, status: int, sentence: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption?{query}", data=photo, headers=TEXT) as answer:
        assert (answer.status, answer.content_type) == (status, "text/plain")
        said = await answer.text()
        assert said.startswith(sentence)
        assert said.endswith(".\n")
        assert said.count("\n") == 1


async def test_refusals_by_the_headers_are_text_too(client: ClientSession) -> None:
    async with (
        serving(web_chat()) as url,
        client.post(
            f"{url}/api/caption", headers={**TEXT, "Origin": "https://elsewhere.example"}
        ) as answer,
    ):
        assert (answer.status, answer.content_type) == (403, "text/plain")
        assert await answer.text() == f"{refusals.FOREIGN}\n"


@pytest.mark.parametrize(
    ("accepted", "text"),
    [
        ("text/plain", True),
        ("TEXT/Plain; charset=utf-8", True),
        ("text/*", True),
        ("text/plain, application/json;q=0.9", True),
        ("text/plain;q=0.2, application/json;q=0.1", True),
        ("text/plain, */*;q=0.5", True),
        ("application/json;q=0, */*, application/problem+json;q=0", True),
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        ("text/plain, application/json", False),
        ("text/plain, */*", False),
        ("text/plain;q=0.5, application/*", False),
        ("application/problem+json, text/plain;q=0.9", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("image/png", False),
        ("text/plain;q=0", False),
        ("text/plain;q=2", False),
        ("text/plain;q=high", False),
        ("text/plain;q=", False),
        ("text/plain;q=-1", False),
        ("text/plain;q=0.0001", False),
        (";;,,q=1;/", False),
    ],
)
async def test_types_are_weighed_by_their_quality_and_json_is_the_default(
    accepted: str, text: bool, url: str, client: ClientSession
) -> None:
    headers = {"Accept": accepted}
    async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
        assert answer.content_type == ("text/plain" if text else "application/json")
        assert "Accept" in answer.headers["Vary"].split(", ")


async def test_several_headers_count_as_one(url: str) -> None:
    reader, writer = await connect(url)
    lines = ["POST /api/caption HTTP/1.1", "Host: localhost", f"Content-Length: {len(PHOTO)}"]
    lines += ["Accept: application/json;q=0.5", "Accept: text/plain", "Connection: close"]
    writer.write("\r\n".join((*lines, "", "")).encode() + PHOTO)
    said = await ended(reader)
    writer.close()

    assert said.endswith(b"\r\n\r\nA dog runs.\n")


async def test_long_answers_are_compressed_for_those_who_take_it(client: ClientSession) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        return replace(SURE, text="A dog runs" + " and runs" * 200 + ".")

    async with (
        serving(web_chat(caption)) as url,
        ClientSession(auto_decompress=False) as raw,
    ):
        for accepted, zipped in (("gzip", True), ("identity", False), ("gzip;q=0", False)):
            headers = {"Accept-Encoding": accepted}
            async with raw.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
                body = await answer.read()
            assert (answer.headers.get("Content-Encoding") == "gzip") == zipped
            assert b'"caption": "A dog runs and' in (gzip.decompress(body) if zipped else body)
            assert "Accept-Encoding" in answer.headers["Vary"].split(", ")


async def test_short_answers_are_not_compressed(url: str, client: ClientSession) -> None:
    for headers in ({}, TEXT):
        async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
            assert "Content-Encoding" not in answer.headers
