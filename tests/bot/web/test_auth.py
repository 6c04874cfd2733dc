"""Who may use the API: rates, names, tokens, and the name in Host."""

import asyncio
import logging
import re
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from bot.access import Access
from bot.replies import replies
from bot.web.refusals import refusals
from tests.bot.web.server import PHOTO, connect, documented, ended, head, serving, web_chat

TOKEN = "s3cret-tökén"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def status(client: ClientSession, url: str, **headers: str) -> int:
    """Send a photo; the answer is what the OpenAPI file says."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post(f"{url}/api/caption", data=PHOTO, headers=named) as answer:
        await documented(answer)
        return answer.status


async def test_too_many_photos_are_refused_before_they_come() -> None:
    async with serving(web_chat(access=Access("1/minute"))) as url:
        reader, writer = await connect(url)
        writer.write(head(f"Content-Length: {len(PHOTO)}") + PHOTO)
        assert b" 200 " in await asyncio.wait_for(reader.readline(), 5)
        reader, second = await connect(url)
        second.write(head(f"Content-Length: {len(PHOTO)}"))
        assert b" 429 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()
        second.close()


async def test_too_many_photos_are_answered_with_when_to_try_again(client: ClientSession) -> None:
    async with serving(web_chat(access=Access("1/minute"))) as url:
        assert await status(client, url) == 200
        for _ in range(2):
            async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
                assert answer.status == 429
                seconds = int(answer.headers["Retry-After"])
                assert 1 <= seconds <= 61
                assert (await documented(answer))["error"] == replies.too_many(seconds)
        async with client.get(f"{url}/metrics") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access(blocked={"web:127.0.0.1"}), 403),
        (Access(allowed={"web:192.0.2.1", "telegram:7"}), 403),
        (Access(allowed={"web:127.0.0.1"}), 200),
    ],
)
async def test_strangers_are_refused_each_time(
    access: Access, expected: int, client: ClientSession
) -> None:
    async with serving(web_chat(access=access)) as url:
        for _ in range(2):
            assert await status(client, url) == expected


async def test_the_address_behind_a_proxy_is_the_last_forwarded_one(
    client: ClientSession,
) -> None:
    async with serving(web_chat(access=Access("1/minute"), web_behind_proxy=True)) as url:
        for forwarded, expected in (
            ("203.0.113.1", 200),
            ("203.0.113.1", 429),
            ("198.51.100.9, 203.0.113.1", 429),  # the first is what the client made up
            ("::ffff:203.0.113.1", 429),
            ("203.0.113.1:4711", 429),
            ("203.0.113.2", 200),
            ("2001:db8:1:2::1", 200),
            ("2001:db8:1:2:ffff::9", 429),  # the same network
            ("[2001:db8:1:2::5]:80", 429),
            ("2001:db8:1:3::1", 200),
            ("no address", 200),  # the proxy's own, as the next
            ("", 429),
        ):
            assert await status(client, url, X_Forwarded_For=forwarded) == expected, forwarded


async def test_a_second_forwarded_header_comes_after_the_first(client: ClientSession) -> None:
    access = Access(blocked={"web:203.0.113.1"})
    async with serving(web_chat(access=access, web_behind_proxy=True)) as url:
        reader, writer = await connect(url)
        forwarded = [f"X-Forwarded-For: {address}" for address in ("198.51.100.9", "203.0.113.1")]
        writer.write(head(*forwarded, f"Content-Length: {len(PHOTO)}") + PHOTO)
        assert b" 403 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


@pytest.mark.parametrize("name", ["web:2001:db8:1:2::7", "web:2001:db8:1:2::/64"])
async def test_an_address_is_blocked_by_itself_and_with_its_network(
    name: str, client: ClientSession
) -> None:
    async with serving(web_chat(access=Access(blocked={name}), web_behind_proxy=True)) as url:
        assert await status(client, url, X_Forwarded_For="2001:db8:1:2::7") == 403
        assert await status(client, url, X_Forwarded_For="2001:db8:1:9::7") == 200


async def test_without_a_proxy_nobody_can_choose_an_address(client: ClientSession) -> None:
    async with serving(web_chat(access=Access("1/minute"))) as url:
        assert await status(client, url, X_Forwarded_For="203.0.113.1") == 200
        assert await status(client, url, X_Forwarded_For="203.0.113.2") == 429


@pytest.mark.parametrize(
    ("headers", "sentence", "challenge"),
    [
        ({}, refusals.NEEDS_TOKEN, 'Bearer realm="photo-captioner"'),
        ({"Authorization": f"Basic {TOKEN}"}, refusals.NEEDS_TOKEN, None),
        ({"Authorization": TOKEN}, refusals.NEEDS_TOKEN, None),
        ({"Authorization": "Bearer"}, refusals.WRONG_TOKEN, None),
        (
            {"Authorization": "Bearer wrong"},
            refusals.WRONG_TOKEN,
            'Bearer realm="photo-captioner", error="invalid_token"',
        ),
        ({"Authorization": f"Bearer {TOKEN}x"}, refusals.WRONG_TOKEN, None),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, refusals.WRONG_TOKEN, None),
    ],
)
async def test_captions_and_metrics_need_the_token(
    headers: dict[str, str], sentence: str, challenge: str | None, client: ClientSession
) -> None:
    async with serving(web_chat(web_token=SecretStr(TOKEN))) as url:
        for path, ask in (("/api/caption", client.post), ("/metrics", client.get)):
            async with ask(f"{url}{path}", headers=headers) as answer:
                assert answer.status == 401
                assert (await documented(answer, path))["error"] == sentence
                assert answer.headers["WWW-Authenticate"] == challenge or challenge is None


async def test_the_token_gives_access_to_captions_and_metrics(client: ClientSession) -> None:
    async with serving(web_chat(web_token=SecretStr(TOKEN))) as url:
        for headers in (BEARER, {"Authorization": f"bearer  {TOKEN}"}):
            assert await status(client, url, **headers) == 200
            async with client.get(f"{url}/metrics", headers=headers) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/static/chat.js", "/openapi.json", "/healthz", "/readyz"])
async def test_the_page_and_health_need_neither_a_token_nor_a_name(
    path: str, client: ClientSession
) -> None:
    async with (
        serving(web_chat(web_token=SecretStr(TOKEN))) as url,
        client.get(f"{url}{path}", headers={"Host": "elsewhere.example"}) as answer,
    ):
        assert answer.status == 200


async def test_guessing_tokens_is_limited_like_sending_photos(client: ClientSession) -> None:
    chat = web_chat(web_token=SecretStr(TOKEN), access=Access("2/minute"))
    async with serving(chat) as url:
        said = [await status(client, url, Authorization=f"Bearer {n}") for n in range(3)]
        assert said == [401, 401, 429]
        assert await status(client, url) == 401
        async with client.get(f"{url}/metrics", headers={"Authorization": "Bearer 4"}) as answer:
            assert answer.status == 429
            await documented(answer, "/metrics")


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /%61pi/caption",
        "POST //api/caption",
        "POST /./api/caption",
        "POST /static/../api/caption",
        "POST /api%2Fcaption",
        "POST /API/caption",
        "POST http://localhost/api/caption",
        "GET /%6Detrics",
        "GET //metrics",
        "GET /./metrics",
        "GET /api/../metrics",
        "GET /metrics/",
        "GET /METRICS",
        "GET http://localhost/metrics",
    ],
)
async def test_no_spelling_of_an_address_avoids_the_token(request_line: str) -> None:
    async with serving(web_chat(web_token=SecretStr(TOKEN))) as url:
        reader, writer = await connect(url)
        length = f"Content-Length: {len(PHOTO)}\r\n"
        writer.write(f"{request_line} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode() + PHOTO)
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()
    assert line.split()[1] in (b"400", b"401", b"404")


async def test_the_token_is_in_no_log_and_no_answer(
    caplog: pytest.LogCaptureFixture, client: ClientSession
) -> None:
    caplog.set_level(logging.DEBUG)
    said = b""
    async with serving(web_chat(web_token=SecretStr("s3cret"))) as url:
        for given in ("s3cret", "s3cret-wrong"):
            async with client.post(
                f"{url}/api/caption", headers={"Authorization": f"Bearer {given}"}
            ) as answer:
                said += await answer.read()
        for line in (b"GET / HTTP/1.1 s3cret", b"GET / HTTP/1.1\r\nAuthorization: s3cret\0"):
            reader, writer = await connect(url)
            writer.write(line + b"\r\n\r\n")
            assert b" 400 " in await ended(reader)
            writer.close()

    assert b"s3cret" not in said
    assert "s3cret" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def named(host: str) -> bytes:
    return f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


async def answered(host: str, **fields: Any) -> int:
    async with serving(web_chat(**fields)) as url:
        reader, writer = await connect(url)
        writer.write(named(host))
        said = await ended(reader)
        writer.close()
    return int(said.split()[1])


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.0.0.2", "[::1]:8080"]
)
async def test_the_names_of_this_machine_are_accepted(host: str) -> None:
    assert await answered(host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "elsewhere.example:8080",
        "localhost.elsewhere.example",
        "127.0.0.1.elsewhere.example",
        "localhost@elsewhere.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::1",
        "",
    ],
)
async def test_other_names_that_resolve_to_this_machine_are_refused(host: str) -> None:
    assert await answered(host) == 421


@pytest.mark.parametrize("fields", [{"web_behind_proxy": True}, {"web_host": "0.0.0.0"}])
async def test_all_names_are_accepted_if_the_right_ones_are_unknown(
    fields: dict[str, Any],
) -> None:
    assert await answered("captions.example", **fields) == 200


async def test_a_refused_name_is_answered_as_documented(client: ClientSession) -> None:
    host = {"Host": "elsewhere.example"}
    async with serving(web_chat()) as url:
        assert await status(client, url, **host) == 421
        async with client.get(f"{url}/metrics", headers=host) as answer:
            assert (await documented(answer, "/metrics"))["error"] == refusals.MISDIRECTED


async def test_answers_say_how_many_photos_are_left(client: ClientSession) -> None:
    async with serving(web_chat(access=Access("2/minute;9/hour", "100/hour"))) as url:
        for status, left, hourly in ((200, 1, 8), (200, 0, 7), (429, 0, 7)):
            async with client.post(f"{url}/api/caption", data=PHOTO) as answer:
                await documented(answer)
                assert answer.status == status
                policy = '"60s";q=2;w=60, "3600s";q=9;w=3600'
                assert answer.headers["RateLimit-Policy"] == policy
                limits = rf'"60s";r={left};t=(60|59|58), "3600s";r={hourly};t=3(600|59\d)'
                assert re.fullmatch(limits, answer.headers["RateLimit"])
        async with client.get(f"{url}/metrics") as answer:
            assert "RateLimit" not in answer.headers


async def test_what_is_left_is_said_only_where_it_is_known(client: ClientSession) -> None:
    async def spend(limits: object, photos: int) -> float:
        return 0.0

    for access, policy in (
        (Access("2/minute", "2/minute", spend=spend), '"60s";q=2;w=60'),
        (Access(operators={"web:127.0.0.1"}), None),
        (Access(blocked={"web:127.0.0.1"}), None),
    ):
        async with (
            serving(web_chat(access=access)) as url,
            client.post(f"{url}/api/caption", data=PHOTO) as answer,
        ):
            assert answer.headers.get("RateLimit-Policy") == policy
            assert "RateLimit" not in answer.headers
