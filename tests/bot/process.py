"""A bot in a process of its own, as an operator starts it."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bot.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass
class Bot:
    """A running bot, and its log so far."""

    process: asyncio.subprocess.Process
    said: str = ""
    address: str = field(default="", init=False)

    async def until(self, pattern: str) -> re.Match[str]:
        """Read its log until it matches a pattern."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            while not (found := re.search(pattern, self.said)):
                line = await self.process.stderr.readline()
                assert line, f"it ended, after saying: {self.said}"
                self.said += line.decode()
        return found

    async def ended(self) -> int:
        """Wait until it ends, and return its exit status."""
        assert self.process.stderr is not None
        async with asyncio.timeout(60):
            self.said += (await self.process.stderr.read()).decode()
            return await self.process.wait()

    async def printed(self) -> str:
        """Return what it printed to standard output until it ended."""
        assert self.process.stdout is not None
        return (await self.process.stdout.read()).decode()


Start = Callable[..., AbstractAsyncContextManager[Bot]]


def clean() -> dict[str, str]:
    """Return the environment without the bot's settings."""
    fields = Settings.model_fields
    return {key: value for key, value in os.environ.items() if key.lower() not in fields}


def common(checkpoint: Path) -> dict[str, str]:
    """Return the settings of the tests."""
    return {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "CAPTIONER_CHECKPOINT": str(checkpoint),
        "WEB_PORT": "0",
        "LOG_FORMAT": "text",
    }


@asynccontextmanager
async def running(
    folder: Path, checkpoint: Path, *arguments: str, **environment: str
) -> AsyncIterator[Bot]:
    """Run `python -m bot` in a folder, with the settings of the tests and some more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd=folder,
        env=clean() | common(checkpoint) | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Bot(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def caption(address: str, photo: bytes) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/api/caption", data=photo) as response,
    ):
        return response.status, await response.json()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
