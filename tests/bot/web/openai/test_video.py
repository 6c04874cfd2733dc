"""Videos in `/v1/chat/completions`, as programs send them through OpenAI's own client."""

import asyncio
from typing import Any

import openai
import pytest
from aiohttp import ClientSession

from bot.replies import replies
from bot.web.refusals import refusals
from captioner import BadImage, Options, VideoCaption
from tests.bot.stories import AtOnce
from tests.bot.web.openai.test_api import asking, complete, image, message, texts, uri, user
from tests.bot.web.server import SURE, OneAtATime, documented, serving, web_chat
from tests.bot.web.stories import CAT, STORY, animation, tells, video_file
from tests.pictures import LEFT, RIGHT

PATH = "/v1/chat/completions"


def video(url: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


@pytest.mark.parametrize(
    "part",
    [
        video(uri(video_file(), "video/webm")),
        video(uri(video_file("mp4", "libx264"), "video/mp4")),
        image(uri(video_file("mp4", "libx264"), "video/mp4")),
        image(uri(video_file())),
        image(uri(animation(LEFT, RIGHT), "image/gif")),
        {"type": "video_url", "video_url": uri(video_file())},
    ],
)
async def test_a_video_in_either_field_is_told_as_a_story(part: dict[str, Any]) -> None:
    async with serving(web_chat(caption_video=tells)) as url, asking(url) as ask:
        completion = await complete(ask, user("What happens?", part), n=3)
    assert texts(completion) == [STORY.text]
    (told,) = completion.captions  # type: ignore[attr-defined]
    assert (told["text"], told["alt_text"]) == (STORY.text, STORY.alt_text)
    assert [len(scene["alternatives"]) for scene in told["scenes"]] == [2, 2, 2]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == len(SURE.words) + len(CAT.words)


async def test_videos_and_photos_share_a_message_and_have_a_line_each() -> None:
    parts = (image(uri()), video(uri(video_file())), image(uri(animation(LEFT, RIGHT))))
    async with serving(web_chat(caption_video=tells)) as url, asking(url) as ask:
        completion = await complete(ask, user(*parts), n=2)
    assert texts(completion) == [f"A dog runs.\n{STORY.text}\n{STORY.text}"]


async def test_answers_with_a_story_are_as_the_openapi_file_says(client: ClientSession) -> None:
    body = {"messages": user(image(uri()), video(uri(video_file())))}
    async with (
        serving(web_chat(caption_video=tells)) as url,
        client.post(f"{url}{PATH}", json=body) as answer,
    ):
        assert "scenes" in (await documented(answer, PATH))["captions"][1]


async def test_videos_of_one_message_leave_places_for_others() -> None:
    at_once = AtOnce()

    async def tell(video: bytes, options: Options) -> VideoCaption:
        with at_once:
            await asyncio.sleep(0.01)
        return STORY

    async with serving(web_chat(caption_video=tell)) as url, asking(url) as ask:
        await complete(ask, user(*[video(uri(video_file()))] * 8))
    assert at_once.most == 2


async def test_photos_of_one_message_wait_for_room_in_the_queue() -> None:
    narrow = OneAtATime()
    async with serving(web_chat(narrow.caption)) as url, asking(url) as ask:
        completion = await complete(ask, user(image(uri()), image(uri())))
    assert texts(completion) == ["A dog runs.\nA dog runs."]
    assert narrow.refusals


async def test_a_video_may_be_larger_than_a_photo() -> None:
    large = video_file() + bytes(2 * 2**20)
    limits: dict[str, Any] = {"max_photo_mb": 0.5, "max_video_mb": 3}
    async with serving(web_chat(caption_video=tells, **limits)) as url, asking(url) as ask:
        assert texts(await complete(ask, user(video(uri(large))))) == [STORY.text]
        with pytest.raises(openai.APIStatusError) as whole:
            await complete(ask, user(video(uri(video_file() + bytes(4 * 2**20)))))
        assert (whole.value.status_code, message(whole.value)) == (413, replies.too_large(3))


@pytest.mark.parametrize(
    ("part", "param", "sentence"),
    [
        (video("https://example.com/clip.mp4"), "video_url.url", refusals.NO_URLS),
        (
            {"type": "video_url"},
            "video_url",
            refusals.wrong_field("messages[0].content[0].video_url"),
        ),
        (video(uri(video_file()[:60])), "video_url.url", replies.bad_image(BadImage("damaged"))),
    ],
)
async def test_a_video_that_cannot_be_read_is_named_by_its_field(
    part: dict[str, Any], param: str, sentence: str
) -> None:
    async def damaged(video: bytes, options: Options) -> VideoCaption:
        raise BadImage("damaged")

    async with serving(web_chat(caption_video=damaged)) as url, asking(url) as ask:
        with pytest.raises(openai.BadRequestError) as refused:
            await complete(ask, user(part))
    assert refused.value.param == f"messages[0].content[0].{param}"
    assert message(refused.value) == sentence
