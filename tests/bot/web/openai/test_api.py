"""`/v1/` as programs use it that know OpenAI's API: through OpenAI's own client."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
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
from bot.web.refusals import refusals
from captioner import Busy, Caption, Options
from captioner.result import NamedObject
from tests.bot.web.server import (
    LIMIT,
    LIMIT_MB,
    PHOTO,
    SURE,
    connect,
    documented,
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


def message(error: openai.APIStatusError) -> str:
    assert isinstance(error.body, dict)
    return str(error.body["message"])


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
    assert texts(completion) == ["A cat sits. (Not sure; maybe a tabby cat.)"]
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
    assert message(refused.value) == "n must be a whole number from 1 to 8."


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

    field: Any = {} if options else {"extra_body": {"language": "de"}}
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


async def test_each_photo_counts_towards_the_rate() -> None:
    messages = user(image(uri()), image(uri()))
    async with serving(web_chat(access=Access("3/minute"))) as url, asking(url) as ask:
        await complete(ask, messages)
        with pytest.raises(openai.RateLimitError) as refused:
            await complete(ask, messages)
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 61


async def test_more_photos_than_the_rate_ever_allows_are_refused() -> None:
    async with serving(web_chat(access=Access("3/minute"))) as url, asking(url) as ask:
        with pytest.raises(openai.BadRequestError, match="up to 3 files in one request"):
            await complete(ask, user(*[image(uri())] * 4))


async def test_the_key_is_the_token() -> None:
    async with serving(web_chat(web_token=SecretStr(TOKEN))) as url:
        async with asking(url, TOKEN) as ask:
            assert texts(await complete(ask)) == ["A dog runs."]
            assert (await ask.models.list()).data
        async with asking(url, "sk-wrong") as ask:
            with pytest.raises(openai.AuthenticationError) as refused:
                await complete(ask)
            assert refused.value.code == "invalid_api_key"
            assert message(refused.value) == refusals.WRONG_TOKEN
            with pytest.raises(openai.AuthenticationError):
                await ask.models.list()


async def test_an_address_that_is_not_allowed_gets_an_error_that_the_client_knows() -> None:
    access = Access(blocked={"web:127.0.0.1"})
    async with serving(web_chat(access=access)) as url, asking(url) as ask:
        with pytest.raises(openai.PermissionDeniedError, match="private"):
            await complete(ask)


async def test_pages_of_other_sites_and_other_names_of_this_machine_are_refused(url: str) -> None:
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ):
        async with asking(url, default_headers=headers) as ask:
            with pytest.raises(openai.APIStatusError) as refused:
                await complete(ask)
            assert refused.value.status_code == status
            assert message(refused.value)


async def test_the_client_tries_again_when_it_is_told_to() -> None:
    times: list[float] = []

    def check_room() -> None:
        times.append(asyncio.get_running_loop().time())
        if len(times) == 1:
            raise Busy("full", 1.0)

    async with (
        serving(web_chat(check_room=check_room)) as url,
        asking(url, retries=1) as ask,
    ):
        assert texts(await complete(ask)) == ["A dog runs."]
    assert times[1] - times[0] >= 1


async def test_a_busy_bot_answers_503_with_when_to_try_again() -> None:
    async def full(photo: bytes, options: Options) -> Caption:
        raise Busy("full", 7.0)

    async with serving(web_chat(full)) as url, asking(url) as ask:
        with pytest.raises(openai.InternalServerError) as refused:
            await complete(ask)
    assert refused.value.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "7"
    assert (refused.value.code, refused.value.param) == ("overloaded", None)


async def test_a_photo_that_takes_too_long_and_one_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def hangs(photo: bytes, options: Options) -> Caption:
        await asyncio.sleep(60)
        return SURE

    async def fails(photo: bytes, options: Options) -> Caption:
        raise RuntimeError

    for caption, status, retry_after in ((hangs, 503, "10"), (fails, 500, None)):
        async with (
            serving(web_chat(caption, deadline=0.05)) as url,
            asking(url) as ask,
        ):
            with pytest.raises(openai.InternalServerError) as refused:
                await complete(ask, stream=False)
            with pytest.raises(openai.InternalServerError):
                await ask.chat.completions.create(model="any", messages=MESSAGES, stream=True)
        assert refused.value.status_code == status
        assert refused.value.response.headers.get("Retry-After") == retry_after


async def test_a_server_that_stops_finishes_what_it_has_and_accepts_no_more() -> None:
    began, go, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def waits(photo: bytes, options: Options) -> Caption:
        began.set()
        await go.wait()
        return SURE

    chat = web_chat(waits)
    running = asyncio.create_task(chat.run(stop))
    await until(lambda: chat.url)
    async with asking(chat.url) as ask:
        first = asyncio.create_task(complete(ask))
        await began.wait()
        await ask.models.list()  # over a second connection, which stays open
        stop.set()
        await asyncio.sleep(0)
        with pytest.raises(openai.InternalServerError) as refused:
            await complete(ask)
        go.set()
        assert texts(await first) == ["A dog runs."]
    await asyncio.wait_for(running, 10)
    assert refused.value.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "60"


async def test_a_client_that_goes_away_cancels_its_photos() -> None:
    began, cancelled = asyncio.Event(), asyncio.Semaphore(0)

    async def waits(photo: bytes, options: Options) -> Caption:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.release()
            raise
        return SURE

    async with serving(web_chat(waits, deadline=60)) as url, asking(url) as ask:
        for stream in (False, True):
            began.clear()
            asked = asyncio.create_task(
                ask.chat.completions.create(
                    model="any", messages=user(image(uri()), image(uri())), stream=stream
                )
            )
            await began.wait()
            asked.cancel()
            for _ in range(2):
                await asyncio.wait_for(cancelled.acquire(), 5)


async def test_a_path_or_a_method_that_does_not_exist_is_an_error_that_the_client_knows(
    ask: AsyncOpenAI, url: str, client: ClientSession
) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await ask.embeddings.create(model="any", input="a dog")
    assert refused.value.code == "unknown_url"
    assert message(refused.value) == refusals.NOT_OF_OPENAI
    async with client.get(f"{url}/v1/chat/completions") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert (await answer.json())["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("address", "sentence", "code"),
    [
        ("https://example.com/dog.jpg", refusals.NO_URLS, "invalid_image_url"),
        ("HTTP://127.0.0.1/dog.jpg", refusals.NO_URLS, "invalid_image_url"),
        ("file:///etc/passwd", refusals.NO_DATA_URI, "invalid_image_url"),
        (uri().partition(",")[2], refusals.NO_DATA_URI, "invalid_image_url"),
        ("data:image/png,%89PNG%0D%0A", refusals.NO_DATA_URI, "invalid_image_url"),
        ("data:image/jpeg;base64,/9j/\0", refusals.NOT_BASE64, "invalid_base64_image"),
        (uri(PHOTO[: len(PHOTO) // 2]), None, "image_parse_error"),
        (uri(b"%PDF-1.4 "), None, "invalid_image_format"),
        ("data:image/jpeg;base64,", None, "image_parse_error"),
    ],
)
async def test_a_photo_that_cannot_be_read_is_named_by_its_field(
    address: str, sentence: str | None, code: str, ask: AsyncOpenAI
) -> None:
    messages = [{"role": "system", "content": ""}, *user("", image(uri()), image(address))]
    with pytest.raises(openai.BadRequestError) as refused:
        await complete(ask, messages)
    error = refused.value
    assert error.param == "messages[1].content[2].image_url.url"
    assert (error.type, error.code) == ("invalid_request_error", code)
    assert message(error) == sentence or sentence is None


@pytest.mark.parametrize(
    "address",
    [
        uri(kind=""),
        uri(kind="image/svg+xml;charset=utf-8"),
        f"  {uri()}\n".replace("data:", "DATA:").replace("base64", "BASE64"),
        "data:image/jpeg;base64," + base64.urlsafe_b64encode(PHOTO).decode().rstrip("="),
        "data:image/jpeg;base64,\r\n" + base64.encodebytes(PHOTO).decode(),
    ],
)
async def test_data_uris_are_read_in_every_form_that_programs_send(
    address: str, ask: AsyncOpenAI
) -> None:
    for part in (
        image(address),
        {"type": "image_url", "image_url": address},
        {"type": "input_image", "image_url": address},
    ):
        assert texts(await complete(ask, user(part))) == ["A dog runs."]


async def test_messages_without_a_photo_get_one_sentence(ask: AsyncOpenAI) -> None:
    for messages in (
        [{"role": "user", "content": "Hello!"}],
        user("Hello!"),
        [{"role": "assistant", "content": [image(uri())]}],
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            await complete(ask, messages)
        assert refused.value.param == "messages"
        assert message(refused.value) == refusals.NEEDS_IMAGE


async def test_too_many_photos_of_a_message_are_refused() -> None:
    async with serving(web_chat(max_photos=3)) as url, asking(url) as ask:
        assert (
            len((texts(await complete(ask, user(*[image(uri())] * 3)))[0] or "").split("\n")) == 3
        )
        with pytest.raises(openai.BadRequestError, match="up to 3 files in one request"):
            await complete(ask, user(*[image(uri())] * 50))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "a dog"}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": [{"content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": user({"text": "a"})}, "messages[0].content[0].type"),
        ({"messages": user({"type": "image_url"})}, "messages[0].content[0].image_url"),
        ({"messages": user(image(5))}, "messages[0].content[0].image_url.url"),  # type: ignore[arg-type]
        (
            {"messages": user({"type": "image_url", "image_url": []})},
            "messages[0].content[0].image_url",
        ),
        ({"model": 5}, "model"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": 10**30}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 5}, "stream_options"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "a"}}}, "tool_choice"),
        ({"language": "xx"}, "language"),
        ({"language": 5}, "language"),
    ],
)
async def test_a_field_that_is_wrong_is_named(
    fields: dict[str, Any], param: str, url: str, client: ClientSession
) -> None:
    body = {"model": "any", "messages": MESSAGES, **fields}
    async with client.post(f"{url}/v1/chat/completions", json=body) as answer:
        error = (await answer.json())["error"]
    assert answer.status == 400
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert param in error["message"]


async def test_what_does_not_matter_here_is_ignored(ask: AsyncOpenAI) -> None:
    completion = await complete(
        ask,
        temperature=0.2,
        max_tokens=300,
        max_completion_tokens=300,
        stop=["."],
        seed=7,
        user="somebody",
        tools=[{"type": "function", "function": {"name": "a", "parameters": {}}}],
        tool_choice="auto",
        response_format={"type": "text"},
        logprobs=None,
        extra_body={"keep_alive": "5m", "options": {"num_ctx": 4096}, "stream_options": None},
    )
    assert texts(completion) == ["A dog runs."]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\0",
        b"null",
        b"[]",
        b'"messages"',
        b'{"messages": "\xff"}',
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [' + b"5," * 19_000 + b"5]}",
        json.dumps({"messages": MESSAGES}).encode("utf-16"),
        b"[" * 100_000,
        b'{"messages":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"messages": [' + b"[]," * 200_000 + b"[]]}",
        b'{"n": ' + b"9" * 400_000 + b"}",
        b'{"n": NaN, "messages": []}',
        PHOTO,
    ],
    ids=range(17),
)
async def test_a_body_that_cannot_be_read_is_an_error_and_nothing_worse(
    body: bytes, url: str, client: ClientSession
) -> None:
    async with client.post(f"{url}/v1/chat/completions", data=io.BytesIO(body)) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["message"]
    async with client.get(f"{url}/v1/models") as answer:
        assert answer.status == 200


async def test_a_body_that_is_too_large_is_refused_by_its_head(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n"
    )
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_photo_that_is_too_large_is_refused(url: str) -> None:
    async with asking(url) as ask:
        with pytest.raises(openai.APIStatusError) as refused:
            await complete(ask, user(image(uri(bytes(4 * LIMIT)))))
    assert refused.value.status_code == 413
    assert message(refused.value) == replies.too_large(LIMIT_MB)


async def test_a_photo_as_large_as_allowed_is_captioned(ask: AsyncOpenAI) -> None:
    padded = PHOTO + bytes(LIMIT - len(PHOTO))
    assert texts(await complete(ask, user(image(uri(padded))))) == ["A dog runs."]


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with serving(web_chat(photo_seconds=0.1)) as url:
        reader, writer = await connect(url)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
        )
        assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


async def test_a_body_that_contradicts_its_head_is_an_error(url: str) -> None:
    reader, writer = await connect(url)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
    )
    said = await ended(reader)
    assert b" 400 " in said.partition(b"\r\n")[0]
    assert b"invalid_request_error" in said
    writer.close()


async def test_answers_are_as_the_openapi_file_says(client: ClientSession) -> None:
    busy = iter([None, Busy("full", 5.0)])

    def check_room() -> None:
        if error := next(busy):
            raise error

    path, body = "/v1/chat/completions", {"messages": MESSAGES}
    key = {"Authorization": f"Bearer {TOKEN}"}
    chat = web_chat(check_room=check_room, access=Access("3/minute"), web_token=SecretStr(TOKEN))
    async with serving(chat) as url:
        wrong = {"Authorization": "Bearer wrong"}
        for headers, status in ((key, 200), (key, 503), ({}, 401), (wrong, 401), (key, 429)):
            async with client.post(f"{url}{path}", json=body, headers=headers) as answer:
                assert answer.status == status
                await documented(answer, path)
        async with client.get(f"{url}/v1/models", headers=key) as answer:
            await documented(answer, "/v1/models")


async def test_the_real_captioner_answers(tiny_file: Any) -> None:
    from captioner.captioner import Captioner

    async with (
        Captioner.load(tiny_file, "cpu") as captioner,
        serving(web_chat(captioner.caption)) as url,
        asking(url) as ask,
    ):
        expected = await captioner.caption(PHOTO)
        completion = await complete(ask, n=2)
        assert completion.captions[0]["caption"] == expected.text  # type: ignore[attr-defined]
        assert (texts(completion)[0] or "").startswith(expected.text.rstrip("."))
        assert completion.usage is not None
        assert completion.usage.completion_tokens >= len(expected.words)
        with pytest.raises(openai.BadRequestError) as refused:
            await complete(ask, user(image(uri(PHOTO[:300]))))
        assert refused.value.code == "image_parse_error"
