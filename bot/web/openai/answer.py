"""What `/v1/` answers, in the form of OpenAI's API: a completion, its stream, models, errors."""

import json
import math
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.answers import Answer
from bot.web import language
from captioner import Caption
from captioner.as_json import as_json, video_as_json
from captioner.wording import worded

# What OpenAI calls the errors of these statuses; clients choose their exceptions by the status.
TYPES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
CODES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "invalid_api_key",
    HTTPStatus.NOT_FOUND: "unknown_url",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_exceeded",
}


def failure(
    status: int,
    sentence: str,
    retry_after: float | None = None,
    *,
    param: str | None = None,
    code: str | None = None,
) -> web.Response:
    """Return an error as OpenAI's clients read it.

    Args:
        status: chooses the exception that a client raises.
        sentence: what is wrong, for a person.
        retry_after: in seconds, if trying again may help.
        param: the field that is wrong.
        code: what is wrong, for a program; None: as `CODES` has it.
    """
    headers = language.headers()
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    server = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    error = {
        "message": sentence,
        "type": TYPES.get(status, "server_error" if server else "invalid_request_error"),
        "param": param,
        "code": code or CODES.get(status),
    }
    return web.json_response({"error": error}, status=status, headers=headers)


def model(name: str, created: int) -> dict[str, Any]:
    """Describe a model; `created` is in seconds since 1970."""
    return {"id": name, "object": "model", "created": created, "owned_by": "photo-captioner"}


@dataclass(frozen=True)
class Completion:
    """The captions of the photos of one message, and the stories of its videos."""

    model: str
    answers: Sequence[tuple[Answer, Caption]]  # one for each, in their order
    most: int  # choices that were asked for

    def response(self, *, stream: bool, include_usage: bool) -> web.Response:
        """Return it whole, or as server-sent events."""
        headers = language.headers(*(caption.language for _, caption in self.answers))
        if not stream:
            return web.json_response(self._whole(), headers=headers)
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in self._chunks(include_usage)]
        # All of it is known by now, so it needs no connection that stays open.
        return web.Response(
            text="".join([*events, "data: [DONE]\n\n"]),
            content_type="text/event-stream",
            headers=headers,
        )

    def _whole(self) -> dict[str, Any]:
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
            for index, text in enumerate(self._texts())
        ]
        captions = {"captions": self._captions()}
        return self._head("chat.completion") | {
            "choices": choices,
            "usage": self._usage(),
            **captions,
        }

    def _chunks(self, include_usage: bool) -> Iterator[dict[str, Any]]:
        head = self._head("chat.completion.chunk")
        if include_usage:
            head["usage"] = None
        texts = self._texts()
        for index, text in enumerate(texts):
            # A sentence is chosen when all of its words are there, so it comes in one piece.
            for delta in ({"role": "assistant", "content": ""}, {"content": text}):
                yield head | {"choices": [_piece(index, delta)]}
        for index in range(len(texts)):
            last = {"captions": self._captions()} if index == len(texts) - 1 else {}
            yield head | {"choices": [_piece(index, {}, "stop")], **last}
        if include_usage:
            yield head | {"choices": [], "usage": self._usage()}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": kind,
            "created": int(time.time()),
            "model": self.model,
        }

    def _texts(self) -> list[str]:
        """Return the text of each choice: a line for each photo.

        There are fewer choices than were asked for if a photo has fewer captions; a video has one
        story.
        """
        said = [
            [answer.text, *(worded(other).text for other in _others(answer, caption))]
            for answer, caption in self.answers
        ]
        return ["\n".join(lines) for lines in zip(*said, strict=False)][: self.most]

    def _captions(self) -> list[dict[str, Any]]:
        described = [
            as_json(caption) if answer.video is None else video_as_json(answer.video)
            for answer, caption in self.answers
        ]
        for video in described:
            for one in (video, *video.get("scenes", ())):
                one["alternatives"] = one["alternatives"][: self.most - 1]
        return described

    def _usage(self) -> dict[str, int]:
        # The decoder's tokens are words; prompts are not read.
        others = len(self._texts()) - 1
        words = sum(
            len(sentence.words)
            for answer, caption in self.answers
            for sentence in (*_first(answer, caption), *_others(answer, caption)[:others])
        )
        return {"prompt_tokens": 0, "completion_tokens": words, "total_tokens": words}


def _first(answer: Answer, caption: Caption) -> Sequence[Caption]:
    """Return the captions that are said of a photo or a video."""
    return [caption] if answer.video is None else [one.caption for one in answer.video.told]


def _others(answer: Answer, caption: Caption) -> Sequence[Caption]:
    return caption.alternatives if answer.video is None else ()


def _piece(
    index: int, delta: dict[str, str], finish_reason: str | None = None
) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
