"""Captions the photos of a command line, and prints each in its turn."""

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from captioner.captioner import Captioner
from captioner.command_line import lines
from captioner.command_line.files import PhotoFile, read
from captioner.command_line.profile import profile
from captioner.errors import SEE, UNEXPECTED, BadImage, Busy
from captioner.explain import PHOTO_SIDE, draw_attention
from captioner.files import replacing
from captioner.options import Options
from captioner.output import complain, is_utf_8, say
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption

IN_FLIGHT = 32  # photos in progress at once: two batches
FEW = 10  # a progress bar for fewer photos would be gone before anyone reads it


@dataclass(frozen=True)
class _Done:
    photo: PhotoFile
    data: bytes
    result: Caption | str  # or what is wrong


@dataclass(frozen=True)
class Printing:
    """What is printed for each photo."""

    as_json: bool
    named: bool  # its name stands before its caption
    explain: Path | None  # where the attention is drawn
    profile: bool  # how long each stage took

    @classmethod
    def of(cls, args: argparse.Namespace, photos: int) -> "Printing":
        """Return what the arguments ask for."""
        return cls(args.json, photos > 1, args.explain, args.profile)


async def run(
    captioner: Captioner, photos: Sequence[PhotoFile], options: Options, printing: Printing
) -> int:
    """Caption photos and print them in their order; return 1 if any of them failed, else 0.

    If it is cancelled, it prints what is already captioned and waits for nothing else.

    Raises:
        OutputError: standard output cannot be written to.
    """
    failed = False
    ahead: deque[asyncio.Task[_Done]] = deque()  # the photos in progress, in their order
    hidden = len(photos) < FEW or not sys.stderr.isatty()
    async with captioner:
        try:
            with tqdm(total=len(photos), unit="photo", disable=hidden) as progress:
                for index in range(len(photos)):
                    for photo in photos[index + len(ahead) : index + IN_FLIGHT]:
                        ahead.append(asyncio.create_task(_caption(captioner, photo, options)))
                    await asyncio.wait([ahead[0]])
                    progress.clear()
                    done = ahead.popleft().result()
                    failed |= not _print(done, printing)
                    failed |= not await _add(captioner, done, options, printing)
                    progress.update()
        except asyncio.CancelledError:
            for task in ahead:
                if task.done() and not task.cancelled():
                    _print(task.result(), printing)
            raise
        finally:
            for task in ahead:
                task.cancel()
    return int(failed)


async def _caption(captioner: Captioner, photo: PhotoFile, options: Options) -> _Done:
    data = b""
    try:
        if photo.problem:
            return _Done(photo, data, photo.problem)
        data = await asyncio.to_thread(read, photo, captioner.serving.limits.max_bytes)
        return _Done(photo, data, await captioner.caption(data, options))
    # The others are captioned whatever happens to this one.
    except Exception as error:
        return _Done(photo, data, _sentence(error))


def _sentence(error: Exception) -> str:
    """Say what is wrong with a photo, and which option sets the limit that it exceeds."""
    if isinstance(error, BadImage) and (option := _option(error)):
        return SEE.format(sentence=error, option=option)
    if isinstance(error, BadImage | Busy):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return UNEXPECTED.format(error=reason)


def _option(error: BadImage) -> str | None:
    numbers = error.numbers
    if error.kind == "too many bytes":
        return "--max-mb"
    if error.kind == "too slow":
        return "--decode-seconds"
    if error.kind != "too many pixels":
        return None
    # No option sets the longest side.
    fits = numbers["width"] * numbers["height"] <= numbers["max_pixels"]
    return None if fits else "--max-megapixels"


def _print(done: _Done, printing: Printing) -> bool:
    """Print a photo's lines; return whether it was captioned."""
    name, result = done.photo.name, done.result
    if isinstance(result, str):
        complain(lines.problem(name, result))
    if printing.as_json:
        say(lines.json_line(name, result, escaped=not is_utf_8(sys.stdout)))
    elif isinstance(result, Caption):
        for line in lines.plain(name, result, named=printing.named):
            say(line)
    return isinstance(result, Caption)


async def _add(captioner: Captioner, done: _Done, options: Options, printing: Printing) -> bool:
    """Draw and time a photo that was captioned, if asked to; return False if that failed."""
    if not isinstance(done.result, Caption):
        return True
    try:
        if printing.explain:
            photo = await captioner.pixels(done.data, PHOTO_SIDE)
            if problem := _draw(printing.explain, photo, done.result):
                complain(f"--explain: {printing.explain} cannot be written: {problem}")
                return False
        if printing.profile:
            complain(await profile(captioner, done.data, options, first=done.result))
    except Exception as error:
        complain(lines.problem(done.photo.name, _sentence(error)))
        return False
    return True


def _draw(path: Path, photo: Pixels, caption: Caption) -> str | None:
    """Draw the attention; return what is wrong with the file, if anything."""
    maps = np.stack([word.attention for word in caption.words if word.attention is not None])
    sheet = draw_attention(photo, [word.text for word in caption.words], maps)
    try:
        with replacing(path) as part:
            sheet.save(part, Image.registered_extensions()[path.suffix.lower()])
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return None
