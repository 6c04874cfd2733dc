"""Runs `python -m bot` for a benchmark, with its web chat on a free port."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def bot(**settings: str) -> AsyncIterator[tuple[psutil.Process, str]]:
    """Run a bot in a temporary folder; yield its process and the address of its web chat.

    Args:
        settings: environment variables, added to those that a benchmark needs.

    Raises:
        SystemExit: it did not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot"),
            cwd=folder,
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "WEB_PORT": "0",
                "PHOTOS_PER_ADDRESS": "1000000/minute",
            }
            | settings,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        lines = process.stderr
        try:
            while not (found := re.search(rb"http://[\d.]+:\d+", line := await lines.readline())):
                if not line:
                    raise SystemExit("the bot did not start")
            reading = asyncio.create_task(_drain(lines))
            yield psutil.Process(process.pid), found[0].decode()
            process.terminate()
            await process.wait()
            await reading
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def resident(process: psutil.Process) -> tuple[float, float]:
    """Return the resident megabytes of a process, alone and with its children."""
    alone = process.memory_info().rss
    children = sum(child.memory_info().rss for child in process.children(recursive=True))
    return alone / 2**20, (alone + children) / 2**20


async def _drain(lines: asyncio.StreamReader) -> None:
    while await lines.readline():
        pass
