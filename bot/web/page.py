"""The web chat's page: its HTML, styles, scripts and sentences, and the API's description."""

import json
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from string import Template

from aiohttp import web

from bot import languages
from bot.replies import replies
from bot.settings import Settings
from bot.web import app, language, problems
from bot.web.api import parameters
from bot.web.content import Content
from bot.web.sentences import sentences
from captioner.photo.formats import SUFFIXES, VIDEO_SUFFIXES
from captioner.photo.limits import Limits
from captioner.video import kinds

STATIC = Path(__file__).parent / "static"
SERVED_AS_THEY_ARE = (".css", ".js", ".png", ".svg")
WORKER = STATIC / "service-worker.js"  # served at the root, which is what it works for
EXAMPLES = "/static/examples/"
PHOTOS_KEPT = "max-age=86400"  # seconds: a day in which a browser need not ask about a photo again


def routes(
    about: Callable[[], str], settings: Settings, *, feedback: bool = False
) -> list[web.RouteDef]:
    """Return the routes of the page in every language, and of everything that it loads.

    Args:
        about: returns the paragraphs that describe the model, as plain text.
        settings: the page makes photos smaller that are above these limits, and does not send
            larger videos.
        feedback: the page asks whether its captions are good.
    """
    files = {
        f"/static/{file.name}": file.read_bytes()
        for file in STATIC.iterdir()
        if file.suffix in SERVED_AS_THEY_ARE and file != WORKER
    }
    files |= {
        f"{EXAMPLES}{file.name}": file.read_bytes() for file in (STATIC / "examples").iterdir()
    }
    files["/static/limits.js"] = _module(_limits(settings))
    html: dict[str, bytes] = {}
    for code in languages.NAMES:
        with languages.speaking(code):
            html[code] = _html(about(), feedback).encode()
            files[f"/static/sentences.{code}.js"] = _module(sentences())
            files[f"/static/{code}.webmanifest"] = app.manifest(_direction(code))
    pages = {code: Content.of(body, ".html", language.headers(code)) for code, body in html.items()}
    files[app.WORKER] = app.worker(WORKER, files, html.values())

    async def page(request: web.Request) -> web.Response:
        if language.is_wrong(request):
            return problems.respond(request, parameters.wrong(language.NAME), text=True)
        return await pages[languages.language()].send(request)

    description = Content.of(_description(), ".json")
    return [
        web.get("/", page),
        *(web.get(address, _content(address, body).send) for address, body in files.items()),
        web.route("*", app.SHARE, app.not_shared),
        web.get("/openapi.json", description.send),
    ]


def _content(address: str, body: bytes) -> Content:
    headers = {"Cache-Control": PHOTOS_KEPT} if address.startswith(EXAMPLES) else {}
    return Content.of(body, PurePosixPath(address).suffix, headers)


def _module(value: object) -> bytes:
    return f"export default {json.dumps(value)};\n".encode()


def _limits(settings: Settings) -> dict[str, object]:
    return {
        "bytes": settings.max_bytes,
        "videoBytes": settings.max_video_bytes,
        "pixels": int(settings.max_megapixels * 1e6),
        "side": Limits.max_side,
        "suffixes": sorted(SUFFIXES),
        "videoSuffixes": sorted(VIDEO_SUFFIXES),
        "videos": {  # their first bytes, each a character
            "matroska": kinds.EBML.decode("latin-1"),
            "boxes": _characters(kinds.BOXES),
            "pictures": _characters(kinds.PICTURES | {kinds.SEQUENCE}),
        },
    }


def _characters(marks: Collection[bytes]) -> list[str]:
    return sorted(mark.decode("latin-1") for mark in marks)


def _description() -> bytes:
    """Return the API's description, with the version of this program."""
    described = json.loads((STATIC / "openapi.json").read_text("utf-8"))
    with suppress(PackageNotFoundError):  # a source tree that is not installed has none
        described["info"]["version"] = version("photo-captioner")
    return json.dumps(described, ensure_ascii=False).encode()


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


def _paragraphs(text: str) -> str:
    return re.sub(r"\n+", "</p><p>", f"<p>{escape(text)}</p>")
