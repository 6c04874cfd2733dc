"""The captioner as a Ray Serve application: a replica is one `Captioner`, on any machine.

serve run deploy.ray.app:application                    # Ray and the captioner on this machine
serve run deploy.ray.app:application checkpoint=small   # with one of `Arguments`
serve deploy deploy/ray/config.yaml                     # on the cluster that runs

A bot with `CAPTIONER_URL` sends its photos there (`captioner/remote/`). Every answer of a
replica, an error too, has the header `wire.HEADER`; one without it is Serve's own. Photos share
batches as they do in one process, so Serve's batching is not used, and its queue stays empty: a
full replica refuses by itself.
"""

import asyncio
import io
import logging
import math
import os
import time
from typing import Annotated

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from captioner import BadImage, Busy, Captioner, Options
from captioner.options import LARGEST_BEAM, MOST_ALTERNATIVES, OptionError
from captioner.photo.limits import MOST_MEGAPIXELS, MOST_VIDEO_FRAMES, MOST_VIDEO_SECONDS, Limits
from captioner.remote.wire import (
    HEADER,
    OPTIONS,
    VERSION,
    About,
    Failed,
    Problem,
    WireError,
    pack,
    pack_pixels,
    pack_problem,
    unpack,
)
from captioner.runtime.select import Runtime
from captioner.serving import ServingConfig
from captioner.shipped import find, name_of

# Read when `serve run` starts Ray, which otherwise reports its use to its makers; see `ray.env`.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

LARGEST_SIDE = 4096  # of pixels to draw on
# The most photos that a network computes at once, three batches of 256 on a GPU.
MOST_RUNNING = 3 * 256
# One request for more would keep a replica from all others for minutes, or take all its memory.
MOST = {"beam": LARGEST_BEAM, "alternatives": MOST_ALTERNATIVES, "max_length": 240}
CHECK_SECONDS = 10.0  # between two checks of a replica's health

log = logging.getLogger(__name__)


class Arguments(BaseModel):
    """What `config.yaml` and the command line can set; the bot's settings have the same limits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str = "default"  # or "small", or a file that every machine has
    device: str = "auto"
    runtime: Runtime = "auto"
    max_queue: Annotated[int, Field(ge=1, le=10_000)] = 128  # photos of each replica
    max_photo_mb: Annotated[float, Field(gt=0, le=100)] = 20
    max_video_mb: Annotated[float, Field(gt=0, le=100)] = 20
    max_megapixels: Annotated[float, Field(gt=0, le=MOST_MEGAPIXELS)] = 50
    decode_seconds: Annotated[float, Field(gt=0, le=600)] = 10
    video_seconds: Annotated[float, Field(ge=1, le=MOST_VIDEO_SECONDS)] = Limits.video_seconds
    video_frames: Annotated[int, Field(ge=1, le=MOST_VIDEO_FRAMES)] = Limits.video_frames

    @property
    def limits(self) -> Limits:
        """What a photo or a video may cost."""
        return Limits(
            int(self.max_photo_mb * 2**20),
            int(self.max_megapixels * 1e6),
            seconds=self.decode_seconds,
            video_seconds=self.video_seconds,
            video_frames=self.video_frames,
        )

    @property
    def max_video_bytes(self) -> int:
        """The largest video that is accepted."""
        return int(self.max_video_mb * 2**20)

    @property
    def most_ongoing(self) -> int:
        """More requests than a replica accepts, so that the replica refuses, and not Serve.

        Photos wait for their batch and, if their captions are doubtful, for a second opinion.
        """
        return 2 * self.max_queue + MOST_RUNNING


class Replica:
    """Answers requests for captions from one `Captioner`."""

    async def __init__(self, arguments: Arguments) -> None:  # type: ignore[misc]  # Serve awaits it
        """Load the captioner, and caption a photo, so that the first one is not slow.

        Raises:
            CheckpointError: a file is missing, damaged, or not what it should be.
            UnusableError: there is no such device, or the runtime cannot be used.
        """
        self._most, self._most_of_video = arguments.limits.max_bytes, arguments.max_video_bytes
        captioner = await asyncio.to_thread(
            Captioner.load,
            arguments.checkpoint,
            arguments.device,
            runtime=arguments.runtime,
            serving=ServingConfig(
                arguments.limits,
                max_queue=arguments.max_queue,
                max_video_bytes=arguments.max_video_bytes,
            ),
        )
        self._captioner = await captioner.__aenter__()
        about = About(
            captioner.config,
            captioner.metadata.scores,
            captioner.languages,
            captioner.device,
            captioner.runtime,
            name_of(find(arguments.checkpoint)),
        )
        self._about = pack(about)
        self._test_photo = _test_photo()
        await self._caption(self._test_photo, Options())

    async def __call__(self, request: Request) -> Response:
        """Answer a request; an error is an answer too."""
        try:
            return _response(await self._answer(request))
        except (BadImage, Busy, OptionError, WireError) as error:
            return _refusal(error)
        except Exception:
            log.exception("a request failed unexpectedly")
            return _refusal(Failed())

    async def check_health(self) -> None:
        """Check that photos are captioned; Serve replaces a replica that fails three times.

        Raises:
            Exception: no photo was captioned since the last check, and none can be.
        """
        if time.monotonic() - self._captioned > CHECK_SECONDS:
            await self._caption(self._test_photo, Options())

    async def _answer(self, request: Request) -> bytes:
        match request.method, request.url.path.rpartition("/")[2]:
            case "GET", "about":
                return self._about
            case "POST", "caption":
                options = self._options(request)
                return await self._caption(await _file(request, self._most), options)
            case "POST", "video":
                options = self._options(request)
                video = await _file(request, self._most_of_video)
                return pack(await self._captioner.caption_video(video, options))
            case "POST", "pixels":
                self._captioner.check_room()
                side = _side(request.query_params.get("max_side", ""))
                photo = await _file(request, self._most)
                return pack_pixels(await self._captioner.pixels(photo, side))
        raise WireError(f"{request.method} {request.url.path} is not answered here")

    def _options(self, request: Request) -> Options:
        self._captioner.check_room()  # before the photo is read
        options = unpack(Options, request.headers.get(OPTIONS) or pack(Options()))
        _check(options)
        return options

    async def _caption(self, photo: bytes, options: Options) -> bytes:
        caption = await self._captioner.caption(photo, options)
        self._captioned = time.monotonic()
        return pack(caption)


def deployment(arguments: Arguments) -> serve.Deployment:
    """Describe the replicas; how many there are, and where, is for `config.yaml` to say."""
    return serve.deployment(
        Replica,
        name="captioner",
        max_ongoing_requests=arguments.most_ongoing,
        health_check_period_s=CHECK_SECONDS,
        health_check_timeout_s=CHECK_SECONDS,
    )


def application(arguments: Arguments) -> serve.Application:
    """Build the application for `serve run` and `serve deploy`."""
    return deployment(arguments).bind(arguments)


async def _file(request: Request, most: int) -> bytes:
    file = bytearray()
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise BadImage("too many bytes", size=int(announced), limit=most)
    async for chunk in request.stream():
        file += chunk
        if len(file) > most:
            raise BadImage("too many bytes", size=len(file), limit=most)
    return bytes(file)


def _response(body: bytes, status: int = 200, **headers: str) -> Response:
    return Response(body, status, {HEADER: str(VERSION), **headers})


def _refusal(problem: Problem) -> Response:
    body = pack_problem(problem)
    match problem:
        case Busy():
            headers = {"retry-after": str(math.ceil(problem.retry_after))}
            return _response(body, 503, **headers)
        case BadImage():
            return _response(body, 422)
        case Failed():
            return _response(body, 500)
        case _:
            return _response(body, 400)


def _check(options: Options) -> None:
    for field, most in MOST.items():
        if (value := getattr(options, field)) > most:
            raise OptionError(field, f"is {value}; it must be at most {most}")


def _side(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= LARGEST_SIDE:
        return int(text)
    raise WireError(f"max_side must be a whole number from 1 to {LARGEST_SIDE}")


def _test_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "skyblue").save(file, "JPEG")
    return file.getvalue()
