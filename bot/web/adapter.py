"""The web chat's server: its page, its API, health and metrics."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bot import metrics
from bot.access import Access
from bot.answers import Answers
from bot.settings import Settings
from bot.store.feedback_rows import FeedbackRows
from bot.supervision import PlatformError
from bot.web import language, page, problems, request_ids, tls
from bot.web.address import elsewhere, here, is_loopback
from bot.web.api.captions import CaptionApi
from bot.web.api.feedback import FeedbackApi
from bot.web.api.memory import Memory
from bot.web.auth import Gate
from bot.web.connections import HEAD_SECONDS, Connection, Connections, server_log
from bot.web.cors import Cors
from bot.web.listener import SERVER, STORE, AddressInUse
from bot.web.openai.api import OpenAIApi
from bot.web.problems import API, METRICS, OPENAI

log = structlog.stdlib.get_logger(__name__)

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src blob:; "
        "connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types service-worker"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "camera=(self), clipboard-write=(self), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": SERVER,
}

# For the last bytes of answers; the requests themselves have been awaited by then.
LAST_SECONDS = 1.0
IDLE_SECONDS = 75.0
MAX_LINE = 2**16  # bytes; `shown` may be 4000 characters of 4 bytes, each byte written as %XX
MAX_FIELD = 2**13
MAX_FIELDS = 100
# As many of the largest photos may be in memory, until they are captioned: 640 MB with the default
# limits. Usual photos are much smaller, so their queue is full first.
PHOTOS_IN_MEMORY = 32
# Or as many of the largest videos, if these are more: two bodies of two. They are 400 MB at most.
VIDEOS_IN_MEMORY = 4
HSTS = "max-age=31536000"  # a year in which browsers use only https


OPEN = "WEB_TOKEN is not set, so everyone who can reach this machine can use the web chat"
CLOSE = "set WEB_TOKEN, or WEB_HOST=127.0.0.1"

Unready = Literal["no database", "captioner unreachable"]  # as /readyz says it


@dataclass
class WebChat:
    """The adapter of the web chat; its server also serves the routes of other adapters."""

    settings: Settings
    answers: Answers
    about: Callable[[], str]  # describes the model, in the language that is spoken now
    waiting: Callable[[], int]  # how many photos wait for their batch
    access: Access = field(default_factory=Access)
    routes: Sequence[web.AbstractRouteDef] = ()
    unready: Callable[[], Unready | None] = lambda: None  # why it is not, if so
    model: Callable[[], str] = lambda: "photo-captioner"  # its name for programs
    feedback: FeedbackRows | None = None  # where what people say is kept; None: nobody is asked
    store: str = ""  # says which store it is, as `bot.stores.mark`
    url: str = field(default="", init=False)  # its address, once it listens
    others_url: str = field(default="", init=False)  # from other machines, if that is another

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then finish the requests in hand.

        Raises:
            PlatformError: it cannot listen on the address.
        """
        connections = Connections()
        async with self._listening(stop, connections) as server:
            log.info("the web chat is ready", url=self.url)
            if self._is_open:
                log.warning(f"{OPEN}; {CLOSE}", url=self.others_url or self.url)
            elif self.others_url:
                log.info("other machines can open the web chat", url=self.others_url)
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
            others = f", from other machines {self.others_url}" if self.others_url else ""
            warning = f". {OPEN}; {CLOSE}" if self._is_open else ""
            return f"Web chat: {self.url}{others}{warning}"

    @property
    def _is_open(self) -> bool:
        return self.settings.web_token is None and not is_loopback(self.settings.web_host)

    def _application(self, stop: asyncio.Event, connections: Connections) -> web.Application:
        cors = Cors(self.settings.cors_origins, (API, OPENAI))
        gate = Gate(self.settings, self.access, cors)
        asks = self.feedback is not None
        photos = PHOTOS_IN_MEMORY * self.settings.max_bytes
        memory = Memory(max(photos, VIDEOS_IN_MEMORY * self.settings.max_video_bytes))
        api = CaptionApi(self.settings, self.answers, gate, stop, memory, fingerprints=asks)
        middlewares = [connections.count, request_ids.identify, language.speak]
        app = web.Application(middlewares=[*middlewares, problems.nowhere, gate.guard])
        app.on_response_prepare.extend([_add_headers, request_ids.add_header, cors.add_headers])
        app.add_routes(page.routes(self.about, self.settings, feedback=asks))
        app.router.add_post(f"{API}caption", api.caption)
        app.add_routes(
            OpenAIApi(self.settings, self.answers, stop, self.model, gate, memory).routes()
        )
        if self.feedback is not None:
            app.router.add_post(f"{API}feedback", FeedbackApi(self.feedback).post)
        app.router.add_get("/healthz", partial(_health, self.store))
        app.router.add_get("/readyz", partial(_ready, stop, self.unready))
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
            scheme, others = "https" if context else "http", elsewhere(host)
            self.url = f"{scheme}://{here(host)}:{port}"
            self.others_url = f"{scheme}://{others}:{port}" if others else ""
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
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> PlatformError:
        host, port = self.settings.web_host, self.settings.web_port
        start = f"Web chat: cannot listen on {host}, port {port}"
        if error.errno == errno.EADDRINUSE:
            reason = "another program uses that port. Set WEB_PORT to another port"
            return AddressInUse(f"{start}: {reason}", f"{host}, port {port}")
        if error.errno == errno.EACCES:
            return PlatformError(
                f"{start}: the port needs more rights. Set WEB_PORT to 1024 or more"
            )
        reason = f"{error.strerror or error}. WEB_HOST must be an address of this machine"
        return PlatformError(f"{start}: {reason}")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    if request.secure:
        response.headers["Strict-Transport-Security"] = HSTS


async def _health(store: str, request: web.Request) -> web.Response:
    # `python -m bot --check` tells by it whether this is the bot that it asks about.
    return web.json_response({"status": "ok"}, headers={STORE: store} if store else None)


async def _ready(
    stop: asyncio.Event, unready: Callable[[], Unready | None], request: web.Request
) -> web.Response:
    # A state and no reason, which may name machines: anyone may ask here.
    if state := "stopping" if stop.is_set() else unready():
        return web.json_response({"status": state}, status=503)
    return web.json_response({"status": "ready"})


async def _metrics(waiting: Callable[[], int], request: web.Request) -> web.Response:
    metrics.QUEUE_PHOTOS.set(waiting())
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
