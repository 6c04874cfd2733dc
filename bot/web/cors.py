"""Pages of other sites that may use the API: those of `CORS_ORIGINS` (Fetch standard, CORS)."""

from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web

METHODS = "GET, POST"
# What a script may send besides what every page may: anything, because OpenAI's client sends many
# headers about itself. The star does not include Authorization (Fetch standard, 3.2.3).
REQUEST_HEADERS = "*, Authorization"
# What a script may read besides what every page may.
ANSWER_HEADERS = "Content-Language, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
SECONDS = 7200  # for which a browser need not ask again; Chromium takes no more


@dataclass(frozen=True)
class Cors:
    """Allows the pages of some origins to use the addresses that start with one of `starts`."""

    origins: Collection[str]
    starts: tuple[str, ...]

    def allows(self, request: web.Request) -> bool:
        """Return whether a request comes from a page of one of the origins."""
        given = request.headers.getall("Origin", [])
        return self._covers(request) and len(given) == 1 and given[0] in self.origins

    def preflight(self, request: web.Request) -> web.Response | None:
        """Answer a browser that asks what a page may send; None if it does not ask that."""
        asks = "Access-Control-Request-Method" in request.headers
        if request.method != "OPTIONS" or not asks or not self.allows(request):
            return None
        headers = {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": str(SECONDS),
        }
        return web.Response(status=204, headers=headers)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a page of one of the origins read an answer, whatever it says."""
        if not self.origins or not self._covers(request):
            return
        vary = response.headers.get("Vary")
        response.headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
        if self.allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = ANSWER_HEADERS
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"

    def _covers(self, request: web.Request) -> bool:
        return request.path.startswith(self.starts)
