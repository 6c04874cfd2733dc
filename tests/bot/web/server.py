"""Shared by the tests of the web chat: a running server, and checks of its answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from aiohttp import ClientResponse, FormData, web
from openapi_schema_validator import OAS31Validator

from bot.about import about
from bot.access import Access
from bot.answers import Answers, CaptionPhoto, CaptionVideo, CheckRoom
from bot.settings import Settings
from bot.store.feedback_rows import FeedbackRows
from bot.web.adapter import Unready, WebChat
from bot.web.page import STATIC
from bot.web.problems import STATUS, TITLES
from captioner import Busy, Caption, Options
from captioner.photo.decode import decode
from captioner.photo.limits import Limits
from captioner.result import Word
from tests.bot.stories import tell
from tests.conftest import photo_bytes, pixels

SURE = Caption(
    "A dog runs.",
    -0.3,
    0.9,
    (Word("a", -0.1, np.full((2, 2), 0.25, np.float32)), Word("dog", -0.2, None)),
    tuple(
        Caption(f"A cat number {n}.", -4.0 - n, 0.8 - n / 10, (Word("a", -1.0, None),))
        for n in range(8)
    ),
)
PHOTO = photo_bytes(1)
LIMIT_MB = 0.5
LIMIT = 2**19
OPEN = Access("10000/second", "10000/second")
OPENAPI = json.loads((STATIC / "openapi.json").read_text("utf-8"))


async def captions_dog(photo: bytes, options: Options) -> Caption:
    decode(photo, Limits(max_pixels=100_000))
    return replace(SURE, alternatives=SURE.alternatives[: options.alternatives])


class OneAtATime:
    """A captioner with room for one photo; it counts those that it refuses meanwhile."""

    def __init__(self) -> None:
        self.refusals = 0
        self._is_working = False

    async def caption(self, photo: bytes, options: Options) -> Caption:
        if self._is_working:
            self.refusals += 1
            raise Busy("full", 5)
        self._is_working = True
        await asyncio.sleep(0.01)
        self._is_working = False
        return SURE


def web_chat(
    caption: CaptionPhoto = captions_dog,
    *,
    caption_video: CaptionVideo = tell,
    check_room: CheckRoom = lambda: None,
    deadline: float = 10,
    access: Access = OPEN,
    captions_in: Collection[str] = (),
    routes: tuple[web.AbstractRouteDef, ...] = (),
    unready: Callable[[], Unready | None] = lambda: None,
    feedback: FeedbackRows | None = None,
    **fields: Any,
) -> WebChat:
    limits = {"max_photo_mb": LIMIT_MB, "max_video_mb": LIMIT_MB}
    settings = Settings.model_construct(**{"web_port": 0, **limits, **fields})
    answers = Answers(
        caption,
        caption_video,
        pixels,
        "web",
        deadline=deadline,
        check_room=check_room,
        languages=captions_in,
    )
    return WebChat(settings, answers, _about, lambda: 3, access, routes, unready, feedback=feedback)


def _about() -> str:
    return f"I am a <model>.\n\n{about.NAMES_NOTICE}"


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(chat: WebChat) -> AsyncIterator[str]:
    """Run a web chat, and give its address."""
    stop = asyncio.Event()
    chat.url = ""
    running = asyncio.create_task(chat.run(stop))
    try:
        await until(lambda: chat.url or running.done())
        yield chat.url
    finally:
        stop.set()
        await asyncio.wait_for(running, 10)


def form(photo: bytes = PHOTO, field: str = "photo") -> FormData:
    data = FormData()
    data.add_field(field, photo, filename="a photo.jpg", content_type="image/jpeg")
    return data


async def documented(answer: ClientResponse, path: str = "/api/caption") -> Any:
    """Return an answer's JSON after comparing the whole answer with the OpenAPI file."""
    (operation,) = OPENAPI["paths"][path].values()
    response = operation["responses"][str(answer.status)]
    if "$ref" in response:
        response = OPENAPI["components"]["responses"][response["$ref"].rpartition("/")[2]]
    for name, header in response.get("headers", {}).items():
        if "$ref" in header:
            header = OPENAPI["components"]["headers"][header["$ref"].rpartition("/")[2]]
        assert name in answer.headers or not header.get("required")
        if name in answer.headers:
            number = header["schema"]["type"] == "integer"
            value = int(answer.headers[name]) if number else answer.headers[name]
            OAS31Validator(header["schema"]).validate(value)
    schema = response["content"][answer.content_type]["schema"]
    body = await answer.json(content_type=None)
    OAS31Validator({**schema, "components": OPENAPI["components"]}).validate(body)
    if answer.content_type == "application/problem+json":
        assert body["error"] == body["detail"]
        assert (body["status"], body["title"]) == (answer.status, TITLES[answer.status])
        assert body["request_id"] == answer.headers["X-Request-Id"]
    return body


async def refused(answer: ClientResponse, code: str, path: str = "/api/caption") -> str:
    """Return the sentence of a problem, after comparing its code and the whole answer."""
    problem = await documented(answer, path)
    assert problem["code"] == code
    assert answer.status == STATUS[code]
    return str(problem["detail"])


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.partition("://")[2].partition(":")
    return await asyncio.open_connection(host, int(port))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Return everything that comes until the other side closes the connection."""
    said = bytearray()
    with suppress(ConnectionError):
        while part := await asyncio.wait_for(reader.read(2**16), 10):
            said += part
    return bytes(said)


def head(*headers: str, kind: str = "image/jpeg") -> bytes:
    first = ("POST /api/caption HTTP/1.1", "Host: localhost", f"Content-Type: {kind}")
    return "\r\n".join((*first, *headers, "", "")).encode()
