"""`POST /api/feedback`: whether a caption is good, and what would have been right.

Anyone who may use the API can send anything here. Whether the caption is the bot's own is not
checked, because the correction could not be checked anyway. So texts are short, cleaned, and only
stored; `docs/training.md` says to read them before training.
"""

import asyncio
import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated

import structlog
from aiohttp import web
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from bot import metrics
from bot.replies import replies
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import LONGEST, FeedbackRow, FeedbackRows, Verdict
from bot.web import language, problems
from bot.web.api import parameters
from bot.web.problems import LATE_RETRY, ProblemDetails, Refused
from bot.web.refusals import refusals

log = structlog.stdlib.get_logger(__name__)

# Two texts of the greatest length, each character as two escapes of six bytes, and the rest.
MOST_BYTES = 2 * LONGEST * 12 + 2**10
BODY_SECONDS = 10.0
SHOWN = 40  # characters of a stranger's name for a field
# Control characters, halves of characters, what has no meaning yet, and line breaks of other kinds.
UNWANTED = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
# They turn the direction of the text after them, also that of other lines in a terminal.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


def cleaned(text: str) -> str:
    """Return a text as one line, in Unicode's form NFC, without control characters."""
    kept = (" " if unicodedata.category(one) in UNWANTED else one for one in text)
    return unicodedata.normalize("NFC", " ".join(TURNING.sub("", "".join(kept)).split()))


def _filled(text: str) -> str:
    if not (said := cleaned(text)):
        raise ValueError("empty")
    return said


class Feedback(BaseModel):
    """What a person says about a caption."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    photo_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    caption: Annotated[str, Field(max_length=LONGEST), AfterValidator(_filled)]
    language: Annotated[str, AfterValidator(parameters.spoken)]
    verdict: Verdict | None  # None takes back what was said
    # Only of a bad caption; an empty one, or the caption itself, corrects nothing.
    correction: Annotated[str, Field(max_length=LONGEST), AfterValidator(cleaned)] | None = None

    @field_validator("correction")
    @classmethod
    def _check_correction(cls, correction: str | None, info: ValidationInfo) -> str | None:
        if correction is not None and info.data.get("verdict", "bad") != "bad":
            raise ValueError("not of a bad caption")
        return None if correction == info.data.get("caption") else correction or None


@dataclass(frozen=True)
class FeedbackApi:
    """Keeps what people say about captions."""

    rows: FeedbackRows

    async def post(self, request: web.Request) -> web.Response:
        """Keep what a person says about a caption, or forget it."""
        try:
            return await self._post(request)
        except Refused as error:
            answer = problems.respond(request, error.problem)
            if error.problem.code == "broken_upload":
                answer.force_close()  # nobody knows where in the rest the next request starts
            return answer

    async def _post(self, request: web.Request) -> web.Response:
        parameters.check(request, [language.NAME])
        if request.content_type != "application/json":
            raise _wrong("Content-Type", "feedback_not_json")
        body = await _read(request)
        try:
            said = Feedback.model_validate_json(body)
        except ValidationError as error:
            place = error.errors(include_url=False, include_input=False)[0]["loc"]
            raise _wrong(str(place[0])[:SHOWN] if place else "JSON") from error
        try:
            await self._keep(said)
        except DatabaseError as error:
            log.error("feedback cannot be kept", reason=str(error))
            problem = ProblemDetails("feedback_not_kept", replies.FAILED, LATE_RETRY)
            raise Refused(problem) from error
        metrics.FEEDBACK.labels(said.verdict or "withdrawn").inc()
        return web.Response(status=204, headers=language.headers())

    async def _keep(self, said: Feedback) -> None:
        if said.verdict is None:
            await self.rows.withdraw(said.photo_sha256, said.caption)
            return
        row = FeedbackRow(
            said.photo_sha256, said.caption, said.language, said.verdict, said.correction
        )
        await self.rows.put(row)


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _wrong("JSON", "feedback_too_long")
    except Refused:
        raise
    except TimeoutError:
        raise Refused(ProblemDetails("slow_upload", refusals.SLOW_UPLOAD)) from None
    # A body that contradicts its headers can raise anything in its parser.
    except Exception as error:
        raise _wrong("JSON", "broken_upload") from error
    return bytes(body)


def _wrong(name: str, code: str = "wrong_feedback") -> Refused:
    sentence = refusals.WRONG_FEEDBACK.format(name=name)
    return Refused(ProblemDetails(code, sentence, members={"field": name}))
