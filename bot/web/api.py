"""`POST /api/caption`: photos in, captions out; `static/openapi.json` describes it.

`upload.py` reads the photos, `parameters.py` the query, and `problems.py` words what is wrong.
"""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from bot import languages, metrics
from bot.answers import Answer, Answers, CaptionPhoto
from bot.replies import replies
from bot.settings import Settings
from bot.web import language, negotiation, parameters, problems, upload
from bot.web.auth import Gate
from bot.web.parameters import Query
from bot.web.problems import ProblemDetails, Refused
from bot.web.upload import MOST_PHOTOS, Limits
from captioner import Busy, Caption, Options
from captioner.as_json import as_json

# Photos of one request that are captioned at a time: half of a batch (`ServingConfig.max_batch`),
# and a sixteenth of the queue's default, so that one request leaves room for others.
AT_ONCE = 8
PAUSE = 0.1  # seconds between two looks whether there is room for another photo of a request
COMPRESSED = 1024  # bytes from which compression is worth its header

Said = tuple[Answer, dict[str, Any]] | ProblemDetails


@dataclass(frozen=True)
class CaptionApi:
    """Answers requests until `stop` is set."""

    settings: Settings
    answers: Answers
    gate: Gate
    stop: asyncio.Event

    async def caption(self, request: web.Request) -> web.Response:
        """Caption the photos in a request's body."""
        try:
            return await self._caption(request)
        except Refused as error:
            answer = problems.respond(request, error.problem)
            if upload.is_broken(error.problem):
                answer.force_close()
            return answer

    async def _caption(self, request: web.Request) -> web.Response:
        if self.stop.is_set():
            error = Busy("stopping")
            raise Refused(ProblemDetails("stopping", replies.busy(error), error.retry_after))
        query = parameters.read(request)
        # Checked before the body is read, which takes longest when the bot is busiest.
        if refused := self.answers.no_room():
            raise Refused(problems.of(refused))
        limits = Limits(
            self.settings.max_bytes,
            min(MOST_PHOTOS, self.gate.most(request) or MOST_PHOTOS),
            self.settings.photo_seconds,
        )
        try:
            given = await upload.read(request, limits)
        except Refused as error:
            if error.problem.status == 413:
                self._count_too_large()
            raise
        # The gate has counted one photo, before it was known how many there are.
        if refusal := await self.gate.refused(request, len(given.photos), counted=1):
            raise Refused(refusal)
        if given.several:
            return _list(request, await self._captions(given.photos, query))
        said = await self._said(given.photos[0], query, self.answers)
        if isinstance(said, ProblemDetails):
            raise Refused(said)
        return _one(request, *said)

    async def _captions(
        self, photos: Sequence[bytes | ProblemDetails], query: Query
    ) -> Sequence[Said]:
        """Caption photos side by side; all of them have the time that one photo may take."""
        loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
        until = loop.time() + self.answers.deadline
        patient = _patient(self.answers.caption, until)

        async def caption(photo: bytes | ProblemDetails) -> Said:
            async with turn:
                left = max(0.0, until - loop.time())
                answers = replace(self.answers, caption=patient, deadline=left)
                return await self._said(photo, query, answers)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(caption(photo)) for photo in photos]
        return [task.result() for task in tasks]

    async def _said(self, photo: bytes | ProblemDetails, query: Query, answers: Answers) -> Said:
        if isinstance(photo, ProblemDetails):
            if photo.code == "too_many_bytes":
                self._count_too_large()
            return photo
        answer = await _answer(photo, query, answers)
        if answer.caption is None:
            return problems.of(answer)
        return answer, _described(answer, answer.caption, query)

    def _count_too_large(self) -> None:
        metrics.refused(self.answers.platform, "too large")


def _patient(caption: CaptionPhoto, until: float) -> CaptionPhoto:
    """Return a function that waits for room in a full queue, but not for longer than `until`."""

    async def patient(photo: bytes, options: Options) -> Caption:
        while True:
            try:
                return await caption(photo, options)
            except Busy as error:
                if error.kind != "full" or asyncio.get_running_loop().time() + PAUSE > until:
                    raise
            await asyncio.sleep(PAUSE)

    return patient


async def _answer(photo: bytes, query: Query, answers: Answers) -> Answer:
    options = replace(answers.options, attention=query.explain == "1")
    if query.another is None:
        return await answers.first(photo, replace(options, alternatives=query.alternatives))
    return await replace(answers, options=options).another(photo, query.another, query.shown)


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


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(weight, 5) for weight in row] for row in rows]


def _one(request: web.Request, answer: Answer, described: dict[str, Any]) -> web.Response:
    codes = _languages(answer, described)
    return _response(request, described, problems.line(answer.text), codes)


def _list(request: web.Request, said: Sequence[Said]) -> web.Response:
    items, lines, codes = [], [], []
    for one in said:
        if isinstance(one, ProblemDetails):
            items.append(one.as_json())
            lines.append(problems.line(one.detail))
            codes.append(languages.language())
        else:
            items.append(one[1])
            lines.append(problems.line(one[0].text))
            codes += _languages(*one)
    return _response(request, items, "".join(lines), codes)


def _response(request: web.Request, said: Any, text: str, codes: Sequence[str]) -> web.Response:
    headers = language.headers(*codes)
    headers["Vary"] = f"Accept, Accept-Encoding, {headers['Vary']}"
    if negotiation.prefers_text(request):
        answer = web.Response(text=text, headers=headers)
    else:
        answer = web.Response(
            body=json.dumps(said).encode(),
            headers=headers,
            content_type="application/json",
            charset="utf-8",
        )
    assert isinstance(answer.body, bytes)
    if len(answer.body) >= COMPRESSED and negotiation.accepts_gzip(request):
        answer.enable_compression(web.ContentCoding.gzip)
    return answer


def _languages(answer: Answer, described: dict[str, Any]) -> list[str]:
    code = str(described["language"])
    return [languages.language(), code] if answer.text == replies.NOTHING_ELSE else [code]
