"""`POST /api/caption`: one photo in, JSON out; `static/openapi.json` describes it.

The photo is kept in memory, never written to a disk, and read only up to the limit.
"""

import asyncio
import hashlib
import math
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from aiohttp import BodyPartReader, web
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from bot import languages, metrics
from bot.answers import Answer, Answers, Problem
from bot.replies import replies
from bot.settings import Settings
from bot.web import language
from captioner import Busy, Caption
from captioner.as_json import as_json

CHUNK = 2**16
FORM_ROOM = 2**14  # bytes of a form besides its photo: boundaries and headers
LATE_RETRY = 10  # seconds
# The largest values of the parameters, or their longest.
MOST = {"alternatives": 8, "explain": 1, "another": 2**63 - 1, "shown": 4000}

STATUS: dict[Problem, HTTPStatus] = {
    "damaged": HTTPStatus.BAD_REQUEST,
    "too large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "late": HTTPStatus.SERVICE_UNAVAILABLE,
    "failed": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def _spoken(code: str) -> str:
    if code not in languages.NAMES:
        raise ValueError(code)
    return code


class Query(BaseModel):
    """The options of a request."""

    # Of the caption and of every sentence; `language.speak` has acted on it.
    language: Annotated[str, AfterValidator(_spoken)] | None = None
    alternatives: int = Field(default=2, ge=0, le=MOST["alternatives"])
    explain: Literal["0", "1"] = "0"
    # The turn; each samples other captions.
    another: int | None = Field(default=None, ge=0, le=MOST["another"])
    shown: str = Field(default="", max_length=MOST["shown"])  # what must not be repeated


@dataclass(frozen=True)
class CaptionApi:
    """Answers requests until `stop` is set."""

    settings: Settings
    answers: Answers
    stop: asyncio.Event
    fingerprints: bool = False  # each answer has its photo's hash, by which feedback names it

    async def caption(self, request: web.Request) -> web.Response:
        """Caption the photo in a request's body."""
        if self.stop.is_set():
            error = Busy("stopping")
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, replies.busy(error), error.retry_after)
        try:
            query = Query.model_validate(dict(request.query))
        except ValidationError as error:
            name = str(error.errors(include_url=False)[0]["loc"][0])
            sentence = replies.wrong_parameter(name, MOST.get(name))
            return failure(HTTPStatus.BAD_REQUEST, sentence)
        # Checked before the body is read, which takes longest when the bot is busiest.
        if refused := self.answers.no_room():
            return _refusal(refused)
        photo = await self._read(request)
        if isinstance(photo, web.Response):
            return photo
        answer = await self._answer(photo, query)
        if answer.caption is None:
            return _refusal(answer)
        described = _described(answer, answer.caption, query)
        if self.fingerprints:
            digest = await asyncio.to_thread(hashlib.sha256, photo)
            described["photo_sha256"] = digest.hexdigest()
        return web.json_response(described, headers=_languages(described, answer.caption))

    async def _answer(self, photo: bytes, query: Query) -> Answer:
        options = replace(self.answers.options, attention=query.explain == "1")
        if query.another is None:
            options = replace(options, alternatives=query.alternatives)
            return await self.answers.first(photo, options)
        answers = replace(self.answers, options=options)
        return await answers.another(photo, query.another, query.shown)

    async def _read(self, request: web.Request) -> bytes | web.Response:
        form = request.content_type.startswith("multipart/")
        limit = self.settings.max_bytes
        try:
            if (request.content_length or 0) > limit + FORM_ROOM * form:
                raise _TooLarge
            async with asyncio.timeout(self.settings.photo_seconds):
                return await (_read_form if form else _read_body)(request, limit)
        except _TooLarge:
            metrics.PHOTOS.labels(self.answers.platform, "refused").inc()
            metrics.ERRORS.labels(self.answers.platform, "too large").inc()
            sentence = replies.too_large(self.settings.max_photo_mb)
            return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)
        except _NoField:
            return failure(HTTPStatus.BAD_REQUEST, replies.NEEDS_FIELD)
        except TimeoutError:
            return failure(HTTPStatus.REQUEST_TIMEOUT, replies.SLOW_UPLOAD)
        # A body that contradicts its headers can raise anything in its parser.
        except Exception:
            broken = failure(HTTPStatus.BAD_REQUEST, replies.BROKEN_UPLOAD)
            broken.force_close()  # nobody knows where in the rest the next request starts
            return broken


class _TooLarge(Exception):
    """A body with more bytes than allowed."""


class _NoField(Exception):
    """A form that does not hold exactly one photo."""


async def _read_body(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > limit:
            raise _TooLarge
    return bytes(body)


async def _read_form(request: web.Request, limit: int) -> bytes:
    photo: bytearray | None = None
    form = await request.multipart()
    while field := await form.next():
        if not isinstance(field, BodyPartReader) or field.name != "photo" or photo is not None:
            raise _NoField
        photo = bytearray()
        while chunk := await field.read_chunk(CHUNK):
            photo += chunk
            if len(photo) > limit:
                raise _TooLarge
    if photo is None:
        raise _NoField
    return bytes(photo)


def _described(answer: Answer, caption: Caption, query: Query) -> dict[str, Any]:
    described = as_json(caption)
    described["alternatives"] = described["alternatives"][: query.alternatives]
    if answer.text != described["text"]:  # there is no other caption, which is said without doubt
        described |= {"text": answer.text, "doubt": ""}
    if query.explain == "1":
        described["words"] = [
            {
                "text": word.text,
                "probability": round(math.exp(word.logprob), 4),
                "attention": None if word.attention is None else _rounded(word.attention.tolist()),
            }
            for word in caption.words
        ]
    return described


def _languages(described: dict[str, Any], caption: Caption) -> dict[str, str]:
    if described["text"] == replies.NOTHING_ELSE:
        return language.headers(languages.language(), caption.language)
    return language.headers(caption.language)


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(weight, 5) for weight in row] for row in rows]


def _refusal(answer: Answer) -> web.Response:
    retry_after = answer.retry_after
    if answer.problem == "late":
        retry_after = LATE_RETRY
    return failure(STATUS[answer.problem or "failed"], answer.text, retry_after)


def failure(status: int, sentence: str, retry_after: float | None = None) -> web.Response:
    """Return an error as JSON; `retry_after` is in seconds, if trying again may help."""
    headers = language.headers()
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return web.json_response({"error": sentence}, status=status, headers=headers)
