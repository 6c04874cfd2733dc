"""What a request to the API uploads: photos as its body, in a form, or in JSON.

Photos are kept in memory, never written to a disk, and read only up to the limits.
"""

import asyncio
import math
import re
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartReader,
    StreamReader,
    web,
)

from bot.web import json_upload
from bot.web.memory import Body
from bot.web.problems import ProblemDetails, Refused, too_large
from bot.web.refusals import refusals
from captioner import Busy

# They quote the form, which is a stranger's: each would be a line in the log.
for warning in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.filterwarnings("ignore", category=warning)

CHUNK = 2**16
FORM_ROOM = 2**14  # bytes of a form besides each photo: boundaries and headers
# Photos of one request. A phone's photo has 3 to 5 MB, so that 20 of them are within 80 MB, which
# the default limit of 20 MB for one photo allows.
MOST_PHOTOS = 20
# Boundaries, headers and empty lines; programs write five for a photo. A form that is nothing but
# lines would keep the loop busy: 4 MB of them for three seconds.
MOST_LINES = 16 * (MOST_PHOTOS + 1)
TOGETHER = 4  # times the limit for one photo: the bytes of one request's body
ADDRESS = re.compile(rb"\s*(https?|ftp)://", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """What one request may upload."""

    photo: int  # bytes
    photos: int
    seconds: float  # for as many bytes as one photo may have, however few are sent

    @property
    def together(self) -> int:
        """Bytes of a whole body."""
        return TOGETHER * self.photo

    def seconds_for(self, length: int | None) -> float:
        """Return how long a body may take; `length` is the number of its bytes, if known."""
        return self.seconds * max(1, math.ceil((length or 0) / self.photo))


@dataclass(frozen=True)
class Upload:
    """The photos of a request, in their order; a problem stands for one that cannot be read."""

    photos: list[bytes | ProblemDetails]
    several: bool  # whether it is answered with a list


async def read(request: web.Request, limits: Limits, memory: Body) -> Upload:
    """Read a request's body.

    Raises:
        Refused: it is too large, too slow or broken, or holds something other than photos.
        Busy: there is no memory for it now.
    """
    form, in_json = _is_form(request), _is_json(request)
    length = request.content_length
    if not form and not in_json and (length or 0) > limits.photo:
        raise Refused(too_large(limits.photo / 2**20))
    if (length or 0) > limits.together + FORM_ROOM * limits.photos:
        raise _too_large_together(limits)
    try:
        async with asyncio.timeout(limits.seconds_for(length)):
            if form:
                return await _form(request, limits, memory)
            if in_json:
                return await _json(request, limits, memory)
            return Upload([_photo(await _body(request, limits, memory))], several=False)
    except (Busy, Refused):
        raise
    except TimeoutError:
        raise Refused(ProblemDetails("slow_upload", refusals.SLOW_UPLOAD)) from None
    # A body that contradicts its headers can raise anything in its parser.
    except Exception as error:
        raise Refused(ProblemDetails("broken_upload", refusals.BROKEN_UPLOAD)) from error


def is_large(request: web.Request, limits: Limits) -> bool:
    """Return whether a body may have more bytes than one photo."""
    length = request.content_length
    return (_is_form(request) or _is_json(request)) and (length is None or length > limits.photo)


def is_broken(problem: ProblemDetails) -> bool:
    """Return whether nobody knows where in the rest of the connection the next request starts."""
    return problem.code == "broken_upload"


def _is_form(request: web.Request) -> bool:
    return request.content_type.startswith("multipart/")


def _is_json(request: web.Request) -> bool:
    return request.content_type == "application/json"


async def _body(request: web.Request, limits: Limits, memory: Body) -> bytearray:
    body = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK):
        memory.grow(len(chunk))
        body += chunk
        if len(body) > limits.photo:
            raise Refused(too_large(limits.photo / 2**20))
    return body


async def _json(request: web.Request, limits: Limits, memory: Body) -> Upload:
    body = bytearray()
    async for chunk in request.content.iter_chunked(CHUNK):
        memory.grow(len(chunk))
        body += chunk
        if len(body) > limits.together:
            raise _too_large_together(limits)
    # In threads, because megabytes take a tenth of a second.
    given = await asyncio.to_thread(json_upload.parse, body, limits.photos)
    texts = [given] if isinstance(given, str) else given
    photos = [await asyncio.to_thread(json_upload.decode, text, limits.photo) for text in texts]
    return Upload(photos, several=not isinstance(given, str))


async def _form(request: web.Request, limits: Limits, memory: Body) -> Upload:
    photos: list[bytes | ProblemDetails] = []
    left = limits.together
    async for field in _fields(request):
        if len(photos) == limits.photos:
            raise json_upload.too_many(limits.photos)
        photo, size = bytearray(), 0
        while chunk := await field.read_chunk(CHUNK):
            size += len(chunk)
            left -= len(chunk)
            if left < 0:
                raise _too_large_together(limits)
            if size > limits.photo:
                photo.clear()  # the rest is read only to come to the next photo
            else:
                memory.grow(len(chunk))
                photo += chunk
        photos.append(too_large(limits.photo / 2**20) if size > limits.photo else _photo(photo))
    if not photos:
        raise _needs_field()
    return Upload(photos, several=len(photos) > 1)


async def _fields(request: web.Request) -> AsyncIterator[BodyPartReader]:
    form = MultipartReader(request.headers, cast(StreamReader, _FewLines(request.content)))
    while field := await form.next():
        if not isinstance(field, BodyPartReader) or field.name != "photo":
            raise _needs_field()
        yield field


class _FewLines:
    """A form's content, of which at most `MOST_LINES` lines are read."""

    def __init__(self, content: StreamReader) -> None:
        self._content = content
        self._left = MOST_LINES

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def readline(self, **given: Any) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many lines")
        return await self._content.readline(**given)


def _photo(photo: bytearray) -> bytes | ProblemDetails:
    # `curl -F photo=https://...` without its @, for example.
    return json_upload.no_urls() if ADDRESS.match(photo) else bytes(photo)


def _too_large_together(limits: Limits) -> Refused:
    megabytes = limits.together / 2**20
    sentence = refusals.too_large_together(megabytes)
    problem = ProblemDetails("too_many_bytes_together", sentence, members={"max_mb": megabytes})
    return Refused(problem)


def _needs_field() -> Refused:
    return Refused(ProblemDetails("needs_photo_field", refusals.NEEDS_FIELD))
