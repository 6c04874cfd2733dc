"""The page, its scripts and the API's description: compressed, and not sent twice."""

import gzip
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import ClientSession

from bot import languages

PATHS = ["/", "/static/chat.js", "/static/chat.css", "/static/sentences.de.js", "/openapi.json"]


@pytest.fixture
async def raw() -> AsyncIterator[ClientSession]:
    """Return a client that shows bodies as they are sent."""
    async with ClientSession(auto_decompress=False) as session:
        yield session


async def body(client: ClientSession, url: str, accepted: str) -> tuple[bytes, Mapping[str, str]]:
    async with client.get(url, headers={"Accept-Encoding": accepted}) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) == len(await answer.read())
        return await answer.read(), answer.headers


@pytest.mark.parametrize("path", PATHS)
async def test_content_is_compressed_for_those_who_take_it(
    path: str, url: str, raw: ClientSession
) -> None:
    plain, described = await body(raw, f"{url}{path}", "identity")
    assert "Content-Encoding" not in described
    assert "Accept-Encoding" in described["Vary"]
    for accepted in ("gzip", "br, gzip, deflate", "x-gzip", "*", "gzip;q=0.5", "GZIP"):
        zipped, headers = await body(raw, f"{url}{path}", accepted)
        assert headers["Content-Encoding"] == "gzip"
        assert headers["Content-Type"] == described["Content-Type"]
        assert headers["Vary"] == described["Vary"]
        assert len(zipped) < len(plain) / 1.5 or len(plain) < 2000
        assert gzip.decompress(zipped) == plain
    for accepted in ("", "br", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "gzip;q=0.5, identity"):
        assert (await body(raw, f"{url}{path}", accepted))[0] == plain, accepted


@pytest.mark.parametrize("path", PATHS)
async def test_each_encoding_has_a_tag_of_its_own_and_a_reload_is_not_sent(
    path: str, url: str, raw: ClientSession
) -> None:
    tags = {}
    for accepted in ("gzip", "identity"):
        _, headers = await body(raw, f"{url}{path}", accepted)
        tags[accepted] = headers["ETag"]
    assert tags["gzip"] != tags["identity"]

    for accepted, known, status in (
        ("gzip", tags["gzip"], 304),
        ("identity", tags["identity"], 304),
        ("gzip", tags["identity"], 200),
        ("identity", tags["gzip"], 200),
        ("gzip", f"W/{tags['gzip']}", 304),  # as a proxy weakens it
        ("gzip", f'"other", {tags["gzip"]}', 304),
        ("gzip", "*", 304),
        ("gzip", "garbage", 200),
    ):
        asked = {"Accept-Encoding": accepted, "If-None-Match": known}
        async with raw.get(f"{url}{path}", headers=asked) as answer:
            assert answer.status == status, (accepted, known)
            assert answer.headers["ETag"] == tags[accepted]
            assert bool(await answer.read()) == (status == 200)
            assert "Accept-Encoding" in answer.headers["Vary"]
            assert status == 200 or "Content-Encoding" not in answer.headers


async def test_the_page_is_not_sent_again_in_any_language(url: str, raw: ClientSession) -> None:
    for code in languages.NAMES:
        asked = {"Accept-Encoding": "gzip", "Accept-Language": code}
        async with raw.get(url, headers=asked) as answer:
            tag = answer.headers["ETag"]
        async with raw.get(url, headers={**asked, "If-None-Match": tag}) as answer:
            assert (answer.status, answer.headers["Content-Language"]) == (304, code)


async def test_head_says_what_get_would(url: str, raw: ClientSession) -> None:
    for accepted in ("gzip", "identity"):
        expected, headers = await body(raw, url, accepted)
        async with raw.head(url, headers={"Accept-Encoding": accepted}) as answer:
            assert answer.headers["Content-Length"] == str(len(expected))
            assert answer.headers.get("Content-Encoding") == headers.get("Content-Encoding")
            assert answer.headers["ETag"] == headers["ETag"]
