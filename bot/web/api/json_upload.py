"""Photos in JSON: `{"photo": "<base64>"}`, or a list of them.

A photo at an address is refused. A server that fetches addresses for strangers can be made to ask
machines that only it can reach (server-side request forgery).
"""

import json
from codecs import BOM_UTF8
from typing import Any

from bot.web.api import data_uri
from bot.web.api.body import UploadLimits
from bot.web.problems import ProblemDetails, Refused, too_large
from bot.web.refusals import refusals

SMALL = 2**16  # bytes of JSON that may be parsed whatever they hold
MOST_BRACKETS = 4  # an object, a list, and room for mistakes that are worth their own sentence


def parse(body: bytearray, most: int) -> str | list[str]:
    """Return the photos of a body as they are written there: one, or a list.

    Args:
        body: is emptied, so that it does not need its memory twice.
        most: how many photos there may be.

    Raises:
        Refused: it is not JSON, or does not hold photos alone, or too many.
    """
    if body.startswith(BOM_UTF8):  # as some programs for Windows write it
        del body[: len(BOM_UTF8)]
    if len(body) > SMALL:
        _check_shape(body, most)
    try:
        text = body.decode()
        body.clear()
        given = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refused(ProblemDetails("not_json", refusals.NOT_JSON)) from error
    if not isinstance(given, dict):
        raise _needs_member()
    if "url" in given:
        raise Refused(no_urls())
    photos = given.get("photo")
    if len(given) != 1 or not isinstance(photos, str | list):
        raise _needs_member()
    if isinstance(photos, list) and not (photos and all(isinstance(one, str) for one in photos)):
        raise _needs_member()
    if isinstance(photos, list) and len(photos) > most:
        raise too_many(most)
    return photos


def decode(text: str, limits: UploadLimits) -> bytes | ProblemDetails:
    """Return a photo's bytes, or what is wrong with it.

    Args:
        text: base64, also as a data URI; see `data_uri.decode`.
        limits: how many bytes it may have.
    """
    try:
        photo = data_uri.decode(text, bare=True)
    except data_uri.DataUriError as error:
        if error.kind == "address":
            return no_urls()
        return ProblemDetails("not_base64", refusals.NOT_BASE64)
    most = limits.file(photo)
    return too_large(most / 2**20) if len(photo) > most else photo


def no_urls() -> ProblemDetails:
    """Return the problem of an address instead of a photo."""
    return ProblemDetails("no_urls", refusals.NO_URLS)


def too_many(most: int) -> Refused:
    """Return the error for more photos than one request may hold."""
    sentence = refusals.too_many_at_once(most)
    return Refused(ProblemDetails("too_many_photos", sentence, members={"max_photos": most}))


def _check_shape(body: bytearray, most: int) -> None:
    """Refuse what would take many times its own memory: small objects, and wide characters."""
    if body.count(b"[") + body.count(b"{") > MOST_BRACKETS:
        raise _needs_member()
    if body.count(b",") > 2 * most:  # a data URI has one of its own
        raise too_many(most)
    if not body.isascii() or body.count(b"\\u") != body.count(b"\\u00"):
        raise Refused(ProblemDetails("not_base64", refusals.NOT_BASE64))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):  # which of the values counts would be a guess
        raise _needs_member()
    return dict(pairs)


def _needs_member() -> Refused:
    return Refused(ProblemDetails("needs_photo_member", refusals.NEEDS_MEMBER))
