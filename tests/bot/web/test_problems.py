"""Errors as problem details (RFC 9457): their codes, and addresses where there is nothing."""

import io
import re
from http import HTTPStatus
from pathlib import Path
from typing import get_args

import pytest
from aiohttp import ClientSession
from PIL import Image

from bot.web.problems import STATUS, TITLES
from bot.web.refusals import refusals
from captioner.errors import BadImageKind
from tests.bot.web.server import OPENAPI, connect, ended, refused, serving, web_chat

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
ANYTHING = {"Accept": "*/*"}


def test_every_code_has_a_status_with_a_title_and_is_documented() -> None:
    assert set(STATUS.values()) == set(TITLES)
    assert all(HTTPStatus(status) for status in TITLES)
    assert OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(STATUS)
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == STATUS


def test_every_kind_of_bad_image_has_a_code() -> None:
    assert {kind.lower().replace(" ", "_") for kind in get_args(BadImageKind)} <= set(STATUS)


@pytest.mark.parametrize(
    ("query", "code", "parameter", "sentence"),
    [
        ("explain=2", "wrong_parameter", "explain", "explain must be 0 or 1."),
        (
            "alternative=1",
            "unknown_parameter",
            "alternative",
            "There is no parameter alternative. "
            "The parameters are: language, alternatives, explain, another, shown.",
        ),
        ("explain=1&explain=1", "repeated_parameter", "explain", "Give explain only once."),
        ("language=en&language=fr", "repeated_parameter", "language", "Give language only once."),
        ("explain=1&=", "unknown_parameter", "", "There is no parameter ."),
        ("Language=de", "unknown_parameter", "Language", "There is no parameter Language."),
        ("%00%0D%0A=1", "unknown_parameter", "���", "There is no parameter ���."),
        ("%FF=1", "unknown_parameter", "�", "There is no parameter �."),
        (f"{'a' * 41}=1", "unknown_parameter", f"{'a' * 40}…", "There is no parameter aaaa"),
    ],
)
async def test_a_wrong_parameter_is_named_before_the_photo_is_read(
    query: str, code: str, parameter: str, sentence: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption?{query}", data=b"") as answer:
        assert (await refused(answer, code)).startswith(sentence)
        assert (await answer.json(content_type=None))["parameter"] == parameter


NOWHERE = ["/none", "/static/none.js", "/favicon.ico", "/apis", "/%61pi"]


@pytest.mark.parametrize("path", NOWHERE)
async def test_an_address_without_anything_is_answered_with_a_sentence(
    path: str, url: str, client: ClientSession
) -> None:
    async with client.get(f"{url}{path}", headers=ANYTHING) as answer:
        assert (answer.status, answer.content_type) == (404, "text/plain")
        assert await answer.text() == f"{refusals.NO_PAGE}\n"
        assert answer.headers["Content-Language"] == "en"
        assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie"


@pytest.mark.usefixtures("translated")
async def test_it_is_in_the_readers_language(url: str, client: ClientSession) -> None:
    headers = {"Accept-Language": "de"}
    for path, sentence in (("/none", refusals.NO_PAGE), ("/api/none", refusals.NOT_HERE)):
        async with client.get(f"{url}{path}", headers=headers) as answer:
            assert f"Deutsch: {sentence}" in await answer.text()
            assert answer.headers["Content-Language"] == "de"


@pytest.mark.parametrize("accepted", ["application/json", "application/problem+json", "text/*;q=0"])
async def test_programs_that_accept_json_get_a_problem(
    accepted: str, url: str, client: ClientSession
) -> None:
    headers = {"Accept": accepted if "q=0" not in accepted else f"{accepted}, */*"}
    async with client.get(f"{url}/none", headers=headers) as answer:
        assert answer.content_type == "application/problem+json"
        assert (await answer.json(content_type=None))["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("OPTIONS", "/openapi.json", "GET, HEAD"),
        ("PUT", "/static/chat.js", "GET, HEAD"),
    ],
)
async def test_a_method_that_an_address_does_not_take_is_answered_with_those_that_it_does(
    method: str, path: str, allowed: str, url: str, client: ClientSession
) -> None:
    async with client.request(method, f"{url}{path}", headers=ANYTHING) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        assert await answer.text() == f"This address accepts only {allowed}.\n"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/caption", "method_not_allowed"),
        ("OPTIONS", "/api/caption", "method_not_allowed"),
        ("POST", "/metrics", "method_not_allowed"),
        ("GET", "/api/", "not_found"),
        ("POST", "/api/captions", "not_found"),
    ],
)
async def test_the_api_answers_with_problems(
    method: str, path: str, code: str, url: str, client: ClientSession
) -> None:
    async with client.request(method, f"{url}{path}", headers=ANYTHING) as answer:
        said = await answer.json(content_type="application/problem+json")

    assert (said["code"], said["status"]) == (code, answer.status)
    assert (said["type"], said["title"]) == ("about:blank", TITLES[answer.status])


async def test_head_has_no_body(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(b"HEAD /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    said = await ended(reader)
    writer.close()

    assert b" 404 " in said.splitlines()[0]
    assert said.endswith(b"\r\n\r\n")


def large_picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1000, 1000)).save(file, "PNG")
    return file.getvalue()


async def test_a_photo_with_too_many_pixels_comes_with_the_numbers(client: ClientSession) -> None:
    async with (
        serving(web_chat()) as url,
        client.post(f"{url}/api/caption", data=large_picture()) as answer,
    ):
        await refused(answer, "too_many_pixels")
        said = await answer.json(content_type=None)

    assert (said["width"], said["height"], said["max_pixels"]) == (1000, 1000, 100_000)
