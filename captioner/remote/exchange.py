"""One request to the captioner at an address, and its answer, or why there is none."""

from types import TracebackType
from typing import Any, Self

import aiohttp

from captioner.remote.wire import HEADER, VERSION, Failed, unpack_problem

CONNECT_SECONDS = 3.0
# An idle connection is closed here before Ray Serve does, after 90 seconds.
KEEP_SECONDS = 60.0
# Statuses of a proxy that got no answer from a replica, besides those from 500 on.
UNANSWERED = frozenset({408, 429, 499})
TOO_LARGE = 413  # by a proxy, and not by a captioner, which says so in its own words
NO_APPLICATION = b"/-/routes"  # of the sentence that Ray Serve says with its status 404


class RemoteError(ValueError):
    """An address where something other than a captioner of this version is."""


class LostError(Exception):
    """No answer of a captioner came; another attempt may get one."""


class Exchange:
    """Sends requests to one address, over connections that stay open."""

    def __init__(self, url: str) -> None:
        """Keep the address, to which paths are added; nothing is sent before `async with`."""
        self.url = url.rstrip("/")

    async def __aenter__(self) -> Self:
        """Prepare; connections are made for requests."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def ask(self, method: str, path: str, seconds: float, **request: Any) -> bytes:
        """Send a request once, and return the body of its answer.

        Args:
            method: of HTTP.
            path: below the address.
            seconds: until the whole answer must be there.
            request: more arguments of `aiohttp.ClientSession.request`.

        Raises:
            BadImage, Busy, Failed, OptionError, WireError: as the captioner answered.
            Failed: a server on the way refuses so large a file.
            RemoteError: another program answered, or another version.
            LostError: nothing answered, or only a proxy did.
        """
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        url = f"{self.url}/{path}"
        try:
            async with self._session.request(
                method, url, timeout=timeout, allow_redirects=False, **request
            ) as answer:
                await _check_origin(answer)
                status, body = answer.status, await answer.read()
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as error:
            raise RemoteError(f"no connection is possible ({_one_line(error)})") from error
        except aiohttp.ClientResponseError as error:  # its message is the parser's
            raise RemoteError("another program is there; its answer is not HTTP") from error
        except aiohttp.ClientConnectorError as error:
            raise LostError(f"nothing answers there ({error.os_error})") from error
        except TimeoutError as error:
            raise LostError(f"no answer came within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LostError(f"the connection was lost ({_one_line(error)})") from error
        if status == 200:
            return body
        raise unpack_problem(body)


async def _check_origin(answer: aiohttp.ClientResponse) -> None:
    """Refuse an answer that does not come from a captioner of this version."""
    version = answer.headers.get(HEADER)
    if version == str(VERSION):
        return
    if version is not None:
        raise RemoteError(
            f"the captioner there has version {version} of the wire format, and this program has "
            f"version {VERSION}; run the same version of photo-captioner on both sides"
        )
    if answer.status == TOO_LARGE:
        raise Failed(
            f"a server on the way to the captioner refuses files of this size, with status "
            f"{TOO_LARGE}; raise its limit to the larger of MAX_PHOTO_MB and MAX_VIDEO_MB"
        )
    if answer.status >= 500 or answer.status in UNANSWERED:
        raise LostError(f"no captioner answers there, only a server with status {answer.status}")
    if answer.status == 404 and NO_APPLICATION in await answer.content.read(2**10):
        raise LostError("Ray Serve is there, and has no application at this path")
    elsewhere = answer.headers.get("Location")
    refers = f" and refers to {elsewhere!r}" if elsewhere else ""
    raise RemoteError(f"another program is there; it answered with status {answer.status}{refers}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
