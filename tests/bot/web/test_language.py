"""In which language the web chat's server answers."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from bot import languages
from bot.about import about
from bot.access import Access
from bot.replies import replies
from bot.web.refusals import refusals
from bot.web.sentences import SENTENCES
from captioner import Caption, Options
from captioner.result import LocalName, NamedObject
from tests.bot.web.catalogues import MARKS
from tests.bot.web.server import OPENAPI, PHOTO, SURE, documented, serving, web_chat

pytestmark = pytest.mark.usefixtures("translated")

PREFERENCES: list[tuple[dict[str, Any], str]] = [
    ({}, "en"),
    ({"headers": {"Accept-Language": "it"}}, "en"),
    ({"headers": {"Accept-Language": "fr;q=0.3, zh-Hans-CN"}}, "zh"),
    ({"headers": {"Accept-Language": "de", "Cookie": "language=ar"}}, "ar"),
    ({"headers": {"Accept-Language": "de", "Cookie": "language=xx"}}, "de"),
    ({"headers": {"Cookie": "language=ar"}, "params": {"language": "en"}}, "en"),
    ({"params": {"language": "zh"}}, "zh"),
]


def says(sentence: str, code: str) -> str:
    return f"{MARKS.get(code, '')}{sentence}"


@pytest.mark.parametrize(("asked", "code"), PREFERENCES)
async def test_the_parameter_comes_before_the_cookie_and_that_before_what_is_accepted(
    asked: Mapping[str, Any], code: str, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/api/caption", data=b"", **asked) as answer:
        assert (await documented(answer))["error"] == says("The file is empty.", code)
        assert answer.headers["Content-Language"] == code
        assert answer.headers["Vary"] == "Accept, Accept-Language, Cookie"
    async with client.get(url, **asked) as answer:
        assert f'<html lang="{code}" dir="{"rtl" if code == "ar" else "ltr"}">' in (
            await answer.text()
        )
        assert answer.headers["Content-Language"] == code
        assert answer.headers["Vary"] == "Accept-Encoding, Accept-Language, Cookie"


@pytest.mark.parametrize("wrong", ["", "xx", "DE", "de-AT", "de,fr"])
async def test_a_language_that_the_bot_does_not_speak_is_refused_with_those_that_it_speaks(
    wrong: str, url: str, client: ClientSession
) -> None:
    sentence = "language must be one of ar, cs, de, en, fr, pt, zh."
    params = {"language": wrong}
    async with client.post(f"{url}/api/caption", data=PHOTO, params=params) as answer:
        assert answer.status == 400
        assert (await documented(answer))["error"] == sentence
    headers = {"Accept-Language": "de"}
    async with client.get(url, params=params, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (400, "text/plain")
        assert await answer.text() == says(sentence, "de") + "\n"


async def test_refusals_of_strangers_and_floods_are_in_the_language_too(
    client: ClientSession,
) -> None:
    wrong_token = {"Authorization": "Bearer wrong"}
    secret = SecretStr("a token")
    cases: list[tuple[dict[str, Any], dict[str, str], str]] = [
        ({"web_token": secret}, {}, refusals.NEEDS_TOKEN),
        ({"web_token": secret}, wrong_token, refusals.WRONG_TOKEN),
        ({}, {"Host": "elsewhere.example"}, refusals.MISDIRECTED),
        ({}, {"Origin": "https://elsewhere.example"}, refusals.FOREIGN),
        ({"access": Access(allowed={"web:192.0.2.1"})}, {}, replies.NOT_ALLOWED),
    ]
    for fields, headers, sentence in cases:
        async with (
            serving(web_chat(**fields)) as url,
            client.post(f"{url}/api/caption?language=de", data=PHOTO, headers=headers) as answer,
        ):
            assert (await documented(answer))["error"] == says(sentence, "de")
            assert answer.headers["Content-Language"] == "de"


async def test_a_flood_is_refused_in_the_language(client: ClientSession) -> None:
    async with serving(web_chat(access=Access("1/hour"))) as url:
        async with client.post(f"{url}/api/caption?language=de", data=PHOTO) as answer:
            assert answer.status == 200
        async with client.post(f"{url}/api/caption?language=de", data=PHOTO) as answer:
            assert answer.status == 429
            error = (await documented(answer))["error"]
            assert error.startswith("Deutsch: That is too much for now.")
            assert "Deutsch: 3600 s" in error


async def test_a_request_does_not_speak_the_language_of_the_one_before_it(
    url: str, client: ClientSession
) -> None:
    for code in ("de", "en", "ar", "en"):
        headers = {"Accept-Language": code}
        async with client.get(f"{url}/api/caption", headers=headers) as answer:
            said = await answer.json(content_type=None)
            assert said["error"] == says(refusals.NEEDS_POST, code)


async def test_the_caption_is_in_the_language_that_is_asked_for(client: ClientSession) -> None:
    wanted: list[str | None] = []
    name = LocalName("eine Katze", ("katze",), ())
    cat = NamedObject("a tabby cat", 0.8, ("a cat", "an animal"), name)

    async def caption(photo: bytes, options: Options) -> Caption:
        wanted.append(options.language)
        return replace(SURE, text="Der Hund rennt.", language="de", confidence=0.2, objects=(cat,))

    async with (
        serving(web_chat(caption, captions_in=("de", "fr"))) as url,
        client.post(f"{url}/api/caption?language=de", data=PHOTO) as answer,
    ):
        said = await documented(answer)

    assert wanted == ["de"]
    assert (said["language"], said["caption"]) == ("de", "Der Hund rennt.")
    assert said["objects"] == [{"name": "eine Katze", "confidence": 0.8}]
    assert answer.headers["Content-Language"] == "de"


async def test_a_model_that_lacks_the_language_captions_in_its_own_and_the_rest_is_translated(
    client: ClientSession,
) -> None:
    async def caption(photo: bytes, options: Options) -> Caption:
        assert options.language is None
        return replace(SURE, alternatives=())

    query = {"language": "de", "another": "1", "shown": "A dog runs."}
    async with serving(web_chat(caption)) as url:
        async with client.post(f"{url}/api/caption?language=de", data=PHOTO) as answer:
            said = await documented(answer)
            assert (said["language"], said["text"]) == ("en", "A dog runs.")
            assert answer.headers["Content-Language"] == "en"
        async with client.post(f"{url}/api/caption", params=query, data=PHOTO) as answer:
            said = await documented(answer)
            assert (said["language"], said["caption"]) == ("en", "A dog runs.")
            assert said["text"] == says(replies.NOTHING_ELSE, "de")
            assert answer.headers["Content-Language"] == "de, en"


async def test_the_page_is_in_the_language_with_its_model_its_script_and_the_switch(
    url: str, client: ClientSession
) -> None:
    async with client.get(f"{url}/?language=ar") as answer:
        page = await answer.text()

    for sentence in (replies.HINT, replies.PRIVACY, about.NAMES_NOTICE, SENTENCES["choose"]):
        assert escape(says(sentence, "ar")) in page
    assert 'href="/static/sentences.ar.js"' in page
    for code, name in languages.NAMES.items():
        start = "rtl" if code == "ar" else "ltr"
        chosen = " selected" if code == "ar" else ""
        assert f'<option value="{code}" lang="{code}" dir="{start}"{chosen}>{name}</opt' in page
        async with client.get(f"{url}/static/sentences.{code}.js") as answer:
            assert answer.content_type == "text/javascript"
            assert answer.headers["Cache-Control"] == "no-cache"
            assert ('"\\u0639' in await answer.text()) == (code == "ar")


async def test_a_page_that_the_browser_has_cached_is_sent_again_in_another_language(
    url: str, client: ClientSession
) -> None:
    tags = {}
    for code in languages.NAMES:
        async with client.get(url, params={"language": code}) as answer:
            tags[code] = answer.headers["ETag"]

    assert len(set(tags.values())) == len(tags)
    for code, status in (("de", 304), ("fr", 200)):
        headers = {"If-None-Match": tags["de"], "Accept-Language": code}
        async with client.get(url, headers=headers) as answer:
            assert answer.status == status
            assert answer.headers["Content-Language"] == code
            assert answer.headers["Vary"] == "Accept-Encoding, Accept-Language, Cookie"


def test_the_openapi_file_lists_every_language() -> None:
    (parameter,) = (
        one
        for one in OPENAPI["paths"]["/api/caption"]["post"]["parameters"]
        if one["name"] == "language"
    )
    assert parameter["schema"]["enum"] == list(languages.NAMES)
