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
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from captioner.errors import BadImage, Busy
from captioner.in_progress import InProgress
from captioner.options import OptionError, Options
from captioner.photo.limits import Limits, check_file
from captioner.photo.preprocessing import Pixels
from captioner.remote.circuit import Circuit
from captioner.remote.exchange import Exchange, LostError, RemoteError
from captioner.remote.wire import OPTIONS, About, Failed, WireError, pack, unpack, unpack_pixels
from captioner.result import Caption
from captioner.video.result import VideoCaption

__all__ = ["RemoteCaptioner", "RemoteError"]

# Seconds before a photo is sent again. Each pause is up to half as long again, at random, so that
# the photos of a replica that died do not all come at once. The first pause is for such a replica,
# because Serve then uses others; all together are for a server that restarts.
PAUSES = (0.1, 0.5, 2.0)
PROBE_SECONDS = 5.0  # for an answer that needs no photo
WATCH_SECONDS = 30.0  # between two probes while all is well: the model may be replaced by another

Result = TypeVar("Result")


class RemoteCaptioner:
    """Sends photos and videos to the captioner at an address, for many callers at once."""

    def __init__(
        self,
        url: str,
        limits: Limits = Limits(),
        *,
        max_video_bytes: int | None = None,
        max_waiting: int = 128,
        seconds: float = 60.0,
    ) -> None:
        """Keep the address; nothing is sent before `async with`.

        Args:
            url: of the deployment, http or https, with its prefix if it has one.
            limits: the largest photo that is sent; pixels and seconds are limited where it arrives.
            max_video_bytes: of the largest video that is sent; None: as large as a photo.
            max_waiting: photos that may be sent and not answered at the same time.
            seconds: for all attempts at one photo.
        """
        self._exchange = Exchange(url)
        self.url = self._exchange.url
        most = limits.max_bytes if max_video_bytes is None else max_video_bytes
        self._limits, self._video_limits = limits, replace(limits, max_bytes=most)
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
        await self._exchange.__aenter__()
        try:
            await self._learn()
        except LostError as error:
            self._circuit.open(str(error))
        except BaseException:
            await self._exchange.__aexit__(None, None, None)
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
        await self._exchange.__aexit__(kind, error, trace)

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
        check_file(photo, self._limits)
        return await self._decoded(Caption, photo, "caption", options)

    async def caption_video(self, video: bytes, options: Options = Options()) -> VideoCaption:
        """Caption a video or an animation; see `Captioner.caption_video`.

        Raises:
            BadImage: the video cannot be read.
            Busy: too many videos or photos are waiting, or the captioner cannot be reached.
            Failed: the captioner failed at this video, in every attempt, or a server on the way
                refuses so large a one.
            OptionError: captions cannot be in this language.
        """
        check_file(video, self._video_limits)
        # It may wait for other videos. A late answer says nothing about the captioner, and an
        # attempt that is cut short would be repeated whole.
        return await self._decoded(VideoCaption, video, "video", options, self._seconds)

    async def pixels(self, photo: bytes, max_side: int) -> Pixels:
        """Decode a photo to draw on; see `Captioner.pixels`.

        Raises:
            BadImage: the photo cannot be read.
            Busy: too many photos are waiting, or the captioner cannot be reached.
            Failed: the captioner failed at this photo, in every attempt.
        """
        check_file(photo, self._limits)
        return await self._ask(photo, unpack_pixels, "pixels", params={"max_side": max_side})

    async def _decoded(
        self,
        kind: type[Result],
        file: bytes,
        path: str,
        options: Options,
        seconds: float | None = None,
    ) -> Result:
        headers = {OPTIONS: pack(options).decode()}
        return await self._ask(
            file, lambda body: unpack(kind, body), path, headers=headers, seconds=seconds
        )

    async def _ask(
        self,
        file: bytes,
        read: Callable[[bytes], Result],
        path: str,
        *,
        seconds: float | None = None,
        **request: Any,
    ) -> Result:
        """Send a file until its answer can be read; `seconds` are for each attempt."""
        self.check_room()
        seconds = seconds or self._seconds / (len(PAUSES) + 1)
        with self._sent:
            for pause in (*PAUSES, None):
                try:
                    # This copies nothing: `BytesIO` shares the file's bytes.
                    result = read(
                        await self._once("POST", path, seconds, data=io.BytesIO(file), **request)
                    )
                except (LostError, RemoteError, WireError, Failed) as error:
                    if pause is None or self._circuit.problem is not None:
                        raise self._given_up(error) from error
                    await asyncio.sleep(pause * random.uniform(1, 1.5))
                else:
                    self._circuit.succeeded()
                    return result
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, path: str, seconds: float, **request: Any) -> bytes:
        """Send a request once; see `Exchange.ask`. What the captioner says closes the circuit."""
        try:
            return await self._exchange.ask(method, path, seconds, **request)
        except Busy as error:
            if error.kind == "stopping":  # others may not be
                raise LostError("a replica is stopping") from error
            self._circuit.succeeded()
            raise
        except (BadImage, OptionError):
            self._circuit.succeeded()
            raise

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
            except (LostError, RemoteError) as error:
                if self._circuit.problem is None:  # one late answer is no reason to refuse photos
                    self._circuit.failed(str(error))
                else:
                    self._circuit.open(str(error))
            else:
                self._circuit.succeeded()

    async def _learn(self) -> None:
        try:
            body = await self._once("GET", "about", PROBE_SECONDS)
        except (BadImage, OptionError, WireError) as error:
            raise RemoteError(str(error)) from error
        except (Busy, Failed) as error:
            raise LostError(str(error)) from error
        try:
            self._about = unpack(About, body)
        except WireError as error:
            raise RemoteError(f"what the captioner there says cannot be read ({error})") from error
        self.languages[:] = self._about.languages
