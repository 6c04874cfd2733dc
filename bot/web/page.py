"""The web chat's page: its HTML, styles, scripts and sentences, and the API's description."""

import hashlib
import json
import re
from functools import partial
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web

from bot.replies import replies
from bot.web.auth import Handler
from bot.web.sentences import sentences

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
}


def routes(about: str) -> list[web.RouteDef]:
    """Return the routes of the page and of everything that it loads.

    Args:
        about: the paragraphs that describe the model, as plain text.
    """
    static = [
        web.get(f"/static/{file.name}", _content(file.read_bytes(), file.suffix))
        for file in STATIC.iterdir()
        if file.suffix in (".css", ".js")
    ]
    script = f"export default {json.dumps(sentences())};\n".encode()
    return [
        web.get("/", partial(_page, _html(about))),
        *static,
        web.get("/static/sentences.js", _content(script, ".js")),
        web.get("/openapi.json", _content((STATIC / "openapi.json").read_bytes(), ".json")),
    ]


def _html(about: str) -> str:
    page = Template((STATIC / "index.html").read_text("utf-8"))
    return page.substitute(
        {name: escape(sentence) for name, sentence in sentences().items()},
        about=_paragraphs(about),
        privacy=_paragraphs(replies.PRIVACY),
    )


async def _page(text: str, request: web.Request) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _content(body: bytes, suffix: str) -> Handler:
    # In memory, so that no part of a request becomes a path, and so that `Connection` notices a
    # client that stops reading: it would not notice while the kernel sends a file.
    tag = hashlib.sha256(body).hexdigest()
    headers = {
        "Content-Type": f"{CONTENT_TYPES[suffix]}; charset=utf-8",
        "Cache-Control": "no-cache",
        "ETag": f'"{tag}"',
    }

    async def send(request: web.Request) -> web.Response:
        if any(known.value == tag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers)

    return send


def _paragraphs(text: str) -> str:
    return re.sub(r"\n+", "</p><p>", f"<p>{escape(text)}</p>")
