"""A captioner on other machines, behind one HTTP address: `deploy/ray/app.py` serves it.

async with RemoteCaptioner("http://captioner.example:8000") as captioner:
    caption = await captioner.caption(photo)

Nothing here needs a network or a runtime: a photo is sent as it came, and a `Caption` comes back. A
caption changes nothing anywhere, so a photo whose answer was lost is simply sent again.
"""

import asyncio
import io
import random
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from captioner.circuit import Circuit
from captioner.errors import BadImage, Busy
from captioner.in_progress import InProgress
from captioner.options import OptionError, Options
from captioner.photo.decode import Limits, check_file
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption
from captioner.video.result import VideoCaption
from captioner.wire import (
    HEADER,
    OPTIONS,
    VERSION,
    About,
    Failed,
    WireError,
    pack,
    unpack,
    unpack_pixels,
    unpack_problem,
)

# Seconds before a photo is sent again. Each pause is up to half as long again, at random, so that
# the photos of a replica that died do not all come at once. The first pause is for such a replica,
# because Serve then uses others; all together are for a server that restarts.
PAUSES = (0.1, 0.5, 2.0)
CONNECT_SECONDS = 3.0
PROBE_SECONDS = 5.0  # for an answer that needs no photo
WATCH_SECONDS = 30.0  # between two probes while all is well: the model may be replaced by another
# An idle connection is closed here before Ray Serve does, after 90 seconds.
KEEP_SECONDS = 60.0
# Statuses of a proxy that got no answer from a replica, besides those from 500 on.
UNANSWERED = frozenset({408, 429, 499})
TOO_LARGE = 413  # by a proxy, and not by a captioner, which says so in its own words
NO_APPLICATION = b"/-/routes"  # of the sentence that Ray Serve says with its status 404

Result = TypeVar("Result")


class RemoteError(ValueError):
    """An address where something other than a captioner of this version is."""


class _LostError(Exception):
    """No answer of a captioner came; another attempt may get one."""


class RemoteCaptioner:
    """Sends photos and videos to the captioner at an address, for many callers at once."""

    def __init__(
        self,
        url: str,
        limits: Limits = Limits(),
        *,
        max_waiting: int = 128,
        seconds: float = 60.0,
    ) -> None:
        """Keep the address; nothing is sent before `async with`.

        Args:
            url: of the deployment, http or https, with its prefix if it has one.
            limits: the largest file that is sent; pixels and seconds are limited where it arrives.
            max_waiting: photos that may be sent and not answered at the same time.
            seconds: for all attempts at one photo.
        """
        self.url, self._limits = url.rstrip("/"), limits
        self._max_waiting, self._seconds = max_waiting, seconds
        self._circuit = Circuit("the captioner")
        self._sent = InProgress()
        self._leaving = False
        self._about: About | None = None
        # Filled when the captioner first answers, and updated in place, for all who hold this list.
        self.languages: list[str] = []

    async def __aenter__(self) -> Self:
        """Ask what is there; if nothing answers, ask again in the background.

        Raises:
            RemoteError: something else is there, or a captioner of another version.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            await self._learn()
        except _LostError as error:
            self._circuit.open(str(error))
        except BaseException:
            await self._session.close()
            raise
        self._watching = asyncio.create_task(self._watch(), name="captioner's watch")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for the photos that were sent, then close the connections."""
        self._leaving = True
        await self._sent.ended()
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        await self._session.close()

    @property
    def problem(self) -> str | None:
        """Why no photos are accepted, in a few words for the operator; None if they are."""
        return self._circuit.problem

    @property
    def waiting(self) -> int:
        """Photos that were sent and not answered."""
        return self._sent.count

    def about(self) -> About:
        """Return what serves, as it was when it last said so.

        Raises:
            Busy: it has not answered yet.
        """
        if self._about is None:
            raise self._unreachable()
        return self._about

    def check_room(self) -> None:
        """Check whether one more photo would be sent now.

        Raises:
            Busy: the captioner cannot be reached, too many photos are not answered yet, or this
                is stopping.
        """
        if self._leaving:
            raise Busy("stopping")
        if self._circuit.problem is not None:
            raise self._unreachable()
        if self._sent.count >= self._max_waiting:
            raise Busy("full", retry_after=1.0)

    async def caption(self, photo: bytes, options: Options = Options()) -> Caption:
        """Caption a photo; see `Captioner.caption`.

        Raises:
            BadImage: the photo cannot be read.
            Busy: too many photos are waiting, or the captioner cannot be reached.
            Failed: the captioner failed at this photo, in every attempt, or a server on the way
                refuses so large a one.
            OptionError: captions cannot be in this language.
        """

        def read(body: bytes) -> Caption:
            return unpack(Caption, body)

        headers = {OPTIONS: pack(options).decode()}
        return await self._ask(photo, read, "caption", headers=headers)

    async def caption_video(self, video: bytes, options: Options = Options()) -> VideoCaption:
        """Caption a video or an animation; see `Captioner.caption_video`.

        Raises:
            BadImage: the video cannot be read.
            Busy: too many videos or photos are waiting, or the captioner cannot be reached.
            Failed: the captioner failed at this video, in every attempt, or a server on the way
                refuses so large a one.
            OptionError: captions cannot be in this language.
        """

        def read(body: bytes) -> VideoCaption:
            return unpack(VideoCaption, body)

        headers = {OPTIONS: pack(options).decode()}
        # It may wait for other videos. A late answer says nothing about the captioner, and an
        # attempt that is cut short would be repeated whole.
        return await self._ask(video, read, "video", headers=headers, seconds=self._seconds)

    async def pixels(self, photo: bytes, max_side: int) -> Pixels:
        """Decode a photo to draw on; see `Captioner.pixels`.

        Raises:
            BadImage: the photo cannot be read.
            Busy: too many photos are waiting, or the captioner cannot be reached.
            Failed: the captioner failed at this photo, in every attempt.
        """
        return await self._ask(photo, unpack_pixels, "pixels", params={"max_side": max_side})

    async def _ask(
        self, photo: bytes, read: Callable[[bytes], Result], path: str, **request: Any
    ) -> Result:
        check_file(photo, self._limits)
        self.check_room()
        with self._sent:
            for pause in (*PAUSES, None):
                try:
                    # This copies nothing: `BytesIO` shares the photo's bytes.
                    body = await self._exchange("POST", path, data=io.BytesIO(photo), **request)
                    result = read(body)
                except (_LostError, RemoteError, WireError, Failed) as error:
                    if pause is None or self._circuit.problem is not None:
                        raise self._given_up(error) from error
                    await asyncio.sleep(pause * random.uniform(1, 1.5))
                else:
                    self._circuit.succeeded()
                    return result
        raise AssertionError("the last attempt returns or raises")

    def _given_up(self, error: Exception) -> Exception:
        if isinstance(error, Failed):
            return error
        self._circuit.failed(str(error))
        return self._unreachable()

    def _unreachable(self) -> Busy:
        return Busy("full", retry_after=max(1.0, self._circuit.seconds_left))

    async def _watch(self) -> None:
        while True:
            if self._circuit.problem is not None:
                await asyncio.sleep(self._circuit.seconds_left)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._circuit.opened.wait(), WATCH_SECONDS)
                    continue
            try:
                await self._learn()
            except (_LostError, RemoteError) as error:
                if self._circuit.problem is None:  # one late answer is no reason to refuse photos
                    self._circuit.failed(str(error))
                else:
                    self._circuit.open(str(error))
            else:
                self._circuit.succeeded()

    async def _learn(self) -> None:
        try:
            body = await self._exchange("GET", "about", seconds=PROBE_SECONDS)
        except (BadImage, OptionError, WireError) as error:
            raise RemoteError(str(error)) from error
        except (Busy, Failed) as error:
            raise _LostError(str(error)) from error
        try:
            self._about = unpack(About, body)
        except WireError as error:
            raise RemoteError(f"what the captioner there says cannot be read ({error})") from error
        self.languages[:] = self._about.languages

    async def _exchange(
        self, method: str, path: str, *, seconds: float | None = None, **request: Any
    ) -> bytes:
        """Send a request once, and return the body of its answer.

        Raises:
            BadImage, Busy, Failed, OptionError: as the captioner answered.
            RemoteError: another program answered, or another version.
            _LostError: nothing answered, or only a proxy did.
        """
        seconds = seconds or self._seconds / (len(PAUSES) + 1)
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
            raise _LostError(f"nothing answers there ({error.os_error})") from error
        except TimeoutError as error:
            raise _LostError(f"no answer came within {seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _LostError(f"the connection was lost ({_one_line(error)})") from error
        if status == 200:
            return body
        problem = unpack_problem(body)
        if isinstance(problem, Busy) and problem.kind == "stopping":  # others may not be
            raise _LostError("a replica is stopping")
        if isinstance(problem, BadImage | Busy | OptionError):
            self._circuit.succeeded()
        raise problem


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
            f"a server on the way to the captioner refuses photos of this size, with status "
            f"{TOO_LARGE}; raise its limit to MAX_PHOTO_MB"
        )
    if answer.status >= 500 or answer.status in UNANSWERED:
        raise _LostError(f"no captioner answers there, only a server with status {answer.status}")
    if answer.status == 404 and NO_APPLICATION in await answer.content.read(2**10):
        raise _LostError("Ray Serve is there, and has no application at this path")
    elsewhere = answer.headers.get("Location")
    refers = f" and refers to {elsewhere!r}" if elsewhere else ""
    raise RemoteError(f"another program is there; it answered with status {answer.status}{refers}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
