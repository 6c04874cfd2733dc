"""The id of a request: in its answer, in its errors, and in every line that it logs."""

import re
from uuid import uuid4

from aiohttp import web
from structlog.contextvars import bind_contextvars, get_contextvars

from bot.web.connections import Handler

HEADER = "X-Request-Id"
NAME = "request_id"  # in logs and errors
HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give a request the id that it brings, or a new one."""
    brought = request.headers.getall(HEADER, [])
    known = len(brought) == 1 and HARMLESS.fullmatch(brought[0])
    # To the end of this task, which is the request's own: the server also logs what fails in it.
    bind_contextvars(**{NAME: brought[0] if known else uuid4().hex})
    return await handler(request)


def now() -> str | None:
    """Return the id of the request that is answered now; None if its head could not be read."""
    return get_contextvars().get(NAME)


async def add_header(request: web.Request, response: web.StreamResponse) -> None:
    """Name the request in its answer."""
    if known := now():
        response.headers[HEADER] = known
