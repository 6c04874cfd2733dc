"""The web chat's page as an app: its manifest, its service worker, and what is shared with it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import web

from bot import languages
from bot.web.sentences import sentences
from captioner.photo.formats import SUFFIXES, VIDEO_SUFFIXES

SHARE = "/share"
NOT_SHARED = "/#not-shared"  # where the page says that it did not get what was shared
WORKER = "/service-worker.js"
# As in chat.css. A manifest has no colours for dark mode: the page's own `theme-color` has them.
GROUND = "#f7f5f1"
SHARED = ["image/*", "video/*", *sorted(SUFFIXES | VIDEO_SUFFIXES)]


def manifest(direction: str) -> bytes:
    """Return the manifest in the language that is spoken now, which runs in this direction."""
    said = sentences()
    return _json(
        {
            "id": "/",
            "name": said["title"],
            "short_name": said["app_name"],
            "description": said["hint"],
            "lang": languages.language(),
            "dir": direction,
            "start_url": "/",
            "scope": "/",
            "display": "standalone",
            "theme_color": GROUND,
            "background_color": GROUND,
            "icons": [
                _icon("icon.svg", "image/svg+xml", "any"),
                _icon("icon-192.png", "image/png", "192x192"),
                _icon("icon-512.png", "image/png", "512x512"),
                _icon("icon-maskable-192.png", "image/png", "192x192", "maskable"),
                _icon("icon-maskable-512.png", "image/png", "512x512", "maskable"),
            ],
            "share_target": {
                "action": SHARE,
                "method": "POST",
                "enctype": "multipart/form-data",
                "params": {"files": [{"name": "photos", "accept": SHARED}]},
            },
        }
    )


def worker(script: Path, files: Mapping[str, bytes], pages: Iterable[bytes]) -> bytes:
    """Return the service worker of these files; it changes whenever one of them does.

    Args:
        script: what it does.
        files: what it keeps beside the page, by their addresses.
        pages: the page in each language; its hash is in its `ETag`.
    """
    content = script.read_bytes()
    known = sorted(hashlib.sha256(page).hexdigest() for page in pages)
    version = hashlib.sha256(content)
    for address, body in sorted(files.items()):
        version.update(hashlib.sha256(address.encode() + b"\0" + body).digest())
    version.update(_json(known))
    kept = {"version": version.hexdigest()[:16], "files": sorted(files), "pages": known}
    return b"const SHELL = " + _json(kept) + b";\n" + content


async def not_shared(request: web.Request) -> web.Response:
    """Answer a photo or a video that was shared past the service worker, without reading it.

    Only the page may send it: it has the token, and says what became of the photo.
    """
    return web.Response(status=303, headers={"Location": NOT_SHARED})


def _icon(name: str, kind: str, sizes: str, purpose: str = "any") -> dict[str, str]:
    return {"src": f"/static/{name}", "type": kind, "sizes": sizes, "purpose": purpose}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
