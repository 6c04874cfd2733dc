"""Hostile files come out of the sandbox as pixels or as a refusal, and harm no other."""

import asyncio
import re

import pytest

from captioner.errors import BadImage
from captioner.photo.limits import Limits
from captioner.photo.sandbox import Sandbox
from tests.captioner.photo.hostile import HOSTILE, READABLE
from tests.captioner.photo.mutants import mutants
from tests.conftest import LONG, photo_bytes

SECONDS = 20.0  # for each file; all but one take a few, even on a busy machine
ENDLESS = "JPEG, a million EXIF segments"  # takes longer by far
# These take a second or more to make or to read; `make test-all` has them read too.
SLOW = {
    ENDLESS,
    "AVIF, 49 million pixels claimed",
    "BMP of one bit, 49 million pixels",
    "BMP, run lengths for 49 million pixels",
    "BMP, run lengths that only skip",
    "GIF of many frames",
    "GIF that claims 49 million pixels",
    "HEIC of many pictures",
    "HEIC, a grid larger than it says",
    "JP2, a million boxes",
    "JPEG, megabytes of EXIF",
    "JPEG, progressive, 49 million pixels claimed without an end",
    "PNG, interlaced, 49 million pixels",
    "TIFF, 60,000 tags",
    "TIFF of one bit, 49 million pixels",
    "TIFF, fax of ones",
    "TIFF, fax of zeros",
    "TIFF, tile of a billion pixels",
    "WebP, animation that claims 49 million pixels",
    "WebP, a million empty chunks",
    "PNG, a million text chunks",
    "PNG, a million empty pixel chunks",
    "TIFF, LAB, 49 million pixels",
    "TIFF, CMYK, 49 million pixels",
    "JPEG, a million comments",
    "GIF, a million extensions",
}
SIDE = 32


async def unpacked(sandbox: Sandbox, data: bytes) -> tuple[int, ...] | None:
    """Return the shape of a photo's pixels, or None if it was refused."""
    try:
        return (await sandbox.squeeze(data, SIDE)).pixels.shape
    except BadImage:
        return None


@pytest.mark.parametrize(
    "first", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "AVIF", "HEIC", "JP2"]
)
async def test_a_hostile_file_is_read_or_refused_as_expected(first: str) -> None:
    files = {
        name: make
        for name, make in HOSTILE.items()
        # Valid ones of the largest size take seconds to make: see `benchmarks/hostile.py`.
        if name.startswith(first) and not re.search(r" of \d+ million", name)
        if name not in ({ENDLESS} if LONG else SLOW)
    }
    if not files:
        pytest.skip("pillow-heif is not installed")
    async with Sandbox(Limits(seconds=SECONDS), workers=1) as sandbox:
        for name, make in files.items():
            expected = (SIDE, SIDE, 3) if name in READABLE else None
            assert await unpacked(sandbox, make()) == expected, name
            assert await unpacked(sandbox, photo_bytes(2)) == (SIDE, SIDE, 3), name


def test_every_slow_file_exists() -> None:
    assert HOSTILE.keys() >= SLOW or not pytest.importorskip("pillow_heif")


async def test_a_file_that_takes_too_long_is_refused_and_harms_no_other() -> None:
    async with Sandbox(Limits(seconds=0.5), workers=1) as sandbox:
        with pytest.raises(BadImage, match="too long"):
            await sandbox.squeeze(HOSTILE[ENDLESS](), SIDE)
        # This one waits until another worker has started.
        assert await unpacked(sandbox, photo_bytes(2)) == (SIDE, SIDE, 3)


def test_every_readable_file_exists() -> None:
    assert HOSTILE.keys() >= READABLE or not pytest.importorskip("pillow_heif")


async def test_a_broken_file_is_read_or_refused() -> None:
    async with Sandbox(workers=2) as sandbox:
        found = await asyncio.gather(*(unpacked(sandbox, data) for _, data in mutants(400)))
    assert set(found) == {(SIDE, SIDE, 3), None}
