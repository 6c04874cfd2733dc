"""The body of an answer to `POST /api/caption`: captions and problems, as JSON or as text."""

import json
import math
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bot import languages
from bot.answers import Answer
from bot.replies import replies
from bot.web import language, negotiation, problems
from bot.web.parameters import Query
from bot.web.problems import ProblemDetails
from captioner import Caption
from captioner.as_json import as_json

COMPRESSED = 1024  # bytes from which compression is worth its header

# Of one photo: the bot's answer and the same as JSON, or why there is none.
Said = tuple[Answer, dict[str, Any]] | ProblemDetails


def described(answer: Answer, caption: Caption, query: Query) -> dict[str, Any]:
    """Return what is said of a photo, as `docs/api.md` explains it."""
    said = as_json(caption)
    said["alternatives"] = said["alternatives"][: query.alternatives]
    if answer.text != said["text"]:  # there is no other caption, which is said without doubt
        said |= {"text": answer.text, "doubt": ""}
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
    """Answer a request with one photo."""
    codes = _languages(answer, described)
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
