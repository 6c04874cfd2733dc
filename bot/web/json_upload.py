"""Photos in JSON: `{"photo": "<base64>"}`, or a list of them.

A photo at an address is refused. A server that fetches addresses for strangers can be made to ask
machines that only it can reach (server-side request forgery).
"""

import base64
import binascii
import json
import re
from typing import Any

from bot.replies import replies
from bot.web.problems import ProblemDetails, Refused, too_large

DATA = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)
ADDRESS = re.compile(r"\s*(https?|ftp)://", re.IGNORECASE)


def parse(body: bytearray) -> str | list[str]:
    """Return the photos of a body as they are written there: one, or a list.

    Raises:
        Refused: it is not JSON, or does not hold photos alone.
    """
    try:
        # Some programs for Windows put a byte order mark before the JSON.
        given = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Refused(ProblemDetails("not_json", replies.NOT_JSON)) from error
    if not isinstance(given, dict):
        raise _needs_member()
    if "url" in given:
        raise Refused(no_urls())
    photos = given.get("photo")
    if len(given) != 1 or not isinstance(photos, str | list):
        raise _needs_member()
    if isinstance(photos, list) and not (photos and all(isinstance(one, str) for one in photos)):
        raise _needs_member()
    return photos


def decode(text: str, limit: int) -> bytes | ProblemDetails:
    """Return a photo's bytes, or what is wrong with it.

    Args:
        text: base64 (RFC 4648), with or without line breaks; also as a data URI (RFC 2397).
        limit: the most bytes of a photo.
    """
    if ADDRESS.match(text):
        return no_urls()
    if data := DATA.match(text):
        text = text[data.end() :]
    text = "".join(text.split())
    if len(text) // 4 * 3 - 2 > limit:
        return too_large(limit / 2**20)
    try:
        photo = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ProblemDetails("not_base64", replies.NOT_BASE64)
    return too_large(limit / 2**20) if len(photo) > limit else photo


def no_urls() -> ProblemDetails:
    """Return the problem of an address instead of a photo."""
    return ProblemDetails("no_urls", replies.NO_URLS)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):  # which of the values counts would be a guess
        raise _needs_member()
    return dict(pairs)


def _needs_member() -> Refused:
    return Refused(ProblemDetails("needs_photo_member", replies.NEEDS_MEMBER))
