"""A request to `/v1/chat/completions`: its bytes, and what is read from them."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot import languages
from bot.replies import replies
from bot.web import language
from bot.web.api import body, data_uri
from bot.web.api.body import TooLarge, UploadLimits
from bot.web.api.memory import Reservation
from bot.web.api.parameters import MOST
from bot.web.refusals import refusals
from captioner import Busy

# Of a body besides its photo: prompts, tools, and JSON itself.
ROOM = 2**20
# Commas, arrays and objects in a body, about as many as it has values. A megabyte of our documents
# has 12,000. Without a limit, 27 MB of "[],[]," take ten seconds and 4 GB.
MOST_MARKS = 20_000


class ChatRefused(Exception):
    """A request that cannot be answered."""

    def __init__(
        self,
        sentence: str,
        param: str | None = None,
        code: str | None = None,
        status: int = HTTPStatus.BAD_REQUEST,
        *,
        broken: bool = False,
    ) -> None:
        """Keep what is wrong.

        Args:
            sentence: for a person.
            param: the field that is wrong.
            code: for a program, as OpenAI has it.
            status: of the answer.
            broken: nobody knows where in the connection the next request starts.
        """
        super().__init__(sentence)
        self.sentence, self.param, self.code, self.status = sentence, param, code, status
        self.broken = broken


@dataclass(frozen=True)
class Photo:
    """One photo or video of a message."""

    file: bytes
    param: str  # the field that it came in, such as "messages[0].content[1].image_url.url"


class _Strict(BaseModel):
    # Unknown fields are ignored, as every server of this kind does: programs send many.
    model_config = ConfigDict(strict=True)


class _Address(_Strict):
    url: str


class _Part(_Strict):
    type: str
    image_url: _Address | str | None = None  # some programs send the address itself
    video_url: _Address | str | None = None  # OpenAI has no such part; other servers have

    def file(self) -> tuple[str, _Address | str | None] | None:
        """Return the field of a photo or a video, and what is in it; None if there is none."""
        for field, address in (("image_url", self.image_url), ("video_url", self.video_url)):
            if address is not None or self.type == field:
                return field, address
        return None


class _Message(_Strict):
    role: str
    content: str | list[_Part] | None = None


class _StreamOptions(_Strict):
    include_usage: bool | None = None


class _Format(_Strict):
    type: str


class ChatRequest(_Strict):
    """What a request asks for."""

    model: str | None = None  # there is only one, whatever it is called here
    messages: list[_Message] = Field(min_length=1)
    n: int | None = Field(default=None, ge=1, le=MOST["alternatives"])  # choices
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _Format | None = None
    tool_choice: str | dict[str, Any] | None = None
    language: str | None = None  # OpenAI has no such field

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def photos(self, most: int) -> list[Photo]:
        """Return the photos and videos of the last message of a user that has any.

        A photo of 20 MB takes a twentieth of a second.

        Args:
            most: how many one request may hold.

        Raises:
            ChatRefused: there is none, there are too many, or one is not in base64; or an answer is
                wanted that is not a sentence.
        """
        if self.response_format and self.response_format.type != "text":
            raise ChatRefused(refusals.only_text("response_format"), "response_format")
        if self.tool_choice not in (None, "none", "auto"):
            raise ChatRefused(refusals.only_text("tool_choice"), "tool_choice")
        for number, message in reversed(list(enumerate(self.messages))):
            if message.role != "user" or not isinstance(message.content, list):
                continue
            found = [
                (f"messages[{number}].content[{index}].{file[0]}", file[1])
                for index, part in enumerate(message.content)
                if (file := part.file())
            ]
            if len(found) > most:
                raise ChatRefused(refusals.too_many_at_once(most), f"messages[{number}].content")
            if found:
                return [_photo(param, address) for param, address in found]
        raise ChatRefused(refusals.NEEDS_IMAGE, "messages")


_FIELDS = frozenset(
    name
    for model in (ChatRequest, _Message, _Part, _Address, _StreamOptions, _Format)
    for name in model.model_fields
)


async def read(request: web.Request, limits: UploadLimits, reservation: Reservation) -> bytearray:
    """Return the body of a request; all its photos together may be as large as one file.

    Raises:
        ChatRefused: it is too large, too slow or cut off.
        Busy: there is no memory for it now.
    """
    most = limits.largest * 4 // 3 + ROOM
    try:
        async with asyncio.timeout(limits.seconds_for(request.content_length)):
            return await body.read(request, reservation, lambda _: most)
    except Busy:
        raise
    except TooLarge as error:
        raise ChatRefused(
            replies.too_large(limits.largest / 2**20),
            code="image_file_too_large",
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ) from error
    except TimeoutError as error:
        raise ChatRefused(refusals.SLOW_UPLOAD, status=HTTPStatus.REQUEST_TIMEOUT) from error
    # A body that contradicts its headers can raise anything in its parser.
    except Exception as error:
        raise ChatRefused(refusals.NOT_JSON, broken=True) from error


def parse(written: bytes | bytearray) -> ChatRequest:
    """Read a body of any content; 27 MB take up to a tenth of a second.

    Raises:
        ChatRefused: it is not a request of this API.
    """
    # Each takes milliseconds, and other threads may run between them.
    if sum(written.count(mark) for mark in (b",", b"[", b"{")) > MOST_MARKS:
        raise ChatRefused(refusals.TOO_MANY_VALUES)
    try:
        chat = ChatRequest.model_validate_json(written)
    except ValidationError as error:
        raise _wrong(error) from error
    if chat.language is not None and chat.language not in languages.NAMES:
        raise ChatRefused(refusals.wrong_parameter(language.NAME), language.NAME)
    return chat


def _wrong(error: ValidationError) -> ChatRefused:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return ChatRefused(refusals.NOT_JSON)
    # A field of several types has a problem for each; the type that fits best has the deepest one.
    places = [
        [part for part in problem["loc"] if isinstance(part, int) or part in _FIELDS]
        for problem in problems
    ]
    param = _param(max(places, key=len))
    if param == "n":
        return ChatRefused(refusals.wrong_parameter("n", MOST["alternatives"]), param)
    return ChatRefused(refusals.wrong_field(param), param or None)


def _param(place: list[int | str]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def _photo(param: str, address: _Address | str | None) -> Photo:
    if address is None:
        raise ChatRefused(refusals.wrong_field(param), param)
    if isinstance(address, _Address):
        param, address = f"{param}.url", address.url
    try:
        return Photo(data_uri.decode(address), param)
    except data_uri.DataUriError as error:
        match error.kind:
            case "address":
                raise ChatRefused(refusals.NO_URLS, param, "invalid_image_url") from error
            case "other":
                raise ChatRefused(refusals.NO_DATA_URI, param, "invalid_image_url") from error
            case "not base64":
                raise ChatRefused(refusals.NOT_BASE64, param, "invalid_base64_image") from error
