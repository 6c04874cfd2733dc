"""A small HTTP server that answers and fails as `deploy/ray/app.py` does behind Ray Serve."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from aiohttp import web

from captioner import Caption, Options
from captioner.config import ModelConfig
from captioner.remote.wire import (
    HEADER,
    OPTIONS,
    VERSION,
    About,
    Problem,
    pack,
    pack_pixels,
    pack_problem,
    unpack,
)
from captioner.video.result import Scene, VideoCaption

ABOUT = About(
    ModelConfig(vocabulary_size=9), {"cider": 74.3}, ("en", "de"), "cpu", "onnx", "default"
)
PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
TYPED = {HEADER: str(VERSION)}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Deployment:
    """A server on loopback; it can be stopped, and started again at the same address."""

    # What is done with the next photos, in this order; all others are captioned.
    next: deque[Answer] = field(default_factory=deque)
    about: Answer | None = None  # instead of `ABOUT`
    asked: list[tuple[bytes, Options]] = field(default_factory=list)
    probes: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Start."""
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/about", self._about)
        app.router.add_post("/caption", self._caption)
        app.router.add_post("/video", self._video)
        app.router.add_post("/pixels", self._pixels)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop; connections are cut."""
        await self._runner.cleanup()

    async def _about(self, request: web.Request) -> web.StreamResponse:
        self.probes += 1
        if self.about:
            return await self.about(request)
        return web.Response(body=pack(ABOUT), headers=TYPED)

    async def _caption(self, request: web.Request) -> web.StreamResponse:
        photo = await request.read()
        self.asked.append((photo, unpack(Options, request.headers[OPTIONS])))
        if self.next:
            return await self.next.popleft()(request)
        return web.Response(body=pack(captioned(photo)), headers=TYPED)

    async def _video(self, request: web.Request) -> web.StreamResponse:
        video = await request.read()
        self.asked.append((video, unpack(Options, request.headers[OPTIONS])))
        if self.next:
            return await self.next.popleft()(request)
        return web.Response(body=pack(told(video)), headers=TYPED)

    async def _pixels(self, request: web.Request) -> web.StreamResponse:
        assert await request.read()
        assert request.query["max_side"] == "4"
        return web.Response(body=pack_pixels(PIXELS), headers=TYPED)


def captioned(photo: bytes) -> Caption:
    """Return the caption that a deployment gives a photo."""
    return Caption(f"A photo of {len(photo)} bytes.", -1.0, 0.5, (), seconds={"decode": 0.5})


def told(video: bytes) -> VideoCaption:
    """Return what a deployment tells of a video."""
    return VideoCaption((Scene(0.0, 2.5, 0.5, captioned(video)),), 2.5, 2.75)


def refuses(problem: Problem, status: int = 503) -> Answer:
    """Return an answer with an error of ours."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=pack_problem(problem), status=status, headers=TYPED)

    return answer


def says(status: int, text: str = "Internal Server Error", **headers: str) -> Answer:
    """Return an answer that is not ours: of Ray Serve, or of another program."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the connection before any answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def is_cut(request: web.Request) -> web.StreamResponse:
    """Close the connection in the middle of an answer."""
    answer = web.StreamResponse(headers=TYPED | {"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b'{"wire": 1, ')
    assert request.transport is not None
    request.transport.abort()
    return answer
