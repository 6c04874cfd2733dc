"""The web chat's server: its page, its API, health and metrics."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot import metrics
from bot.access import Access
from bot.answers import Answers
from bot.settings import Settings
from bot.supervision import PlatformError
from bot.web import page, tls
from bot.web.api import CaptionApi
from bot.web.auth import API, METRICS, Gate
from bot.web.connections import HEAD_SECONDS, Connection, Connections, server_log

log = structlog.stdlib.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
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

# For the last bytes of answers; the requests themselves have been awaited by then.
LAST_SECONDS = 1.0
IDLE_SECONDS = 75.0
MAX_LINE = 2**16  # bytes; `shown` may be 4000 characters of 4 bytes, each byte written as %XX
MAX_FIELD = 2**13
MAX_FIELDS = 100
HSTS = "max-age=31536000"  # a year in which browsers use only https


@dataclass
class WebChat:
    """The adapter of the web chat; its server also serves the routes of other adapters."""

    settings: Settings
    answers: Answers
    about: str
    waiting: Callable[[], int]  # how many photos wait for their batch
    access: Access = field(default_factory=Access)
    routes: Sequence[web.AbstractRouteDef] = ()
    url: str = field(default="", init=False)  # its address, once it listens

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the requests in hand.

        Raises:
            PlatformError: it cannot listen on the address.
        """
        connections = Connections()
        async with self._listening(stop, connections) as server:
            log.info("the web chat is ready", url=self.url)
            up = metrics.PLATFORM_UP.labels(self.answers.platform)
            up.set(1)
            try:
                await stop.wait()
                server.close()
                await connections.answered.wait()
            finally:
                up.set(0)

    async def check(self) -> str:
        """Return a line with the address that it would listen on.

        Raises:
            PlatformError: it cannot listen on the address.
        """
        async with self._listening(asyncio.Event(), Connections()):
            return f"Web chat: {self.url}"

    def _application(self, stop: asyncio.Event, connections: Connections) -> web.Application:
        gate = Gate(self.settings, self.access)
        api = CaptionApi(self.settings, self.answers, stop)
        app = web.Application(middlewares=[connections.count, gate.guard])
        app.on_response_prepare.append(_add_headers)
        app.add_routes(page.routes(self.about))
        app.router.add_post(f"{API}caption", api.caption)
        app.router.add_get("/healthz", _health)
        app.router.add_get("/readyz", partial(_ready, stop))
        app.router.add_get(METRICS, partial(_metrics, self.waiting))
        app.add_routes(self.routes)
        return app

    @asynccontextmanager
    async def _listening(
        self, stop: asyncio.Event, connections: Connections
    ) -> AsyncIterator[asyncio.Server]:
        context = tls.context(self.settings)
        runner = web.AppRunner(
            self._application(stop, connections),
            access_log=None,
            logger=server_log,
            handler_cancellation=True,  # the photo of a client that went away leaves the queue
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=LAST_SECONDS,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
        )
        await runner.setup()
        assert runner.server is not None
        try:
            server = await self._listen(partial(Connection, connections, runner.server), context)
            host, port = self.settings.web_host, server.sockets[0].getsockname()[1]
            self.url = f"{'https' if context else 'http'}://{_reachable(host)}:{port}"
            try:
                yield server
            finally:
                server.close()
        finally:
            await runner.cleanup()

    async def _listen(
        self, protocol: Callable[[], asyncio.Protocol], context: ssl.SSLContext | None
    ) -> asyncio.Server:
        try:
            return await asyncio.get_running_loop().create_server(
                protocol,
                self.settings.web_host,
                self.settings.web_port,
                ssl=context,
                ssl_handshake_timeout=HEAD_SECONDS if context else None,
            )
        except OSError as error:
            raise PlatformError(self._trouble(error)) from error

    def _trouble(self, error: OSError) -> str:
        host, port = self.settings.web_host, self.settings.web_port
        start = f"Web chat: cannot listen on {host}, port {port}"
        if error.errno == errno.EADDRINUSE:
            return f"{start}: another program uses that port. Set WEB_PORT to another port"
        if error.errno == errno.EACCES:
            return f"{start}: the port needs more rights. Set WEB_PORT to 1024 or more"
        return f"{start}: {error.strerror or error}. WEB_HOST must be an address of this machine"


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    if request.secure:
        response.headers["Strict-Transport-Security"] = HSTS


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
    # A browser cannot open a wildcard; it stands for every address of this machine.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
