"""Hostile files come out of the sandbox as pixels or as a refusal, in time, and harm no other."""

import asyncio
import re
import time

import pytest

from captioner.photo.decode import BadImage, Limits
from captioner.photo.sandbox import Sandbox
from tests.captioner.photo.hostile import HOSTILE
from tests.captioner.photo.mutants import mutants
from tests.conftest import photo_bytes

SECONDS = 1.0  # a file may take; some would take minutes
SIDE = 32


async def unpacked(sandbox: Sandbox, data: bytes) -> tuple[int, ...] | None:
    """Return the shape of a photo's pixels, or None if it was refused."""
    try:
        return (await sandbox.squeeze(data, SIDE)).pixels.shape
    except BadImage:
        return None


@pytest.mark.parametrize("first", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF", "HEIC"])
async def test_a_hostile_file_is_read_or_refused_in_time(first: str) -> None:
    files = {
        name: make
        for name, make in HOSTILE.items()
        # Valid ones of the largest size take seconds to make: see `benchmarks/hostile.py`.
        if name.startswith(first) and not re.search(r" of \d+ million", name)
    }
    if not files:
        pytest.skip("pillow-heif is not installed")
    async with Sandbox(Limits(seconds=SECONDS), workers=1) as sandbox:
        await sandbox.squeeze(photo_bytes(1), SIDE)
        for name, make in files.items():
            data, started = make(), time.perf_counter()
            assert await unpacked(sandbox, data) in ((SIDE, SIDE, 3), None), name
            # Where it was killed, this one waits until another worker has started.
            assert await unpacked(sandbox, photo_bytes(2)) == (SIDE, SIDE, 3), name
            assert time.perf_counter() - started < SECONDS + 20, name


async def test_a_broken_file_is_read_or_refused() -> None:
    async with Sandbox(workers=2) as sandbox:
        found = await asyncio.gather(*(unpacked(sandbox, data) for _, data in mutants(400)))
    assert set(found) == {(SIDE, SIDE, 3), None}
