"""Who may use the web chat's API and read its metrics; others get an error in JSON."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bot import logs
from bot.access import Access, Visitor
from bot.platforms import WEB
from bot.replies import replies
from bot.settings import Settings
from bot.web import openai_answer
from bot.web.address import hostname, is_loopback, parse
from bot.web.api import failure

log = structlog.stdlib.get_logger(__name__)

API = "/api/"
OPENAI = "/v1/"
METRICS = "/metrics"
REALM = 'Bearer realm="photo-captioner"'
NETWORK_BITS = 64  # of an IPv6 address; its owner can change the rest at any time

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Gate:
    """Refuses requests by their headers, before any body is read."""

    settings: Settings
    access: Access

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse strangers and floods, and make every error of the API JSON."""
        api = request.path.startswith((API, OPENAI))
        if not api and request.path != METRICS:
            return await handler(request)
        asks = api and request.method == "POST"
        refusal = self._misdirected(request) or self._foreign(request)
        refusal = refusal or await self._unknown(request)
        if refusal := refusal or (await self.refused(request, photos=1) if asks else None):
            return refusal
        if not api:
            return await handler(request)
        visitor = self._visitor(request)
        try:
            with logs.about(visitor.platform, visitor.chat):
                return await handler(request)
        except web.HTTPException as error:  # from the router: no such address, or another method
            known = error.status == HTTPStatus.METHOD_NOT_ALLOWED
            sentence = replies.NEEDS_POST if known else replies.NOT_HERE
            if request.path.startswith(OPENAI):
                sentence = replies.NOT_OF_OPENAI
            answer = _failure(request, error.status, sentence)
            if "Allow" in error.headers:
                answer.headers["Allow"] = error.headers["Allow"]
            return answer
        except Exception:
            log.exception("a request failed unexpectedly")
            return _failure(request, HTTPStatus.INTERNAL_SERVER_ERROR, replies.FAILED)

    def _misdirected(self, request: web.Request) -> web.Response | None:
        # DNS rebinding: another site can resolve its own name to this machine, so that its page
        # has the same origin for a browser; but Host still holds that name.
        if self.settings.web_behind_proxy or not is_loopback(self.settings.web_host):
            return None
        if is_loopback(hostname(request.headers.get("Host", ""))):
            return None
        return _failure(request, HTTPStatus.MISDIRECTED_REQUEST, replies.MISDIRECTED)

    def _foreign(self, request: web.Request) -> web.Response | None:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        # Pages cannot forge Sec-Fetch-Site, and it is right even if a proxy changes Host. Browsers
        # omit it on plain http beyond loopback; other programs send neither header.
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            foreign = site not in ("same-origin", "none")
        else:
            foreign = origin is not None and _host_of(origin) != request.host.lower()
        return _failure(request, HTTPStatus.FORBIDDEN, replies.FOREIGN) if foreign else None

    async def _unknown(self, request: web.Request) -> web.Response | None:
        if self.settings.web_token is None:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            refusal = _failure(request, HTTPStatus.UNAUTHORIZED, replies.NEEDS_TOKEN)
            refusal.headers["WWW-Authenticate"] = REALM
            return refusal
        token = self.settings.web_token.get_secret_value()
        if hmac.compare_digest(_bytes(given.strip()), _bytes(token)):
            return None
        # A wrong token counts as a photo, so that nobody can try many.
        if refused := await self.refused(request, photos=1):
            return refused
        refusal = _failure(request, HTTPStatus.UNAUTHORIZED, replies.WRONG_TOKEN)
        refusal.headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token"'
        return refusal

    def most(self, request: web.Request) -> int | None:
        """Return how many photos the rates ever allow at once; None: any number."""
        if self.access.is_operator(self._visitor(request)):
            return None
        return min(amount for amount, _ in (*self.access.per_person, *self.access.per_chat))

    async def refused(
        self, request: web.Request, photos: int, counted: int = 0
    ) -> web.Response | None:
        """Count the photos of a request, or return why it is refused.

        Args:
            request: whose address is counted.
            photos: all that it holds.
            counted: how many of them were counted before.
        """
        refusal = await self.access.refuse(self._visitor(request), photos - counted)
        if refusal is None:
            return None
        if refusal.retry_after is None:
            return _failure(request, HTTPStatus.FORBIDDEN, replies.NOT_ALLOWED)
        sentence = replies.too_many(refusal.retry_after)
        return _failure(request, HTTPStatus.TOO_MANY_REQUESTS, sentence, refusal.retry_after)

    def _visitor(self, request: web.Request) -> Visitor:
        address = parse(request.remote or "")
        if self.settings.web_behind_proxy:
            # The proxy appends the address that it sees; the client may have sent the others.
            passed = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2]
            address = parse(passed.strip()) or address
        if isinstance(address, IPv6Address) and not address.is_loopback:
            network = IPv6Network((int(address), NETWORK_BITS), strict=False)
            return Visitor(WEB, str(network), str(address))
        return Visitor(WEB, str(address), str(address))


def _failure(
    request: web.Request, status: int, sentence: str, retry_after: float | None = None
) -> web.Response:
    openai = request.path.startswith(OPENAI)
    return (openai_answer.failure if openai else failure)(status, sentence, retry_after)


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
