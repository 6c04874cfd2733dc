"""The language of a request: from its parameter, the cookie of the page's switch, its headers."""

from aiohttp import web

from bot import languages
from bot.web.connections import Handler

NAME = "language"  # of the parameter, and of the cookie that the page's switch sets


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request in its language."""
    with languages.speaking(of(request)):
        return await handler(request)


def of(request: web.Request) -> str:
    """Return the code of the language in which to answer; English if nothing is known."""
    for code in (request.query.get(NAME, ""), request.cookies.get(NAME, "")):
        if code in languages.NAMES:
            return code
    return languages.accepted(",".join(request.headers.getall("Accept-Language", [])))


def is_wrong(request: web.Request) -> bool:
    """Return whether a request asks for a language that the bot does not speak."""
    return NAME in request.query and request.query[NAME] not in languages.NAMES


def headers(*codes: str) -> dict[str, str]:
    """Return the headers of an answer whose content depends on the language of its request.

    Args:
        codes: of the languages that it is in; none: the one that is spoken now.
    """
    said = ", ".join(dict.fromkeys(codes or (languages.language(),)))
    return {"Content-Language": said, "Vary": "Accept-Language, Cookie"}
