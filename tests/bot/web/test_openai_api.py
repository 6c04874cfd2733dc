"""`/v1/` as programs use it that know OpenAI's API: through OpenAI's own client."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import openai
import pytest
from aiohttp import ClientSession
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic import SecretStr

from bot.access import Access
from bot.replies import replies
from captioner import Busy, Caption, Options
from captioner.result import NamedObject
from tests.bot.web.server import (
    LIMIT,
    LIMIT_MB,
    PHOTO,
    SURE,
    captions_dog,
    connect,
    ended,
    serving,
    until,
    web_chat,
)
from tests.conftest import photo_bytes

TOKEN = "a-token"


def uri(photo: bytes = PHOTO, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(photo).decode()}"


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def user(*parts: dict[str, Any] | str) -> Any:
    """Return a list of one message; a text part comes from a string."""
    content = [{"type": "text", "text": one} if isinstance(one, str) else one for one in parts]
    return [{"role": "user", "content": content}]


MESSAGES = user("Describe this photo in three sentences.", image(uri()))


@asynccontextmanager
async def asking(
    url: str, key: str = "any key", retries: int = 0, **options: Any
) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"{url}/v1", api_key=key, max_retries=retries, **options
    ) as client:
        yield client


@pytest.fixture
async def ask(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with asking(url) as client:
        yield client


async def complete(client: AsyncOpenAI, messages: Any = MESSAGES, **fields: Any) -> ChatCompletion:
    completion = await client.chat.completions.create(model="any", messages=messages, **fields)
    assert isinstance(completion, ChatCompletion)
    # Everything that the client's types promise is there.
    return ChatCompletion.model_validate(completion.model_dump())


def texts(completion: ChatCompletion) -> list[str | None]:
    return [choice.message.content for choice in completion.choices]


async def test_a_photo_is_captioned(ask: AsyncOpenAI) -> None:
    completion = await complete(ask)

    assert texts(completion) == ["A dog runs."]
    (choice,) = completion.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert completion.model == "photo-captioner"
    assert completion.usage is not None
    usage = completion.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (0, 2, 2)


async def test_an_answer_also_says_what_the_api_says_of_the_photo(ask: AsyncOpenAI) -> None:
    (caption,) = (await complete(ask)).captions  # type: ignore[attr-defined]

    assert (caption["caption"], caption["confidence"]) == ("A dog runs.", 0.9)
    assert (caption["alt_text"], caption["doubt"], caption["language"]) == ("A dog runs.", "", "en")
    assert caption["alternatives"] == []


async def test_a_caption_in_doubt_says_so_and_its_alt_text_does_not() -> None:
    tabby = NamedObject("a tabby cat", 0.8, ("a cat", "an animal"))

    async def unsure(photo: bytes, options: Options) -> Caption:
        return replace(SURE, text="A cat sits.", confidence=0.2, objects=(tabby,))

    async with serving(web_chat(unsure)) as url, asking(url) as ask:
        completion = await complete(ask)
    assert texts(completion) == ["A cat sits (Not sure; maybe a tabby cat.)"] or texts(
        completion
    ) == ["A cat sits. (Not sure; maybe a tabby cat.)"]
    assert completion.captions[0]["alt_text"] == "A cat sits."  # type: ignore[attr-defined]


async def test_a_stream_ends_with_the_whole_caption(ask: AsyncOpenAI) -> None:
    stream = await ask.chat.completions.create(model="any", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]

    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "A dog runs."
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-1].captions[0]["text"] == "A dog runs."  # type: ignore[attr-defined]
    assert not any(chunk.usage for chunk in chunks)


async def test_a_stream_says_its_usage_at_the_end_if_that_is_wanted(ask: AsyncOpenAI) -> None:
    stream = await ask.chat.completions.create(
        model="any", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2


async def test_the_client_can_follow_a_stream_by_its_events(ask: AsyncOpenAI) -> None:
    async with ask.chat.completions.stream(model="any", messages=MESSAGES, n=2) as stream:
        kinds = {event.type async for event in stream}
        completion = await stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert texts(completion) == ["A dog runs.", "A cat number 0."]


async def test_there_is_one_model(ask: AsyncOpenAI) -> None:
    models = [model async for model in ask.models.list()]

    assert [(model.id, model.object) for model in models] == [("photo-captioner", "model")]
    assert await ask.models.retrieve("photo-captioner") == models[0]


async def test_another_model_is_not_listed_but_can_be_asked(ask: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await ask.models.retrieve("gpt-4o")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    answer = await ask.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert answer.model == "photo-captioner"


async def test_several_photos_of_a_message_get_a_line_each() -> None:
    async def by_photo(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(0.05 if photo == PHOTO else 0)  # the first one is the last one ready
        return replace(SURE, text=f"Photo {[PHOTO, other].index(photo)}.", alternatives=())

    other = photo_bytes(2)
    async with serving(web_chat(by_photo)) as url, asking(url) as ask:
        completion = await complete(ask, user(image(uri()), "and", image(uri(other))))
    assert texts(completion) == ["Photo 0.\nPhoto 1."]
    assert len(completion.captions) == 2  # type: ignore[attr-defined]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4


async def test_the_photos_are_those_of_the_last_message_that_has_any() -> None:
    given: list[bytes] = []

    async def notes(photo: bytes, options: Options) -> Caption:
        given.append(photo)
        return SURE

    messages = [
        {"role": "system", "content": "You write alt text."},
        *user(image(uri(photo_bytes(2)))),
        {"role": "assistant", "content": "A cat."},
        *user("And this?", image(uri())),
        {"role": "assistant", "content": None, "tool_calls": []},
        *user("In other words?"),
        {"role": "user", "content": "Please."},
    ]
    async with serving(web_chat(notes)) as url, asking(url) as ask:
        await complete(ask, messages)
    assert given == [PHOTO]


async def test_more_choices_are_other_captions(ask: AsyncOpenAI) -> None:
    completion = await complete(ask, n=3)

    assert texts(completion) == ["A dog runs.", "A cat number 0.", "A cat number 1."]
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    assert len(completion.captions[0]["alternatives"]) == 2  # type: ignore[attr-defined]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4
    with pytest.raises(openai.BadRequestError) as refused:
        await complete(ask, n=9)
    assert refused.value.param == "n"
    assert refused.value.body["message"] == "n must be a whole number from 1 to 8."  # type: ignore[index]


@pytest.mark.parametrize(
    "options",
    [
        {"default_headers": {"Accept-Language": "de-CH, en;q=0.5"}},
        {"default_query": {"language": "de"}},
        {},
    ],
)
async def test_a_caption_can_be_in_german(options: dict[str, Any]) -> None:
    async def says(photo: bytes, options: Options) -> Caption:
        return replace(SURE, text=f"In {options.language}.", language=options.language or "en")

    field = {} if options else {"extra_body": {"language": "de"}}
    async with (
        serving(web_chat(says, captions_in={"de"})) as url,
        asking(url, **options) as ask,
    ):
        answer = await ask.chat.completions.with_raw_response.create(
            model="any", messages=MESSAGES, **field
        )
        assert texts(answer.parse()) == ["In de."]
        assert answer.headers["Content-Language"] == "de"
        with pytest.raises(openai.BadRequestError) as refused:
            await complete(ask, user("no photo"), **field)
        assert refused.value.response.headers["Content-Language"] == "de"
