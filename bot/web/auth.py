"""Who may use the web chat's API and read its metrics; others get a problem."""

import hmac
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bot import logs
from bot.access import Access, Visitor
from bot.platforms import WEB
from bot.replies import replies
from bot.settings import Settings
from bot.web import problems, rate_limit
from bot.web.address import hostname, is_loopback, parse
from bot.web.connections import Handler
from bot.web.cors import Cors
from bot.web.problems import API, METRICS, OPENAI, ProblemDetails
from bot.web.refusals import refusals

log = structlog.stdlib.get_logger(__name__)

REALM = 'Bearer realm="photo-captioner"'
NETWORK_BITS = 64  # of an IPv6 address; its owner can change the rest at any time


@dataclass(frozen=True)
class Gate:
    """Refuses requests by their headers, before any body is read."""

    settings: Settings
    access: Access
    cors: Cors

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse strangers and floods, and make every error of the API a problem."""
        api = request.path.startswith((API, OPENAI))
        if not api and request.path != METRICS:
            return await handler(request)
        asks = api and request.method == "POST"
        refusal = self._misdirected(request)
        if refusal is None and (allowed := self.cors.preflight(request)):
            return allowed
        refusal = refusal or self._foreign(request) or await self._unknown(request)
        if asks and refusal is None:
            refusal = await self.refused(request, photos=1)
        if refusal:
            return self._with_rate(request, problems.respond(request, refusal))
        if not api:
            return await handler(request)
        visitor = self._visitor(request)
        with logs.about(visitor.platform, visitor.chat):
            try:
                answer = await handler(request)
            except web.HTTPException:  # from the router: no such address, or another method
                raise
            except Exception:
                log.exception("a request failed unexpectedly")
                answer = problems.respond(request, ProblemDetails("failed", replies.FAILED))
        return self._with_rate(request, answer)

    def most(self, request: web.Request) -> int | None:
        """Return the most photos that the rates ever allow at once; None: any number."""
        return self.access.most(self._visitor(request))

    async def refused(
        self, request: web.Request, photos: int, counted: int = 0
    ) -> ProblemDetails | None:
        """Count photos; return why they are refused, if they are. See `Access.refuse`."""
        refusal = await self.access.refuse(self._visitor(request), photos, counted)
        if refusal is None:
            return None
        if refusal.retry_after is None:
            return ProblemDetails("not_allowed", replies.NOT_ALLOWED)
        sentence = replies.too_many(refusal.retry_after)
        return ProblemDetails("over_rate", sentence, refusal.retry_after)

    def _with_rate(self, request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
        if request.method == "POST":
            answer.headers.update(rate_limit.headers(self.access.quotas(self._visitor(request))))
        return answer

    def _misdirected(self, request: web.Request) -> ProblemDetails | None:
        # DNS rebinding: another site can resolve its own name to this machine, so that its page
        # has the same origin for a browser; but Host still holds that name.
        if self.settings.web_behind_proxy or not is_loopback(self.settings.web_host):
            return None
        if is_loopback(hostname(request.headers.get("Host", ""))):
            return None
        return ProblemDetails("misdirected", refusals.MISDIRECTED)

    def _foreign(self, request: web.Request) -> ProblemDetails | None:
        if request.method in ("GET", "HEAD", "OPTIONS") or self.cors.allows(request):
            return None
        # Pages cannot forge Sec-Fetch-Site, and it is right even if a proxy changes Host. Browsers
        # omit it on plain http beyond loopback; other programs send neither header.
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        if site is not None:
            foreign = site not in ("same-origin", "none")
        else:
            foreign = origin is not None and _host_of(origin) != request.host.lower()
        return ProblemDetails("other_site", refusals.FOREIGN) if foreign else None

    async def _unknown(self, request: web.Request) -> ProblemDetails | None:
        if self.settings.web_token is None:
            return None
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return _unauthorized("needs_token", refusals.NEEDS_TOKEN, REALM)
        token = self.settings.web_token.get_secret_value()
        if hmac.compare_digest(_bytes(given.strip()), _bytes(token)):
            return None
        # A wrong token counts as a photo, so that nobody can try many.
        challenge = f'{REALM}, error="invalid_token"'
        wrong = _unauthorized("wrong_token", refusals.WRONG_TOKEN, challenge)
        return await self.refused(request, photos=1) or wrong

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


def _unauthorized(code: str, sentence: str, challenge: str) -> ProblemDetails:
    return ProblemDetails(code, sentence, headers={"WWW-Authenticate": challenge})


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
