"""The web chat's page: its HTML, styles, scripts and sentences, and the API's description."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from bot import languages
from bot.replies import replies
from bot.web import language
from bot.web.sentences import sentences

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
}


def routes(about: Callable[[], str], *, feedback: bool = False) -> list[web.RouteDef]:
    """Return the routes of the page in every language, and of everything that it loads.

    Args:
        about: returns the paragraphs that describe the model, as plain text.
        feedback: the page asks whether its captions are good.
    """
    static = [
        web.get(f"/static/{file.name}", _Content.of(file.read_bytes(), file.suffix).send)
        for file in STATIC.iterdir()
        if file.suffix in (".css", ".js")
    ]
    pages: dict[str, _Content] = {}
    scripts = []
    for code in languages.NAMES:
        with languages.speaking(code):
            pages[code] = _Content.of(
                _html(about(), feedback).encode(), ".html", language.headers()
            )
            script = f"export default {json.dumps(sentences())};\n".encode()
            address = f"/static/sentences.{code}.js"
            scripts.append(web.get(address, _Content.of(script, ".js").send))

    async def page(request: web.Request) -> web.Response:
        if language.is_wrong(request):
            text = replies.wrong_parameter(language.NAME)
            return web.Response(status=400, text=text, headers=language.headers())
        return await pages[languages.language()].send(request)

    description = _Content.of((STATIC / "openapi.json").read_bytes(), ".json")
    return [web.get("/", page), *static, *scripts, web.get("/openapi.json", description.send)]


def _html(about: str, feedback: bool) -> str:
    template = Template((STATIC / "index.html").read_text("utf-8"))
    code = languages.language()
    return template.substitute(
        {name: escape(sentence) for name, sentence in sentences().items()},
        lang=code,
        dir=_direction(code),
        languages="".join(map(_choice, languages.NAMES)),
        about=_paragraphs(about),
        privacy=_paragraphs(replies.PRIVACY),
        asks="yes" if feedback else "no",
        unless_asked="" if feedback else " hidden",
    )


def _choice(code: str) -> str:
    selected = " selected" if code == languages.language() else ""
    name = escape(languages.NAMES[code])
    return (
        f'<option value="{code}" lang="{code}" dir="{_direction(code)}"{selected}>{name}</option>'
    )


def _direction(code: str) -> str:
    return "rtl" if code in languages.RIGHT_TO_LEFT else "ltr"


@dataclass(frozen=True)
class _Content:
    # In memory, so that no part of a request becomes a path, and so that `Connection` notices a
    # client that stops reading: it would not notice while the kernel sends a file.
    body: bytes
    tag: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, suffix: str, headers: Mapping[str, str] | None = None) -> "_Content":
        tag = hashlib.sha256(body).hexdigest()
        kind = {
            "Content-Type": f"{CONTENT_TYPES[suffix]}; charset=utf-8",
            "Cache-Control": "no-cache",
            "ETag": f'"{tag}"',
        }
        return cls(body, tag, {**kind, **(headers or {})})

    async def send(self, request: web.Request) -> web.Response:
        if any(known.value == self.tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=self.headers)
        return web.Response(body=self.body, headers=self.headers)


def _paragraphs(text: str) -> str:
    return re.sub(r"\n+", "</p><p>", f"<p>{escape(text)}</p>")
