"""`/v1/`: captions for programs that speak OpenAI's API; `static/openapi.json` describes it.

Only what a photo needs of it: chat completions, and the list of models.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from aiohttp import web

from bot import languages, metrics
from bot.answers import Answer, Answers, Problem
from bot.replies import replies
from bot.settings import Settings
from bot.web import language, problems
from bot.web.api import side_by_side
from bot.web.api.body import UploadLimits
from bot.web.api.memory import Memory, Reservation
from bot.web.auth import Gate
from bot.web.openai.answer import Completion, failure, model
from bot.web.openai.request import ChatRefused, ChatRequest, Photo, parse, read
from bot.web.problems import LATE_RETRY, OPENAI
from bot.web.refusals import refusals
from captioner import Busy
from captioner.video.kinds import is_moving

# The photo is a part of the body, so neither the body's type (415) nor its size (413) is wrong.
# The codes of the first three are those of OpenAI.
PROBLEMS: Mapping[Problem, tuple[HTTPStatus, str]] = {
    "damaged": (HTTPStatus.BAD_REQUEST, "image_parse_error"),
    "too large": (HTTPStatus.BAD_REQUEST, "image_too_large"),
    "unsupported": (HTTPStatus.BAD_REQUEST, "invalid_image_format"),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    "late": (HTTPStatus.SERVICE_UNAVAILABLE, "timeout"),
    "failed": (HTTPStatus.INTERNAL_SERVER_ERROR, "server_error"),
}


@dataclass(frozen=True)
class OpenAIApi:
    """Answers requests until `stop` is set."""

    settings: Settings
    answers: Answers
    stop: asyncio.Event
    model: Callable[[], str]  # the name of the model
    gate: Gate
    memory: Memory
    started: int = field(default_factory=lambda: int(time.time()))

    def routes(self) -> list[web.RouteDef]:
        """Return the routes below `/v1/`."""
        return [
            web.post(f"{OPENAI}chat/completions", self.complete),
            web.get(f"{OPENAI}models", self.list_models),
            web.get(f"{OPENAI}models/{{model}}", self.show_model),
        ]

    async def list_models(self, request: web.Request) -> web.Response:
        """List the one model."""
        models = [model(self.model(), self.started)]
        return web.json_response({"object": "list", "data": models})

    async def show_model(self, request: web.Request) -> web.Response:
        """Describe the model."""
        if request.match_info["model"] == self.model():
            return web.json_response(model(self.model(), self.started))
        sentence = refusals.only_model(self.model())
        return failure(HTTPStatus.NOT_FOUND, sentence, param="model", code="model_not_found")

    async def complete(self, request: web.Request) -> web.Response:
        """Caption the photos of the last message that has any."""
        if self.stop.is_set():
            error = Busy("stopping")
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, replies.busy(error), error.retry_after)
        # Checked before the body is read, which takes longest when the bot is busiest.
        if refused := self.answers.no_room():
            return _refusal(refused)
        with self.memory.reservation() as reservation:
            return await self._complete(request, reservation)

    async def _complete(self, request: web.Request, reservation: Reservation) -> web.Response:
        try:
            if language.is_wrong(request):
                raise ChatRefused(refusals.wrong_parameter(language.NAME), language.NAME)
            limits = UploadLimits.of(self.settings, self._most(request))
            chat = await asyncio.to_thread(parse, await read(request, limits, reservation))
            languages.speak(chat.language or languages.language())
            photos = await asyncio.to_thread(chat.photos, limits.photos)
            chat.messages.clear()  # they hold the photos a second time
        except ChatRefused as error:
            return self._refused(error)
        except Busy as error:
            return _refusal(
                Answer(replies.busy(error), problem="busy", retry_after=error.retry_after)
            )
        # The gate has counted one photo, before it was known how many there are.
        if refusal := await self.gate.refused(request, len(photos), counted=1):
            return problems.respond(request, refusal)
        return await self._answer(photos, chat)

    async def _answer(self, photos: Sequence[Photo], chat: ChatRequest) -> web.Response:
        choices = chat.n or 1
        options = replace(self.answers.options, alternatives=choices - 1)

        async def answered(photo: Photo, answers: Answers) -> Answer:
            answer = answers.story if is_moving(photo.file) else answers.first
            return await answer(photo.file, options)

        if len(photos) == 1:
            found = [await answered(photos[0], self.answers)]
        else:
            found = await side_by_side.answered(photos, _moves, self.answers, answered)
        captioned = []
        for photo, answer in zip(photos, found, strict=True):
            if answer.caption is None:
                return _refusal(answer, photo.param)
            captioned.append((answer, answer.caption))
        completion = Completion(self.model(), captioned, choices)
        return completion.response(stream=bool(chat.stream), include_usage=chat.include_usage)

    def _most(self, request: web.Request) -> int:
        most = self.settings.max_photos
        return min(most, self.gate.most(request) or most)

    def _refused(self, error: ChatRefused) -> web.Response:
        if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            metrics.refused(self.answers.platform, "too large")
        answer = failure(error.status, error.sentence, param=error.param, code=error.code)
        if error.broken:
            answer.force_close()
        return answer


def _moves(photo: Photo) -> bool:
    return is_moving(photo.file)


def _refusal(answer: Answer, param: str | None = None) -> web.Response:
    problem = answer.problem or "failed"
    status, code = PROBLEMS[problem]
    retry_after = LATE_RETRY if problem == "late" else answer.retry_after
    about_photo = param if status == HTTPStatus.BAD_REQUEST else None
    return failure(status, answer.text, retry_after, param=about_photo, code=code)
