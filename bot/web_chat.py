"""The web chat: one page, its API, health and metrics, on one aiohttp server."""

import asyncio
import errno
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot import caption_api, metrics, replies
from bot.answers import Answers
from bot.errors import PlatformError
from bot.settings import Settings

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "camera=(self), clipboard-write=(self), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "photo-captioner",
}

# Requests are awaited before the connections are closed: this is for their last bytes.
LAST_SECONDS = 1.0
IDLE_SECONDS = 75.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class WebChat:
    """The adapter of the web chat; other adapters' routes may live on its server."""

    settings: Settings
    answers: Answers
    about: str
    waiting: Callable[[], int]  # photos that wait for their batch
    routes: Sequence[web.AbstractRouteDef] = ()
    url: str = field(default="", init=False)  # where it listens, once it does

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then answer what was asked before.

        Raises:
            PlatformError: the address cannot be listened on.
        """
        requests = _InHand()
        async with self._listening(self.application(stop, requests)) as site:
            log.info("the web chat is at %s", self.url)
            up = metrics.PLATFORM_UP.labels("web chat")
            up.set(1)
            try:
                await stop.wait()
                await site.stop()
                await requests.none.wait()
            finally:
                up.set(0)

    async def check(self) -> str:
        """Say where it would listen.

        Raises:
            PlatformError: the address cannot be listened on.
        """
        async with self._listening(self.application(asyncio.Event())):
            return f"Web chat: {self.url}"

    def application(
        self, stop: asyncio.Event, requests: "_InHand | None" = None
    ) -> web.Application:
        """Put the routes together; while `stop` is set no photo is taken."""
        api = caption_api.CaptionApi(self.settings, self.answers, stop)
        app = web.Application(middlewares=[(requests or _InHand()).count, caption_api.guard])
        app.on_response_prepare.append(_add_headers)
        app.router.add_get("/", partial(_page, self._page_text()))
        for file in STATIC.iterdir():
            if file.suffix in CONTENT_TYPES:
                app.router.add_get(f"/static/{file.name}", partial(_file, file))
        app.router.add_get("/openapi.json", partial(_file, STATIC / "openapi.json"))
        app.router.add_post("/api/caption", api.caption)
        app.router.add_get("/healthz", _health)
        app.router.add_get("/readyz", partial(_ready, stop))
        app.router.add_get("/metrics", partial(_metrics, self.waiting))
        app.add_routes(self.routes)
        return app

    @asynccontextmanager
    async def _listening(self, app: web.Application) -> AsyncIterator[web.TCPSite]:
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,  # who goes away leaves the queue
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=LAST_SECONDS,
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.settings.web_host, self.settings.web_port)
            try:
                await site.start()
            except OSError as error:
                raise PlatformError(self._trouble(error)) from error
            self.url = f"http://{_reachable(self.settings.web_host)}:{site.port}"
            yield site
        finally:
            await runner.cleanup()

    def _trouble(self, error: OSError) -> str:
        host, port = self.settings.web_host, self.settings.web_port
        start = f"Web chat: cannot listen on {host}, port {port}"
        if error.errno == errno.EADDRINUSE:
            return f"{start}: another program does already. Set WEB_PORT to another port"
        if error.errno == errno.EACCES:
            return f"{start}: that needs more rights. Set WEB_PORT to 1024 or more"
        return f"{start}: {error.strerror or error}. WEB_HOST must be an address of this machine"

    def _page_text(self) -> str:
        return Template((STATIC / "index.html").read_text("utf-8")).substitute(
            hint=escape(replies.HINT),
            about=_paragraphs(self.about),
            privacy=_paragraphs(replies.PRIVACY),
            another=escape(replies.ANOTHER),
            look=escape(replies.LOOK),
            alt_text=escape(replies.ALT_TEXT),
            no_attention=escape(replies.NO_ATTENTION),
        )


class _InHand:
    """Counts the requests that are being answered."""

    def __init__(self) -> None:
        self._number = 0
        self.none = asyncio.Event()
        self.none.set()

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count one request until it is answered."""
        self._number += 1
        self.none.clear()
        try:
            return await handler(request)
        finally:
            self._number -= 1
            if not self._number:
                self.none.set()


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


async def _page(text: str, request: web.Request) -> web.Response:
    return web.Response(text=text, content_type="text/html")


async def _file(path: Path, request: web.Request) -> web.FileResponse:
    kind = CONTENT_TYPES.get(path.suffix, "application/json")
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _ready(stop: asyncio.Event, request: web.Request) -> web.Response:
    if stop.is_set():
        return web.json_response({"status": "stopping"}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(waiting: Callable[[], int], request: web.Request) -> web.Response:
    metrics.QUEUE_PHOTOS.set(waiting())
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _reachable(host: str) -> str:
    # A wildcard is no address to open; this machine is one that it stands for.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _paragraphs(text: str) -> str:
    return re.sub(r"\n+", "</p><p>", f"<p>{escape(text)}</p>")
