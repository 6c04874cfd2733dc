"""Photos in JSON, as base64; and why no photo is fetched from an address."""

import base64
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from bot.replies import replies
from bot.web.api.json_upload import SMALL
from bot.web.refusals import refusals
from captioner import Caption, Options
from tests.bot.web.server import (
    LIMIT,
    LIMIT_MB,
    PHOTO,
    SURE,
    documented,
    refused,
    serving,
    web_chat,
)

JSON = {"Content-Type": "application/json"}
TEXT = base64.b64encode(PHOTO).decode()


async def test_a_photo_in_base64_is_captioned(url: str, client: ClientSession) -> None:
    async with client.post(f"{url}/api/caption", json={"photo": TEXT}) as answer:
        said = await documented(answer)

    assert (answer.status, said["caption"]) == (200, "A dog runs.")


@pytest.mark.parametrize("number", [1, 2])
async def test_a_list_is_answered_with_a_list(number: int, url: str, client: ClientSession) -> None:
    async with client.post(f"{url}/api/caption", json={"photo": [TEXT] * number}) as answer:
        said = await documented(answer)

    assert [one["caption"] for one in said] == ["A dog runs."] * number


@pytest.mark.parametrize(
    "write",
    [
        lambda text: f"data:image/jpeg;base64,{text}",
        lambda text: f" DATA:;BASE64,{text}\n",
        lambda text: f"data:image/jpeg;charset=utf-8;base64,{text}",
        lambda text: "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
    ],
)
async def test_data_uris_and_lines_are_understood(
    write: Callable[[str], str], url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", json={"photo": write(TEXT)}) as answer:
        assert (await documented(answer))["caption"] == "A dog runs."


async def test_json_is_written_in_many_ways(client: ClientSession) -> None:
    photos = []

    async def caption(photo: bytes, options: Options) -> Caption:
        photos.append(photo)
        return SURE

    photo = bytes(range(256)) * 400  # in base64 it has + and /
    text = base64.b64encode(photo).decode()
    escaped = text.replace("+", "\\u002B").replace("/", "\\/")
    bodies = (
        f'{{"photo":"{text}"}}'.encode(),
        f'{{"photo":"{escaped}"}}'.encode(),
        b"\xef\xbb\xbf" + json.dumps({"photo": text}, indent=8).encode(),
    )
    async with serving(web_chat(caption)) as url:
        for body in bodies:
            assert len(body) > SMALL
            headers = {"Content-Type": "Application/JSON; charset=utf-8"}
            async with client.post(f"{url}/api/caption", data=body, headers=headers) as answer:
                assert answer.status == 200

    assert photos == [photo] * 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"{",
        b'{"photo": "AAAA"',
        b"{'photo': 'AAAA'}",
        b'{"photo": "\xff"}',
        '{"photo": "AAAA"}'.encode("utf-16"),
        b"[" * 50_000,
        b'{"photo": ' + b"9" * 5000 + b"}",
        PHOTO,
    ],
)
async def test_what_is_not_json_is_refused(body: bytes, url: str, client: ClientSession) -> None:
    async with client.post(f"{url}/api/caption", data=body, headers=JSON) as answer:
        assert await refused(answer, "not_json") == refusals.NOT_JSON


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        '"AAAA"',
        "{}",
        "NaN",
        '{"photo": null}',
        '{"photo": 7}',
        '{"photo": {}}',
        '{"photo": []}',
        '{"photo": ["AAAA", 7]}',
        '{"photo": [["AAAA"]]}',
        '{"photos": ["AAAA"]}',
        '{"photo": "AAAA", "language": "de"}',
        '{"photo": "AAAA", "photo": "AAAA"}',
        '{"photo": [' + "[]," * SMALL + "[]]}",
        '{"a": ' * SMALL,
    ],
)
async def test_json_that_is_not_photos_alone_is_refused(
    body: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", data=body, headers=JSON) as answer:
        assert await refused(answer, "needs_photo_member") == refusals.NEEDS_MEMBER


@pytest.mark.parametrize(
    "text",
    [
        "A",
        "AAAAA",
        "AAA=AAA=",
        "__!-",
        "AAAA!",
        "AAAA\0",
        "\u1d2c" * 4,
        "\ud800",
        "data:image/jpeg,AAAA",
        "\U0001f436" + "A" * SMALL,
    ],
)
async def test_a_photo_that_is_not_base64_is_refused(
    text: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", json={"photo": text}) as answer:
        assert await refused(answer, "not_base64") == refusals.NOT_BASE64


async def test_in_a_list_each_photo_has_its_own_problem(url: str, client: ClientSession) -> None:
    photos = [TEXT, "A", "https://example.org/a.jpg", "", base64.b64encode(b"text").decode()]
    async with client.post(f"{url}/api/caption", json={"photo": photos}) as answer:
        said = await documented(answer)

    assert answer.status == 200
    codes = ["captioned", "not_base64", "no_urls", "empty", "unsupported"]
    assert [one.get("code", "captioned") for one in said] == codes


@pytest.mark.parametrize(
    "given",
    [
        {"url": "https://example.org/a.jpg"},
        {"url": "http://169.254.169.254/", "photo": TEXT},
        {"photo": "http://127.0.0.1/metrics"},
        {"photo": " HTTPS://example.org/a.jpg"},
        {"photo": "ftp://example.org/a.jpg"},
    ],
)
async def test_a_photo_at_an_address_is_not_fetched(
    given: dict[str, Any], url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", json=given) as answer:
        assert await refused(answer, "no_urls") == refusals.NO_URLS


async def test_an_address_in_a_form_is_not_fetched_either(url: str, client: ClientSession) -> None:
    data = FormData(default_to_multipart=True)
    data.add_field("photo", "https://example.org/a.jpg")
    for body in (data, b"https://example.org/a.jpg"):
        async with client.post(f"{url}/api/caption", data=body) as answer:
            assert await refused(answer, "no_urls") == refusals.NO_URLS


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (2 * LIMIT, 413)])
async def test_the_limit_is_that_of_the_decoded_photo(
    size: int, status: int, url: str, client: ClientSession
) -> None:
    text = base64.b64encode(PHOTO + bytes(size - len(PHOTO))).decode()
    body = io.BytesIO(json.dumps({"photo": text}).encode())
    async with client.post(f"{url}/api/caption", data=body, headers=JSON) as answer:
        if status == 413:
            assert await refused(answer, "too_many_bytes") == replies.too_large(LIMIT_MB)
        assert answer.status == status


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(
    chunked: bool, url: str, client: ClientSession
) -> None:
    body = json.dumps({"photo": ["A" * LIMIT] * 4}).encode()

    async def stream() -> Any:
        yield body

    data = stream() if chunked else io.BytesIO(body)
    async with client.post(f"{url}/api/caption", data=data, headers=JSON) as answer:
        await refused(answer, "too_many_bytes_together")


@pytest.mark.parametrize(("photo", "number"), [("AAAA", 21), ("A" * 4000, 21), ("", 2**16)])
async def test_more_photos_than_a_request_may_hold_are_refused(
    photo: str, number: int, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", json={"photo": [photo] * number}) as answer:
        assert await refused(answer, "too_many_photos") == refusals.too_many_at_once(20)


async def test_a_compressed_body_counts_as_what_is_in_it(url: str, client: ClientSession) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    for text, status in ((TEXT, 200), ("A" * 20 * LIMIT, 413)):
        body = gzip.compress(json.dumps({"photo": text}).encode())
        assert len(body) < LIMIT
        async with client.post(f"{url}/api/caption", data=body, headers=headers) as answer:
            assert answer.status == status
