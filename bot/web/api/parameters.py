"""The parameters of a request to the API."""

from collections.abc import Sequence
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from bot import languages
from bot.web import language
from bot.web.problems import ProblemDetails, Refused
from bot.web.refusals import refusals

# The largest values of the parameters, or their longest.
MOST = {"alternatives": 8, "explain": 1, "another": 2**63 - 1, "shown": 4000}
LONGEST_NAME = 40  # characters of an unknown parameter that are repeated to its sender


def spoken(code: str) -> str:
    """Return a language's code; raises ValueError if the bot does not speak it."""
    if code not in languages.NAMES:
        raise ValueError(code)
    return code


class Query(BaseModel):
    """The options of a request."""

    # Of the caption and of every sentence; `check` has checked it.
    language: str | None = None
    alternatives: int = Field(default=2, ge=0, le=MOST["alternatives"])
    explain: Literal["0", "1"] = "0"
    # The turn; each samples other captions.
    another: int | None = Field(default=None, ge=0, le=MOST["another"])
    shown: str = Field(default="", max_length=MOST["shown"])  # what must not be repeated


def read(request: web.Request) -> Query:
    """Return the parameters of a request.

    Raises:
        Refused: one is unknown, wrong, or given twice: which of them counts would be a guess.
    """
    check(request, list(Query.model_fields))
    try:
        return Query.model_validate(dict(request.query))
    except ValidationError as error:
        raise Refused(wrong(str(error.errors(include_url=False)[0]["loc"][0]))) from error


def check(request: web.Request, known: Sequence[str]) -> None:
    """Check the names of a request's parameters, and its language.

    Raises:
        Refused: one is unknown or given twice, or the language is one that the bot does not speak.
    """
    for name in dict.fromkeys(request.query):
        if name not in known:
            shown = _printable(name)
            sentence = refusals.unknown_parameter(shown, known)
            raise Refused(_problem("unknown_parameter", shown, sentence))
        if len(request.query.getall(name)) > 1:
            sentence = refusals.REPEATED_PARAMETER.format(name=name)
            raise Refused(_problem("repeated_parameter", name, sentence))
    if language.is_wrong(request):
        raise Refused(wrong(language.NAME))


def wrong(name: str) -> ProblemDetails:
    """Return the problem of a parameter whose value is not allowed."""
    return _problem("wrong_parameter", name, refusals.wrong_parameter(name, MOST.get(name)))


def no_other_story() -> ProblemDetails:
    """Return the problem of asking for another caption of a video."""
    sentence = refusals.NO_OTHER_STORY.format(name="another")
    return _problem("wrong_parameter", "another", sentence)


def _problem(code: str, name: str, sentence: str) -> ProblemDetails:
    return ProblemDetails(code, sentence, members={"parameter": name})


def _printable(name: str) -> str:
    shown = "".join(character if character.isprintable() else "�" for character in name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}…"
