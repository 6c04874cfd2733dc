"""Pages of the sites in `CORS_ORIGINS` may use the API; those of all others still may not."""

from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from bot.access import Access
from bot.web.adapter import WebChat
from bot.web.refusals import refusals
from tests.bot.web.server import PHOTO, connect, documented, ended, head, refused, serving, web_chat

SITE = "https://example.org"
FROM_SITE = {"Origin": SITE, "Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {
    **FROM_SITE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-request-id",
}


def chat(**fields: Any) -> WebChat:
    return web_chat(cors_origins=frozenset({SITE, "http://localhost:3000"}), **fields)


async def test_a_page_of_an_allowed_site_may_send_photos_and_read_the_answer(
    client: ClientSession,
) -> None:
    async with (
        serving(chat()) as url,
        client.post(f"{url}/api/caption", data=PHOTO, headers=FROM_SITE) as answer,
    ):
        assert (await documented(answer))["caption"] == "A dog runs."
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Origin" in answer.headers["Vary"].split(", ")
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Retry-After", "X-Request-Id", "RateLimit", "Content-Language"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_browser_that_asks_first_is_told_what_a_page_may_send(
    client: ClientSession,
) -> None:
    async with (
        serving(chat(web_token=SecretStr("a token"))) as url,
        client.options(f"{url}/api/caption", headers=PREFLIGHT) as answer,
    ):
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == SITE
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
        assert answer.headers["Access-Control-Allow-Headers"] == "*, Authorization"
        assert int(answer.headers["Access-Control-Max-Age"]) > 0


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        "http://example.org",
        "https://example.org:8443",
        "https://www.example.org",
        "https://example.org.elsewhere.example",
        "https://example.org/",
        "null",
        "",
    ],
)
async def test_pages_of_other_sites_are_refused_as_before(
    origin: str, client: ClientSession
) -> None:
    async with serving(chat()) as url:
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
            assert await refused(answer, "other_site") == refusals.FOREIGN
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert "Origin" in answer.headers["Vary"].split(", ")
        async with client.options(
            f"{url}/api/caption", headers={**PREFLIGHT, "Origin": origin}
        ) as answer:
            assert answer.status == 405
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_two_origins_are_none() -> None:
    async with serving(chat()) as url:
        reader, writer = await connect(url)
        origins = [f"Origin: {SITE}"] * 2
        writer.write(head(*origins, f"Content-Length: {len(PHOTO)}", "Connection: close") + PHOTO)
        said = await ended(reader)
        writer.close()

    assert b" 403 " in said.splitlines()[0]
    assert b"Access-Control-Allow-Origin" not in said


async def test_errors_can_be_read_too(client: ClientSession) -> None:
    access = Access("1/hour")
    async with serving(chat(web_token=SecretStr("a token"), access=access)) as url:
        for token, query, code in (
            (None, "", "needs_token"),
            ("a token", "x=1", "unknown_parameter"),
            ("a token", "", "over_rate"),
            ("wrong", "", "over_rate"),
        ):
            headers = {**FROM_SITE, **({"Authorization": f"Bearer {token}"} if token else {})}
            async with client.post(
                f"{url}/api/caption?{query}", data=PHOTO, headers=headers
            ) as answer:
                await refused(answer, code)
                assert answer.headers["Access-Control-Allow-Origin"] == SITE


async def test_the_page_itself_needs_no_origin_in_the_list(client: ClientSession) -> None:
    async with serving(chat()) as url:
        for headers in ({}, {"Origin": url}, {"Sec-Fetch-Site": "same-origin"}):
            async with client.post(f"{url}/api/caption", data=PHOTO, headers=headers) as answer:
                assert answer.status == 200
                assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/openapi.json", "/none"])
async def test_only_the_api_is_shared(path: str, client: ClientSession) -> None:
    async with serving(chat()) as url, client.get(f"{url}{path}", headers=FROM_SITE) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_another_name_of_this_machine_is_refused_all_the_same(client: ClientSession) -> None:
    headers = {**PREFLIGHT, "Host": "elsewhere.example"}
    async with serving(chat()) as url:
        for ask in (client.options, client.post):
            async with ask(f"{url}/api/caption", headers=headers) as answer:
                assert answer.status == 421


async def test_by_default_no_site_is_allowed(url: str, client: ClientSession) -> None:
    async with client.post(f"{url}/api/caption", data=PHOTO, headers=FROM_SITE) as answer:
        assert answer.status == 403
        assert "Origin" not in answer.headers["Vary"].split(", ")
