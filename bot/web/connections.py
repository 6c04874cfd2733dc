"""The web chat's connections: how many there may be, and how long each may stay open.

aiohttp limits only the time between requests. A client that sends a request's head byte by byte,
or does not read the answers, could keep its connection forever.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import ClientConnectionResetError, web
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.stdlib.get_logger(__name__)

HEAD_SECONDS = 10.0
UNREAD_SECONDS = 60.0  # how long an answer waits for a client that does not read it
MAX_CONNECTIONS = 512  # half of the usual limit on open files
WARN_SECONDS = 60.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connections:
    """Counts the open connections and the requests in hand."""

    def __init__(self) -> None:
        """Start with none."""
        self.answered = asyncio.Event()  # set while no request is in hand
        self.answered.set()
        self._requests = 0
        self._open = 0
        self._turned_away = 0
        self._warned = -WARN_SECONDS

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a request from the end of its head until it is answered."""
        protocol = request.transport.get_protocol() if request.transport else None
        connection = protocol if isinstance(protocol, Connection) else None
        self._requests += 1
        self.answered.clear()
        if connection:
            connection.head_came()
        try:
            return await handler(request)
        finally:
            if connection:
                connection.waits_for_head = True
            self._requests -= 1
            if not self._requests:
                self.answered.set()

    def enter(self) -> bool:
        """Count a new connection; return whether there is room for it."""
        if self._open < MAX_CONNECTIONS:
            self._open += 1
            return True
        self._turned_away += 1
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            log.warning("too many connections", closed_at_once=self._turned_away, open=self._open)
            self._turned_away, self._warned = 0, now
        return False

    def leave(self) -> None:
        """Make room for another connection, because one was closed."""
        self._open -= 1


class Connection(asyncio.Protocol):
    """Passes data to the HTTP server's own protocol, and cuts off clients that are too slow."""

    def __init__(self, connections: Connections, make: Callable[[], asyncio.Protocol]) -> None:
        """Take the factory of the server's protocol; it is called if there is room."""
        self.waits_for_head = True
        self._connections = connections
        self._make = make
        self._http: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._clocks: dict[str, asyncio.TimerHandle] = {}

    def head_came(self) -> None:
        """Stop the clock: the whole head was read."""
        self.waits_for_head = False
        self._stop("head")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the connection, or close it at once if there are too many."""
        assert isinstance(transport, asyncio.Transport)
        if not self._connections.enter():
            transport.abort()
            return
        self._transport = transport
        self._start("head", HEAD_SECONDS)
        self._http = self._make()
        self._http.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        if self._http:
            self._connections.leave()
            for name in tuple(self._clocks):
                self._stop(name)
            self._http.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Start the clock at the first byte of a head."""
        if self._http:
            if self.waits_for_head and "head" not in self._clocks:
                self._start("head", HEAD_SECONDS)
            self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on the end of the data."""
        return self._http.eof_received() if self._http else None

    def pause_writing(self) -> None:
        """Start the clock: the client does not read as fast as answers are sent."""
        if self._http:
            self._start("unread", UNREAD_SECONDS)
            self._http.pause_writing()

    def resume_writing(self) -> None:
        """Stop the clock again."""
        if self._http:
            self._stop("unread")
            self._http.resume_writing()

    def _start(self, clock: str, seconds: float) -> None:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._clocks[clock] = loop.call_later(seconds, self._transport.abort)

    def _stop(self, clock: str) -> None:
        if timer := self._clocks.pop(clock, None):
            timer.cancel()


def _ours(record: logging.LogRecord) -> bool:
    # A client that does not send HTTP, or a body that contradicts its headers, gets an error, and
    # one that leaves during "Expect: 100-continue" nothing. None may fill the log with tracebacks.
    theirs = (HttpProcessingError, web.RequestPayloadError, ClientConnectionResetError)
    return not (record.exc_info and isinstance(record.exc_info[1], theirs))


server_log = logging.getLogger("bot.web.server")  # aiohttp's
server_log.addFilter(_ours)
