"""Errors of the web chat's server: as problem details (RFC 9457), or as one plain sentence.

`type` is "about:blank" and `title` the status in words. `code` tells problems apart: it is the same
on every server, and no server has a page that a `type` could lead to.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.answers import Answer
from bot.replies import replies
from bot.web import language, negotiation, request_ids
from bot.web.connections import Handler
from bot.web.openai import answer as openai_answer
from bot.web.refusals import refusals
from captioner import BadImage, Busy

CONTENT_TYPE = "application/problem+json"
LATE_RETRY = 10.0  # seconds
# What programs ask for; other addresses are for people, who get text.
API = "/api/"
CAPTION = f"{API}caption"
OPENAI = "/v1/"  # has errors of its own form
METRICS = "/metrics"

# As RFC 9110 names them; those of `http.HTTPStatus` differ between versions of Python.
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
# By code; `docs/api.md` explains each. Those of photos are `BadImageKind` with underscores.
STATUS: Mapping[str, int] = {
    "empty": 400,
    "damaged": 400,
    "unsupported": 415,
    "unsupported_heic": 415,
    "unsupported_variant": 415,
    "unsupported_video": 415,
    "no_frames": 415,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    "far_too_many_pixels": 413,
    "too_slow": 413,
    "too_much_memory": 413,
    "busy": 503,
    "stopping": 503,
    "late": 503,
    "failed": 500,
    "needs_photo_field": 400,
    "not_json": 400,
    "needs_photo_member": 400,
    "not_base64": 400,
    "no_urls": 400,
    "too_many_photos": 400,
    "too_many_bytes_together": 413,
    "slow_upload": 408,
    "broken_upload": 400,
    "unknown_parameter": 400,
    "repeated_parameter": 400,
    "wrong_parameter": 400,
    "needs_token": 401,
    "wrong_token": 401,
    "not_allowed": 403,
    "other_site": 403,
    "misdirected": 421,
    "over_rate": 429,
    "wrong_feedback": 400,
    "feedback_too_long": 413,
    "feedback_not_json": 415,
    "feedback_not_kept": 503,
    "not_found": 404,
    "method_not_allowed": 405,
}


@dataclass(frozen=True)
class ProblemDetails:
    """What is wrong with a request, or with one photo of it."""

    code: str  # one of `STATUS`
    detail: str  # the sentence for a person
    retry_after: float | None = None  # seconds, if trying again may help
    members: Mapping[str, Any] = field(default_factory=dict)  # the numbers and names in `detail`
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The status of an answer that is nothing but this."""
        return STATUS[self.code]

    @property
    def seconds(self) -> int | None:
        """The value of `Retry-After`."""
        return None if self.retry_after is None else max(1, math.ceil(self.retry_after))

    def as_json(self) -> dict[str, Any]:
        """Return the object; `error` is what programs read before there was `detail`."""
        said = {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "error": self.detail,
            **self.members,
        }
        return said if self.seconds is None else {**said, "retry_after": self.seconds}


class Refused(Exception):
    """A request that is answered with a problem alone."""

    def __init__(self, problem: ProblemDetails) -> None:
        """Keep the problem."""
        super().__init__(problem.code)
        self.problem = problem


def of(answer: Answer) -> ProblemDetails:
    """Return the problem of a photo that was not captioned."""
    match answer.error:
        case BadImage(kind="too many bytes", numbers=numbers):
            return too_large(numbers["limit"] / 2**20)
        case BadImage(kind=kind, numbers=numbers):
            return ProblemDetails(kind.lower().replace(" ", "_"), answer.text, members=numbers)
        case Busy(kind=kind, retry_after=seconds):
            return ProblemDetails(
                "stopping" if kind == "stopping" else "busy", answer.text, seconds
            )
    if answer.problem == "late":
        return ProblemDetails("late", answer.text, LATE_RETRY)
    return ProblemDetails("failed", answer.text)


def too_large(megabytes: float) -> ProblemDetails:
    """Return the problem of a photo with too many bytes."""
    members = {"max_mb": megabytes}
    return ProblemDetails("too_many_bytes", replies.too_large(megabytes), members=members)


def respond(request: web.Request, problem: ProblemDetails, *, text: bool = False) -> web.Response:
    """Answer with a problem, as JSON or text, whichever the client prefers.

    Args:
        request: is answered.
        problem: the answer.
        text: answer with text if the client prefers neither.
    """
    if request.path.startswith(OPENAI):
        answer = openai_answer.failure(problem.status, problem.detail, problem.retry_after)
        answer.headers.update(problem.headers)
        return answer
    headers = {**language.headers(), **problem.headers}
    headers["Vary"] = f"Accept, {headers['Vary']}"
    if problem.seconds is not None:
        headers["Retry-After"] = str(problem.seconds)
    if negotiation.prefers_text(request) or (text and not negotiation.prefers_json(request)):
        return web.Response(status=problem.status, text=line(problem.detail), headers=headers)
    said = {**problem.as_json(), "request_id": request_ids.now()}
    return web.json_response(
        said, status=problem.status, headers=headers, content_type=CONTENT_TYPE
    )


def line(sentence: str) -> str:
    """Return a sentence as a line of text."""
    return f"{' '.join(sentence.split())}\n"


@web.middleware
async def nowhere(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say in the reader's language that there is nothing at an address, or not by its method."""
    api = request.path.startswith(API)
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        methods = ", ".join(sorted(error.allowed_methods))
        detail = (
            refusals.NEEDS_POST
            if request.path == CAPTION
            else refusals.WRONG_METHOD.format(methods=methods)
        )
        headers = {"Allow": methods}
        problem = ProblemDetails("method_not_allowed", detail, headers=headers)
    except web.HTTPNotFound:
        detail = refusals.NOT_HERE if api else refusals.NO_PAGE
        if request.path.startswith(OPENAI):
            detail = refusals.NOT_OF_OPENAI
        problem = ProblemDetails("not_found", detail)
    return respond(request, problem, text=not api and request.path != METRICS)
