"""What a client accepts: media types and encodings, by their quality (RFC 9110, section 12.5)."""

import re
from collections.abc import Iterable, Iterator

from aiohttp import web

JSON = ("application/json", "application/problem+json")
TEXT = ("text/plain",)
VTT = ("text/vtt",)
GZIP = ("gzip", "x-gzip")
QUALITY = re.compile(r"q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)", re.IGNORECASE)


def prefers_text(request: web.Request) -> bool:
    """Return whether a client wants plain text rather than JSON."""
    accepted = _accepted(request)
    return _best(accepted, TEXT) > _best(accepted, JSON)


def prefers_json(request: web.Request) -> bool:
    """Return whether a client wants JSON rather than plain text."""
    accepted = _accepted(request)
    return _best(accepted, JSON) > _best(accepted, TEXT)


def prefers_vtt(request: web.Request) -> bool:
    """Return whether a client wants subtitles rather than JSON and plain text."""
    accepted = _accepted(request)
    return _best(accepted, VTT) > max(_best(accepted, JSON), _best(accepted, TEXT))


def accepts_gzip(request: web.Request) -> bool:
    """Return whether a client accepts gzip, and does not prefer an answer without it."""
    qualities = dict(_weighed(request.headers.getall("Accept-Encoding", [])))
    named = [qualities[name] for name in GZIP if name in qualities]
    quality = max(named) if named else qualities.get("*", 0.0)
    return quality > 0 and quality >= qualities.get("identity", 0.0)


def _accepted(request: web.Request) -> dict[str, float]:
    return dict(_weighed(request.headers.getall("Accept", []))) or {"*/*": 1.0}


def _best(accepted: dict[str, float], kinds: Iterable[str]) -> float:
    return max(_quality(accepted, kind) for kind in kinds)


def _quality(accepted: dict[str, float], kind: str) -> float:
    # The most specific range counts.
    for known in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if known in accepted:
            return accepted[known]
    return 0.0


def _weighed(headers: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Yield each range in lower case and its quality; one with a wrong quality is left out."""
    for part in ",".join(headers).split(","):
        name, *parameters = (word.strip() for word in part.split(";"))
        weights = [word for word in parameters if word[:2].lower() == "q="]
        matches = [QUALITY.fullmatch(word) for word in weights]
        if name and all(matches):
            yield name.lower(), float(matches[0][1]) if matches and matches[0] else 1.0
