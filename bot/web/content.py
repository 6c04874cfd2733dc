"""Content that the server keeps in memory, both as it is and compressed."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from bot.web import negotiation

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
}
COMPRESSED_ALREADY = (".jpg", ".png")


@dataclass(frozen=True)
class _Form:
    body: bytes
    tag: str
    encoding: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """A file with its headers; each encoding has a tag of its own (RFC 9110, section 8.8.3)."""

    # In memory, so that no part of a request becomes a path, and so that `Connection` notices a
    # client that stops reading: it would not notice while the kernel sends a file.
    plain: _Form
    zipped: _Form
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, suffix: str, headers: Mapping[str, str] | None = None) -> "Content":
        """Prepare a file.

        Args:
            body: its bytes.
            suffix: of its name, which says its type.
            headers: besides those of every file.
        """
        tag = hashlib.sha256(body).hexdigest()
        kind = {"Content-Type": CONTENT_TYPES[suffix], "Cache-Control": "no-cache"}
        plain = _Form(body, tag)
        if suffix in COMPRESSED_ALREADY:
            return cls(plain, plain, {**kind, **(headers or {})})
        given = dict(headers or {})
        given["Vary"] = ", ".join(filter(None, ("Accept-Encoding", given.get("Vary"))))
        zipped = gzip.compress(body, mtime=0)
        compressed = _Form(zipped, f"{tag}-gzip", {"Content-Encoding": "gzip"})
        return cls(plain, compressed, {**kind, **given})

    async def send(self, request: web.Request) -> web.Response:
        """Send the file, unless the client has it."""
        form = self.zipped if negotiation.accepts_gzip(request) else self.plain
        headers = {**self.headers, "ETag": f'"{form.tag}"'}
        if any(known.value in (form.tag, "*") for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=form.body, headers={**headers, **form.encoding})
