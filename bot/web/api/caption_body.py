"""The body of an answer to `POST /api/caption`: captions and problems, as JSON, text or WebVTT."""

import json
import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from aiohttp import web

from bot import languages
from bot.answers import Answer
from bot.replies import replies
from bot.web import language, negotiation, problems
from bot.web.api.parameters import Query
from bot.web.problems import ProblemDetails
from captioner import Caption, VideoCaption
from captioner.as_json import as_json, video_as_json
from captioner.video.subtitles import webvtt

COMPRESSED = 1024  # bytes from which compression is worth its header

# Of one photo: the bot's answer and the same as JSON, or why there is none.
Said = tuple[Answer, dict[str, Any]] | ProblemDetails


def described(answer: Answer, caption: Caption, query: Query) -> dict[str, Any]:
    """Return what is said of a photo, as `docs/api.md` explains it."""
    said = _limited(as_json(caption), caption, query)
    if answer.text != said["text"]:  # there is no other caption, which is said without doubt
        said |= {"text": answer.text, "doubt": ""}
    return said


def is_story(video: VideoCaption | None) -> TypeGuard[VideoCaption]:
    """Return whether a video is told as one; a GIF of a single frame is a photo."""
    return video is not None and video.seconds > 0


def told(video: VideoCaption, query: Query) -> dict[str, Any]:
    """Return what is said of a video, and of each of its scenes."""
    said = video_as_json(video)
    for scene, described in zip(video.scenes, said["scenes"], strict=True):
        _limited(described, scene.caption, query)
    return said


def _limited(said: dict[str, Any], caption: Caption, query: Query) -> dict[str, Any]:
    """Leave out the alternatives that were not asked for, and add the words if they were."""
    said["alternatives"] = said["alternatives"][: query.alternatives]
    if query.explain == "1":
        said["words"] = [
            {
                "text": word.text,
                "probability": round(math.exp(word.logprob), 4),
                "attention": None if word.attention is None else _rounded(word.attention.tolist()),
            }
            for word in caption.words
        ]
    return said


def _rounded(rows: list[list[float]]) -> list[list[float]]:
    return [[round(weight, 5) for weight in row] for row in rows]


def one(request: web.Request, answer: Answer, described: dict[str, Any]) -> web.Response:
    """Answer a request with one photo or video."""
    codes = _languages(answer, described)
    if is_story(answer.video) and negotiation.prefers_vtt(request):
        return _written(request, webvtt(answer.video), codes, "text/vtt")
    return _response(request, described, problems.line(answer.text), codes)


def several(request: web.Request, said: Sequence[Said]) -> web.Response:
    """Answer a request with several photos, in their order."""
    items, lines, codes = [], [], []
    for photo in said:
        if isinstance(photo, ProblemDetails):
            items.append(photo.as_json())
            lines.append(problems.line(photo.detail))
            codes.append(languages.language())
        else:
            items.append(photo[1])
            lines.append(problems.line(photo[0].text))
            codes += _languages(*photo)
    return _response(request, items, "".join(lines), codes)


def _response(request: web.Request, said: Any, text: str, codes: Sequence[str]) -> web.Response:
    if negotiation.prefers_text(request):
        return _written(request, text, codes, "text/plain")
    return _written(request, json.dumps(said), codes, "application/json")


def _written(request: web.Request, text: str, codes: Sequence[str], kind: str) -> web.Response:
    headers = language.headers(*codes)
    headers["Vary"] = f"Accept, Accept-Encoding, {headers['Vary']}"
    body = text.encode()
    answer = web.Response(body=body, headers=headers, content_type=kind, charset="utf-8")
    if len(body) >= COMPRESSED and negotiation.accepts_gzip(request):
        answer.enable_compression(web.ContentCoding.gzip)
    return answer


def _languages(answer: Answer, described: dict[str, Any]) -> list[str]:
    code = str(described["language"])
    return [languages.language(), code] if answer.text == replies.NOTHING_ELSE else [code]
