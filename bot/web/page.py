"""The web chat's page: its HTML, styles, scripts and sentences, and the API's description."""

import json
import re
from collections.abc import Callable
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template

from aiohttp import web

from bot import languages
from bot.replies import replies
from bot.web import language, parameters, problems
from bot.web.content import Content
from bot.web.sentences import sentences

STATIC = Path(__file__).parent / "static"


def routes(about: Callable[[], str]) -> list[web.RouteDef]:
    """Return the routes of the page in every language, and of everything that it loads.

    Args:
        about: returns the paragraphs that describe the model, as plain text.
    """
    static = [
        web.get(f"/static/{file.name}", Content.of(file.read_bytes(), file.suffix).send)
        for file in STATIC.iterdir()
        if file.suffix in (".css", ".js")
    ]
    pages: dict[str, Content] = {}
    scripts = []
    for code in languages.NAMES:
        with languages.speaking(code):
            pages[code] = Content.of(_html(about()).encode(), ".html", language.headers())
            script = f"export default {json.dumps(sentences())};\n".encode()
            address = f"/static/sentences.{code}.js"
            scripts.append(web.get(address, Content.of(script, ".js").send))

    async def page(request: web.Request) -> web.Response:
        if language.is_wrong(request):
            return problems.respond(request, parameters.wrong(language.NAME), text=True)
        return await pages[languages.language()].send(request)

    description = Content.of(_description(), ".json")
    return [web.get("/", page), *static, *scripts, web.get("/openapi.json", description.send)]


def _description() -> bytes:
    """Return the API's description, with the version of this program."""
    described = json.loads((STATIC / "openapi.json").read_text("utf-8"))
    described["info"]["version"] = version("photo-captioner")
    return json.dumps(described, ensure_ascii=False).encode()


def _html(about: str) -> str:
    template = Template((STATIC / "index.html").read_text("utf-8"))
    code = languages.language()
    return template.substitute(
        {name: escape(sentence) for name, sentence in sentences().items()},
        lang=code,
        dir=_direction(code),
        languages="".join(map(_choice, languages.NAMES)),
        about=_paragraphs(about),
        privacy=_paragraphs(replies.PRIVACY),
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
