"""What a request to the API uploads: photos as its body, in a form, or in JSON.

Photos are kept in memory, never written to a disk, and read only up to the limits.
"""

import asyncio
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

from bot.web.api import body, data_uri, json_upload
from bot.web.api.body import CHUNK, MOST_PHOTOS, TooLarge, UploadLimits
from bot.web.api.memory import Reservation
from bot.web.problems import ProblemDetails, Refused, too_large
from bot.web.refusals import refusals
from captioner import Busy

# They quote the form, which is a stranger's: each would be a line in the log.
for warning in (BadContentDispositionHeader, BadContentDispositionParam):
    warnings.filterwarnings("ignore", category=warning)

FORM_ROOM = 2**14  # bytes of a form besides each photo: boundaries and headers
# Boundaries, headers and empty lines; programs write five for a photo. A form that is nothing but
# lines would keep the loop busy: 4 MB of them for three seconds.
MOST_LINES = 16 * (MOST_PHOTOS + 1)
START = 200  # bytes of a photo in which an address begins


@dataclass(frozen=True)
class Upload:
    """The photos of a request, in their order; a problem stands for one that cannot be read."""

    photos: list[bytes | ProblemDetails]
    several: bool  # whether it is answered with a list


async def read(request: web.Request, limits: UploadLimits, reservation: Reservation) -> Upload:
    """Read a request's body.

    Raises:
        Refused: it is too large, too slow or broken, or holds something other than photos.
        Busy: there is no memory for it now.
    """
    try:
        async with asyncio.timeout(limits.seconds_for(request.content_length)):
            if _is_form(request):
                return await _form(request, limits, reservation)
            if _is_json(request):
                return await _json(request, limits, reservation)
            photo = await body.read(request, reservation, limits.file)
            return Upload([_photo(photo)], several=False)
    except (Busy, Refused):
        raise
    except TooLarge as error:
        raise Refused(too_large(error.most / 2**20)) from None
    except TimeoutError:
        raise Refused(ProblemDetails("slow_upload", refusals.SLOW_UPLOAD)) from None
    # A body that contradicts its headers can raise anything in its parser.
    except Exception as error:
        raise Refused(ProblemDetails("broken_upload", refusals.BROKEN_UPLOAD)) from error


def is_large(request: web.Request, limits: UploadLimits) -> bool:
    """Return whether a body may have more bytes than one photo."""
    several = _is_form(request) or _is_json(request)
    most = limits.together if several else limits.largest
    length = most if request.content_length is None else request.content_length
    return min(most, length) > limits.photo


def is_broken(problem: ProblemDetails) -> bool:
    """Return whether nobody knows where in the rest of the connection the next request starts."""
    return problem.code == "broken_upload"


def _is_form(request: web.Request) -> bool:
    return request.content_type.startswith("multipart/")


def _is_json(request: web.Request) -> bool:
    return request.content_type == "application/json"


async def _json(request: web.Request, limits: UploadLimits, reservation: Reservation) -> Upload:
    try:
        written = await body.read(request, reservation, lambda _: limits.together)
    except TooLarge:
        raise _too_large_together(limits) from None
    # In threads, because megabytes take a tenth of a second.
    given = await asyncio.to_thread(json_upload.parse, written, limits.photos)
    texts = [given] if isinstance(given, str) else given
    photos = [await asyncio.to_thread(json_upload.decode, text, limits) for text in texts]
    return Upload(photos, several=not isinstance(given, str))


async def _form(request: web.Request, limits: UploadLimits, reservation: Reservation) -> Upload:
    photos: list[bytes | ProblemDetails] = []
    left = limits.together
    if (request.content_length or 0) > left + FORM_ROOM * limits.photos:
        raise _too_large_together(limits)
    async for field in _fields(request):
        if len(photos) == limits.photos:
            raise json_upload.too_many(limits.photos)
        photo, size, most = bytearray(), 0, limits.largest
        while chunk := await field.read_chunk(CHUNK):
            size += len(chunk)
            left -= len(chunk)
            if left < 0:
                raise _too_large_together(limits)
            if size <= most:
                reservation.grow(len(chunk))
                photo += chunk
                most = limits.file(photo)
            if size > most:
                photo.clear()  # the rest is read only to come to the next photo
        photos.append(too_large(most / 2**20) if size > most else _photo(photo))
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
    start = photo[:START].decode("latin-1")
    return json_upload.no_urls() if data_uri.is_address(start) else bytes(photo)


def _too_large_together(limits: UploadLimits) -> Refused:
    megabytes = limits.together / 2**20
    sentence = refusals.too_large_together(megabytes)
    problem = ProblemDetails("too_many_bytes_together", sentence, members={"max_mb": megabytes})
    return Refused(problem)


def _needs_field() -> Refused:
    return Refused(ProblemDetails("needs_photo_field", refusals.NEEDS_FIELD))
