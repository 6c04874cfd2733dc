"""Several photos in one request: a list in their order, whatever is wrong with some of them."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from bot.access import Access
from bot.replies import replies
from bot.web.api import captions as api
from bot.web.api.body import MOST_PHOTOS, PHOTOS_TOGETHER, UploadLimits
from bot.web.api.side_by_side import AT_ONCE, MOVING_AT_ONCE
from bot.web.refusals import refusals
from captioner import BadImage, Busy, Caption, Options, VideoCaption
from tests.bot.stories import AtOnce
from tests.bot.web.server import (
    LIMIT,
    LIMIT_MB,
    OPENAPI,
    PHOTO,
    SURE,
    OneAtATime,
    connect,
    documented,
    head,
    refused,
    serving,
    web_chat,
)
from tests.bot.web.stories import STORY, animation, video_file
from tests.pictures import LEFT, RIGHT


def several(*photos: bytes) -> FormData:
    data = FormData()
    for number, photo in enumerate(photos):
        data.add_field("photo", photo, filename=f"{number}.jpg", content_type="image/jpeg")
    return data


async def numbers(photo: bytes, options: Options) -> Caption:
    """Caption a photo with its own bytes, after a while that is shorter for later photos."""
    if photo == b"bad":
        raise BadImage("damaged")
    await asyncio.sleep(0.05 / (int(photo) + 1))
    return replace(SURE, text=f"Photo {photo.decode()}.")


async def test_several_photos_are_answered_with_a_list_in_their_order(
    client: ClientSession,
) -> None:
    photos = [str(number).encode() for number in range(MOST_PHOTOS)]
    async with (
        serving(web_chat(numbers)) as url,
        client.post(f"{url}/api/caption", data=several(*photos)) as answer,
    ):
        said = await documented(answer)

    assert answer.status == 200
    assert [one["caption"] for one in said] == [f"Photo {number}." for number in range(20)]
    assert answer.headers["Content-Language"] == "en"


async def test_a_photo_that_cannot_be_captioned_spoils_no_other(client: ClientSession) -> None:
    photos = (b"1", b"bad", b"", bytes(LIMIT + 1), b"https://example.org/a.jpg", b"2")

    async def caption(photo: bytes, options: Options) -> Caption:
        if not photo:
            raise BadImage("empty")
        return await numbers(photo, options)

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=several(*photos)) as answer,
    ):
        said = await documented(answer)

    assert answer.status == 200
    assert [one.get("caption") or (one["code"], one["status"]) for one in said] == [
        "Photo 1.",
        ("damaged", 400),
        ("empty", 400),
        ("too_many_bytes", 413),
        ("no_urls", 400),
        "Photo 2.",
    ]
    assert said[1]["detail"] == said[1]["error"] == replies.bad_image(BadImage("damaged"))
    assert said[3]["max_mb"] == LIMIT_MB


async def test_the_options_are_those_of_every_photo(client: ClientSession) -> None:
    query = {"alternatives": "1", "explain": "1", "language": "de"}
    async with (
        serving(web_chat()) as url,
        client.post(f"{url}/api/caption", data=several(PHOTO, PHOTO), params=query) as answer,
    ):
        said = await documented(answer)

    assert [(len(one["alternatives"]), len(one["words"])) for one in said] == [(1, 2), (1, 2)]


async def test_the_languages_of_captions_and_problems_are_named(client: ClientSession) -> None:
    async with (
        serving(web_chat(numbers)) as url,
        client.post(f"{url}/api/caption?language=de", data=several(b"1", b"bad")) as answer,
    ):
        assert answer.headers["Content-Language"] == "en, de"


@pytest.mark.parametrize("extra", [0, 1])
async def test_more_photos_than_one_request_may_hold_are_refused_before_any_is_captioned(
    extra: int, client: ClientSession
) -> None:
    captioned = []

    async def caption(photo: bytes, options: Options) -> Caption:
        captioned.append(photo)
        return SURE

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=several(*[PHOTO] * (MOST_PHOTOS + extra))) as answer,
    ):
        if extra:
            sentence = "I accept up to 20 files in one request."
            assert await refused(answer, "too_many_photos") == sentence
            assert (await answer.json(content_type=None))["max_photos"] == MOST_PHOTOS
        else:
            assert answer.status == 200

    assert len(captioned) == (0 if extra else MOST_PHOTOS)


async def test_photos_that_are_too_large_together_are_refused(
    url: str, client: ClientSession
) -> None:
    for data in (
        several(*[bytes(LIMIT)] * PHOTOS_TOGETHER, b"1"),
        several(*[bytes(LIMIT // 4)] * 20),
    ):
        async with client.post(f"{url}/api/caption", data=data) as answer:
            sentence = refusals.too_large_together(PHOTOS_TOGETHER * LIMIT_MB)
            assert await refused(answer, "too_many_bytes_together") == sentence


async def test_a_body_without_a_length_is_read_only_up_to_the_limit(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(head("Transfer-Encoding: chunked", kind="multipart/form-data; boundary=x"))
    start = b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\n'
    for part in (start, *[bytes(LIMIT)] * (PHOTOS_TOGETHER + 1)):
        writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()

    assert b" 413 " in line


def test_a_larger_body_may_take_longer() -> None:
    limits = UploadLimits(photo=1000, video=2000, photos=20, seconds=60)
    lengths = (None, 0, 1000, 1001, 4000, 10**9)
    assert [limits.seconds_for(length) for length in lengths] == [60, 60, 60, 120, 240, 480]


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json"])
async def test_a_body_that_stops_coming_times_out(kind: str) -> None:
    async with serving(web_chat(photo_seconds=0.05)) as url:
        reader, writer = await connect(url)
        writer.write(head("Content-Length: 1000", kind=kind) + b"--x\r\n")
        line = await asyncio.wait_for(reader.readline(), 5)
        writer.close()

    assert b" 408 " in line


async def test_only_a_few_large_bodies_are_in_memory_at_a_time(
    client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LARGE_AT_ONCE", 1)
    kind, large = "multipart/form-data; boundary=x", (PHOTO + bytes(LIMIT - len(PHOTO)),) * 2
    async with serving(web_chat(deadline=0.5)) as url:

        async def ask(*photos: bytes) -> int:
            async with client.post(f"{url}/api/caption", data=several(*photos)) as answer:
                if answer.status == 503:
                    await refused(answer, "busy")
                    assert answer.headers["Retry-After"] == "10"
                return answer.status

        reader, writer = await connect(url)  # sends nothing of its large body
        expecting = "Expect: 100-continue"
        writer.write(head(f"Content-Length: {2 * LIMIT}", expecting, kind=kind))
        assert b" 100 " in await asyncio.wait_for(reader.readline(), 5)
        assert await ask(*large) == 503
        assert await ask(PHOTO) == await ask(PHOTO, PHOTO) == 200
        waiting = asyncio.create_task(ask(*large))
        writer.close()
        assert await waiting == 200


async def test_photos_of_one_request_are_captioned_side_by_side_but_leave_room_for_others(
    client: ClientSession,
) -> None:
    at_once = AtOnce()

    async def caption(photo: bytes, options: Options) -> Caption:
        with at_once:
            await asyncio.sleep(0.01)
        return SURE

    async with (
        serving(web_chat(caption)) as url,
        client.post(f"{url}/api/caption", data=several(*[PHOTO] * MOST_PHOTOS)) as answer,
    ):
        assert answer.status == 200

    assert at_once.most == AT_ONCE


async def test_videos_of_one_request_leave_places_for_others_and_photos_pass_them(
    client: ClientSession,
) -> None:
    at_once = AtOnce()
    captioned, enough = [], asyncio.Event()

    async def tell(video: bytes, options: Options) -> VideoCaption:
        with at_once:
            await enough.wait()
        return STORY

    async def caption(photo: bytes, options: Options) -> Caption:
        captioned.append(photo)
        if len(captioned) == 2:
            enough.set()
        return SURE

    files = [*[video_file()] * 4, *[animation(LEFT, RIGHT)] * 4, PHOTO, PHOTO]
    async with (
        serving(web_chat(caption, caption_video=tell)) as url,
        client.post(f"{url}/api/caption", data=several(*files)) as answer,
    ):
        said = await documented(answer)

    assert ["scenes" in one for one in said] == [True] * 8 + [False] * 2
    assert at_once.most == MOVING_AT_ONCE


async def test_photos_of_one_request_wait_for_room_in_the_queue(client: ClientSession) -> None:
    narrow = OneAtATime()
    async with (
        serving(web_chat(narrow.caption)) as url,
        client.post(f"{url}/api/caption", data=several(PHOTO, PHOTO, PHOTO)) as answer,
    ):
        said = await documented(answer)

    assert [one["caption"] for one in said] == ["A dog runs."] * 3
    assert narrow.refusals


async def answered(client: ClientSession, error: BaseException | None) -> list[dict[str, Any]]:
    """Send two photos, of which the second is captioned only if there is no error."""
    asked = 0

    async def caption(photo: bytes, options: Options) -> Caption:
        nonlocal asked
        asked += 1
        if asked == 1:
            return SURE
        if error is None:
            await asyncio.Event().wait()
        raise error or AssertionError

    async with (
        serving(web_chat(caption, deadline=0.19)) as url,
        client.post(f"{url}/api/caption", data=several(PHOTO, PHOTO)) as answer,
    ):
        said: list[dict[str, Any]] = await documented(answer)
    return said


@pytest.mark.parametrize(
    ("error", "code", "seconds"),
    [
        (Busy("full", 6.2), "busy", 7),
        (Busy("stopping", 60), "stopping", 60),
        (None, "late", 10),
        (RuntimeError("a bug"), "failed", None),
    ],
)
async def test_a_photo_without_an_answer_in_time_says_why(
    error: Exception | None, code: str, seconds: int | None, client: ClientSession
) -> None:
    first, second = await asyncio.wait_for(answered(client, error), 5)

    assert first["caption"] == "A dog runs."
    assert (second["code"], second.get("retry_after")) == (code, seconds)


async def test_every_photo_counts_towards_the_rate(client: ClientSession) -> None:
    async with serving(web_chat(access=Access("5/minute"))) as url:
        async with client.post(f"{url}/api/caption", data=several(*[PHOTO] * 3)) as answer:
            assert answer.status == 200
            assert answer.headers["RateLimit"].startswith('"60s";r=2;')
        async with client.post(f"{url}/api/caption", data=several(*[PHOTO] * 3)) as answer:
            sentence = await refused(answer, "over_rate")
            assert sentence.startswith("That is too much for now.")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert answer.headers["RateLimit"].startswith('"60s";r=1;')


async def test_more_photos_than_a_rate_ever_allows_are_refused_with_what_it_allows(
    client: ClientSession,
) -> None:
    for access, most in ((Access("3/minute;2/hour"), 2), (Access("1/minute"), 1)):
        async with (
            serving(web_chat(access=access)) as url,
            client.post(f"{url}/api/caption", data=several(*[PHOTO] * 3)) as answer,
        ):
            sentence = await refused(answer, "too_many_photos")
            assert sentence == refusals.too_many_at_once(most)


async def test_who_has_no_rate_may_send_as_many_as_one_request_holds(
    client: ClientSession,
) -> None:
    access = Access("1/minute", operators={"web:127.0.0.1"})
    async with (
        serving(web_chat(access=access)) as url,
        client.post(f"{url}/api/caption", data=several(*[PHOTO] * 3)) as answer,
    ):
        assert answer.status == 200
        assert "RateLimit" not in answer.headers
        assert "RateLimit-Policy" not in answer.headers


async def test_a_client_that_goes_away_takes_all_its_photos_along() -> None:
    started, dropped = asyncio.Event(), asyncio.Event()
    working = 0

    async def caption(photo: bytes, options: Options) -> Caption:
        nonlocal working
        working += 1
        if working == 2:
            started.set()
        try:
            await asyncio.Event().wait()
        finally:
            working -= 1
            if not working:
                dropped.set()
        return SURE

    photo = b'--x\r\nContent-Disposition: form-data; name="photo"\r\n\r\na\r\n'
    body = photo + photo + b"--x--\r\n"
    async with serving(web_chat(caption)) as url:
        _, writer = await connect(url)
        kind = "multipart/form-data; boundary=x"
        writer.write(head(f"Content-Length: {len(body)}", kind=kind) + body)
        await asyncio.wait_for(started.wait(), 5)
        writer.close()
        await asyncio.wait_for(dropped.wait(), 5)


def test_the_openapi_file_names_the_most_photos() -> None:
    assert set(_most(json.loads(json.dumps(OPENAPI)))) == {8, MOST_PHOTOS}  # 8: alternatives


def _most(part: Any) -> list[int]:
    if isinstance(part, list):
        return [number for one in part for number in _most(one)]
    if not isinstance(part, dict):
        return []
    own = [part["maxItems"]] if isinstance(part.get("maxItems"), int) else []
    return own + [number for one in part.values() for number in _most(one)]
