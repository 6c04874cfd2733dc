"""`POST /api/caption` with videos and animations, which are told as a story."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from PIL import Image

from bot.replies import replies
from bot.store.sqlite.feedback_rows import SqliteFeedback
from bot.web.adapter import VIDEOS_IN_MEMORY
from bot.web.refusals import refusals
from captioner import BadImage, Busy, Caption, Captioner, Options, VideoCaption
from captioner.video.result import Scene
from tests.bot.web.server import (
    PHOTO,
    captions_dog,
    connect,
    documented,
    form,
    head,
    refused,
    serving,
    web_chat,
)
from tests.bot.web.stories import CAT, STORY, animation, tells, video_file
from tests.conftest import Trained, on_cpu
from tests.pictures import LEFT, RIGHT, saved

WEBVTT = """WEBVTT

00:00:00.000 --> 00:00:02.000
A dog runs.

00:00:02.000 --> 00:00:03.250
A cat sits. (Not sure.)

00:00:03.250 --> 00:00:04.000
A dog runs.
"""


async def post(client: ClientSession, url: str, body: Any, query: str = "", **headers: str) -> Any:
    return await client.post(f"{url}/api/caption{query}", data=body, headers=headers)


async def test_a_video_is_answered_with_its_story_and_its_scenes(client: ClientSession) -> None:
    async with serving(web_chat(caption_video=tells)) as url:
        answer = await post(client, url, video_file())
        said = await documented(answer)
    assert said["text"] == "First a dog runs. Then a cat sits. (Not sure.)"
    assert said["caption"] == said["alt_text"] == "First a dog runs. Then a cat sits."
    assert (said["confidence"], said["unfamiliar"], said["doubt"]) == (0.2, False, "")
    assert (said["seconds"], said["duration"]) == (4.0, 4.25)
    assert said["objects"] == said["alternatives"] == []
    keys = ("start", "end", "frame", "told", "repeats", "caption", "confidence", "doubt")
    assert [tuple(scene[key] for key in keys) for scene in said["scenes"]] == [
        (0.0, 2.0, 0.5, True, None, "A dog runs.", 0.9, ""),
        (2.0, 3.25, 2.5, True, None, "A cat sits.", 0.2, "Not sure."),
        (3.25, 4.0, 0.5, False, 0, "A dog runs.", 0.9, ""),
    ]
    assert [len(scene["alternatives"]) for scene in said["scenes"]] == [2, 2, 2]


async def test_one_scene_is_worded_as_a_photo(client: ClientSession) -> None:
    async def one(video: bytes, options: Options) -> VideoCaption:
        return VideoCaption((Scene(0.0, 1.0, 0.5, CAT),), 1.0, 1.0)

    async with serving(web_chat(caption_video=one)) as url:
        said = await documented(await post(client, url, video_file()))
    assert said["text"] == "A cat sits. (Not sure.)"
    assert (said["doubt"], said["alt_text"]) == ("Not sure.", "A cat sits.")


async def test_what_a_file_is_its_bytes_say(client: ClientSession) -> None:
    told, captioned = [], []

    async def tell(video: bytes, options: Options) -> VideoCaption:
        told.append(video)
        return STORY

    async def caption(photo: bytes, options: Options) -> Caption:
        captioned.append(photo)
        return await captions_dog(photo, options)

    moving = [
        video_file(),
        video_file("mp4", "libx264"),
        animation(LEFT, RIGHT),
        animation(LEFT, RIGHT, format_="WEBP"),
    ]
    still = [PHOTO, saved(Image.new("RGB", (64, 48), LEFT), "WEBP")]
    async with serving(web_chat(caption, caption_video=tell)) as url:
        for file in moving:
            answer = await post(client, url, file, **{"Content-Type": "image/jpeg"})
            assert "scenes" in await documented(answer)
        for file in still:
            answer = await post(client, url, file, **{"Content-Type": "video/mp4"})
            assert "scenes" not in await documented(answer)
    assert (told, captioned) == (moving, still)


async def test_videos_and_photos_share_a_request(client: ClientSession) -> None:
    data = FormData()
    for file in (PHOTO, video_file(), b"nothing"):
        data.add_field("photo", file, filename="a file", content_type="application/octet-stream")
    async with serving(web_chat(caption_video=tells)) as url:
        photo, video, bad = await documented(await post(client, url, data))
    assert (photo["text"], "scenes" in photo) == ("A dog runs.", False)
    assert (video["text"], len(video["scenes"])) == (STORY.text, 3)
    assert bad["code"] == "unsupported"


async def test_each_scene_is_explained(client: ClientSession) -> None:
    asked = []

    async def tell(video: bytes, options: Options) -> VideoCaption:
        asked.append(options)
        return STORY

    async with serving(web_chat(caption_video=tell)) as url:
        said = await documented(await post(client, url, video_file(), "?explain=1&alternatives=1"))
    assert [scene["words"][0]["attention"] for scene in said["scenes"]] == 3 * [[[0.25] * 2] * 2]
    assert [len(scene["alternatives"]) for scene in said["scenes"]] == [1, 1, 1]
    assert "words" not in said
    (options,) = asked
    assert (options.attention, options.alternatives) == (True, 1)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/vtt", "text/vtt"),
        ("text/vtt, application/json;q=0.5", "text/vtt"),
        ("text/vtt;q=0.5, text/plain", "text/plain"),
        ("text/*", "text/plain"),
        ("*/*", "application/json"),
    ],
)
async def test_a_video_is_answered_as_its_client_accepts(
    client: ClientSession, accept: str, kind: str
) -> None:
    async with serving(web_chat(caption_video=tells)) as url:
        answer = await post(client, url, video_file(), Accept=accept)
        text = await answer.text()
    assert (answer.status, answer.content_type, answer.charset) == (200, kind, "utf-8")
    assert "Accept" in answer.headers["Vary"]
    if kind == "text/vtt":
        assert text == WEBVTT
    if kind == "text/plain":
        assert text == f"{STORY.text}\n"


async def test_a_photo_has_no_subtitles(client: ClientSession) -> None:
    async with serving(web_chat(caption_video=tells)) as url:
        answer = await post(client, url, form(), Accept="text/vtt")
        assert (await documented(answer))["text"] == "A dog runs."


async def test_a_video_has_only_one_story(client: ClientSession) -> None:
    async with serving(web_chat(caption_video=tells)) as url:
        answer = await post(client, url, video_file(), "?another=1&shown=A")
        detail = await refused(answer, "wrong_parameter")
        assert (await answer.json(content_type=None))["parameter"] == "another"
        for picture in (PHOTO, animation(LEFT), animation(LEFT, RIGHT)):
            said = await documented(await post(client, url, picture, "?another=1"))
            assert said["caption"] == "A dog runs."
    assert detail == refusals.NO_OTHER_STORY.format(name="another")


def grown(file: bytes, size: int) -> bytes:
    return file + bytes(size - len(file))


def sent(*files: bytes) -> FormData:
    data = FormData()
    for file in files:
        data.add_field("photo", file, filename="a file", content_type="application/octet-stream")
    return data


def in_json(*files: bytes) -> str:
    return json.dumps({"photo": [base64.b64encode(file).decode() for file in files]})


LARGER: dict[str, Any] = {"max_photo_mb": 0.25, "max_video_mb": 0.5}
SMALLER: dict[str, Any] = {"max_photo_mb": 0.5, "max_video_mb": 0.25}


@pytest.mark.parametrize(
    ("limits", "file", "most"),
    [
        (LARGER, video_file(), 2**19),
        (LARGER, video_file("mp4", "libx264"), 2**19),
        (LARGER, PHOTO, 2**18),
        (LARGER, animation(LEFT, RIGHT), 2**18),
        (SMALLER, video_file(), 2**18),
        (SMALLER, PHOTO, 2**19),
        (SMALLER, animation(LEFT, RIGHT), 2**19),
    ],
)
async def test_a_video_has_its_own_limit_and_an_animation_that_of_a_photo(
    client: ClientSession, limits: dict[str, Any], file: bytes, most: int
) -> None:
    fits, large = grown(file, most), grown(file, most + 1)
    json_type = {"Content-Type": "application/json"}
    async with serving(web_chat(caption_video=tells, **limits)) as url:
        for body, headers in ((fits, {}), (sent(fits), {}), (in_json(fits), json_type)):
            await documented(await post(client, url, body, **headers))
        for body, headers in ((large, {}), (sent(large), {})):
            answer = await post(client, url, body, **headers)
            assert await refused(answer, "too_many_bytes") == replies.too_large(most / 2**20)
        for body, headers in ((sent(large, PHOTO), {}), (in_json(large, PHOTO), json_type)):
            bad, good = await documented(await post(client, url, body, **headers))
            assert (bad["code"], bad["max_mb"]) == ("too_many_bytes", most / 2**20)
            assert good["text"] == "A dog runs."


async def test_a_large_body_is_refused_at_its_first_bytes_unless_it_is_a_video() -> None:
    async with serving(web_chat(caption_video=tells, **LARGER)) as url:
        for file, status in ((PHOTO, b" 413 "), (video_file(), b" 200 ")):
            reader, writer = await connect(url)
            writer.write(head(f"Content-Length: {2**19}", kind="application/octet-stream"))
            for at in range(20):  # as slow clients send it
                writer.write(file[at : at + 1])
                await asyncio.sleep(0)
            if status == b" 200 ":
                writer.write(grown(file, 2**19)[20:])
            assert status in await asyncio.wait_for(reader.readline(), 5)
            writer.close()


async def test_videos_of_one_body_have_a_limit_together(client: ClientSession) -> None:
    limits: dict[str, Any] = {"max_photo_mb": 0.1, "max_video_mb": 0.5}
    large = grown(video_file(), 2**19)
    async with serving(web_chat(caption_video=tells, **limits)) as url:
        first, second = await documented(await post(client, url, sent(large, large)))
        assert first["text"] == second["text"] == STORY.text
        await refused(await post(client, url, sent(large, large, PHOTO)), "too_many_bytes_together")


async def test_large_videos_of_all_requests_share_a_bounded_amount_of_memory() -> None:
    began = asyncio.Semaphore(0)

    async def waits(video: bytes, options: Options) -> VideoCaption:
        began.release()
        await asyncio.Event().wait()
        return STORY

    limits: dict[str, Any] = {"max_photo_mb": 0.001, "max_video_mb": 0.5}
    body = grown(video_file(), 2**19)
    request = head(f"Content-Length: {len(body)}") + body
    async with serving(web_chat(caption_video=waits, **limits)) as url:
        held = [await connect(url) for _ in range(VIDEOS_IN_MEMORY)]
        for _, writer in held:
            writer.write(request)
            await asyncio.wait_for(began.acquire(), 5)
        reader, writer = await connect(url)
        writer.write(request)
        assert b" 503 " in await asyncio.wait_for(reader.readline(), 5)
        for _, one in (*held, (reader, writer)):
            one.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadImage("damaged"), "damaged"),
        (BadImage("unsupported video"), "unsupported_video"),
        (BadImage("no frames"), "no_frames"),
        (Busy("full", 3.0), "busy"),
    ],
)
async def test_a_video_is_refused_as_a_photo_is(
    client: ClientSession, error: Exception, code: str
) -> None:
    async def tell(video: bytes, options: Options) -> VideoCaption:
        raise error

    async with serving(web_chat(caption_video=tell, deadline=0.4)) as url:
        await refused(await post(client, url, video_file()), code)


async def test_no_feedback_is_asked_about_a_story(client: ClientSession, tmp_path: Path) -> None:
    async with (
        SqliteFeedback(tmp_path / "feedback") as feedback,
        serving(web_chat(caption_video=tells, feedback=feedback)) as url,
    ):
        assert "photo_sha256" not in await documented(await post(client, url, video_file()))
        assert "photo_sha256" in await documented(await post(client, url, form()))


async def test_the_captioner_tells_a_video_and_captions_a_gif_of_one_frame(
    client: ClientSession, tiny: Trained
) -> None:
    async with Captioner(*on_cpu(tiny)) as captioner:
        chat = web_chat(captioner.caption, caption_video=captioner.caption_video)
        async with serving(chat) as url:
            story = await documented(
                await post(client, url, video_file("mp4", "libx264"), "?explain=1")
            )
            still = await documented(await post(client, url, animation(LEFT)))
    assert story["seconds"] == pytest.approx(2, abs=0.1)
    for scene in story["scenes"]:
        assert scene["start"] < scene["end"] <= story["seconds"]
        assert [word["text"] for word in scene["words"]]
    assert "scenes" not in still
