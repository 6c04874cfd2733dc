"""`POST /api/caption`: photos and videos in, captions out; `static/openapi.json` describes it.

`upload.py` reads the photos and `parameters.py` the query; `caption_body.py` writes the answer, and
`problems.py` what is wrong.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from aiohttp import web

from bot import metrics
from bot.answers import Answer, Answers
from bot.replies import replies
from bot.settings import Settings
from bot.web import problems
from bot.web.api import caption_body, parameters, side_by_side, upload
from bot.web.api.body import MOST_PHOTOS, UploadLimits
from bot.web.api.caption_body import Said
from bot.web.api.memory import Memory, Reservation
from bot.web.api.parameters import Query
from bot.web.api.upload import Upload
from bot.web.auth import Gate
from bot.web.problems import ProblemDetails, Refused
from captioner import Busy
from captioner.video.kinds import is_moving, is_video

# Requests at a time whose body may be larger than a photo: 8 x 80 MB of memory with the default
# limits. Others wait, before their body is read.
LARGE_AT_ONCE = 8
LARGE_RETRY = 10.0  # seconds


@dataclass(frozen=True)
class CaptionApi:
    """Answers requests until `stop` is set."""

    settings: Settings
    answers: Answers
    gate: Gate
    stop: asyncio.Event
    memory: Memory
    fingerprints: bool = False  # each answer has its photo's hash, by which feedback names it
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LARGE_AT_ONCE))

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
        most = min(MOST_PHOTOS, self.gate.most(request) or MOST_PHOTOS)
        limits = UploadLimits.of(self.settings, most)
        async with self._memory(request, limits) as reservation:
            given = await self._read(request, limits, reservation)
            # The gate has counted one photo, before it was known how many there are.
            if refusal := await self.gate.refused(request, len(given.photos), counted=1):
                raise Refused(refusal)
            if given.several:
                return caption_body.several(request, await self._captions(given.photos, query))
            said = await self._said(given.photos[0], query, self.answers)
        if isinstance(said, ProblemDetails):
            raise Refused(said)
        return caption_body.one(request, *said)

    @asynccontextmanager
    async def _memory(
        self, request: web.Request, limits: UploadLimits
    ) -> AsyncIterator[Reservation]:
        if not upload.is_large(request, limits):
            with self.memory.reservation() as reservation:
                yield reservation
            return
        try:
            async with asyncio.timeout(self.answers.deadline):
                await self.large.acquire()
        except TimeoutError:
            raise self._full(Busy("full", LARGE_RETRY)) from None
        try:
            with self.memory.reservation() as reservation:
                yield reservation
        finally:
            self.large.release()

    async def _read(
        self, request: web.Request, limits: UploadLimits, reservation: Reservation
    ) -> Upload:
        try:
            return await upload.read(request, limits, reservation)
        except Busy as error:
            raise self._full(error) from error
        except Refused as error:
            if error.problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                self._count_too_large()
            raise

    async def _captions(
        self, photos: Sequence[bytes | ProblemDetails], query: Query
    ) -> Sequence[Said]:
        async def said(photo: bytes | ProblemDetails, answers: Answers) -> Said:
            return await self._said(photo, query, answers)

        return await side_by_side.answered(photos, _moves, self.answers, said)

    async def _said(self, photo: bytes | ProblemDetails, query: Query, answers: Answers) -> Said:
        if isinstance(photo, ProblemDetails):
            if photo.code == "too_many_bytes":
                self._count_too_large()
            return photo
        if query.another is not None and is_video(photo):
            return parameters.no_other_story()
        answer = await _answer(photo, query, answers)
        if caption_body.is_story(answer.video):  # feedback is about captions of photos
            return answer, caption_body.told(answer.video, query)
        if answer.caption is None:
            return problems.of(answer)
        described = caption_body.described(answer, answer.caption, query)
        if self.fingerprints:
            digest = await asyncio.to_thread(hashlib.sha256, photo)
            described["photo_sha256"] = digest.hexdigest()
        return answer, described

    def _full(self, error: Busy) -> Refused:
        metrics.refused(self.answers.platform, "busy")
        return Refused(ProblemDetails("busy", replies.busy(error), error.retry_after))

    def _count_too_large(self) -> None:
        metrics.refused(self.answers.platform, "too large")


def _moves(photo: bytes | ProblemDetails) -> bool:
    return isinstance(photo, bytes) and is_moving(photo)


async def _answer(photo: bytes, query: Query, answers: Answers) -> Answer:
    options = replace(answers.options, attention=query.explain == "1")
    if query.another is None:
        answer = answers.story if is_moving(photo) else answers.first
        return await answer(photo, replace(options, alternatives=query.alternatives))
    return await replace(answers, options=options).another(photo, query.another, query.shown)
