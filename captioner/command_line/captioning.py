"""Captions the photos of a command line, and prints each in its turn."""

import argparse
import asyncio
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from captioner.captioner import Captioner
from captioner.command_line import lines
from captioner.command_line.attempt import Attempt, attempt, in_flight, sentence
from captioner.command_line.files import PhotoFile, one_by_one
from captioner.command_line.profile import profile
from captioner.command_line.progress import HIDDEN, Progress
from captioner.errors import NO_VIDEO
from captioner.explain import PHOTO_SIDE, draw_attention
from captioner.files import replacing
from captioner.options import Options
from captioner.output import complain, is_utf_8, say
from captioner.photo.preprocessing import Pixels
from captioner.result import Caption
from captioner.video.result import VideoCaption
from captioner.video.subtitles import webvtt


@dataclass(frozen=True)
class Printing:
    """What is printed for each photo."""

    as_json: bool
    named: bool  # its name stands before its caption
    explain: Path | None  # where the attention is drawn
    profile: bool  # how long each stage took
    vtt: Path | None = None  # where the scenes of a video are written

    @property
    def tells(self) -> bool:
        """Whether a video or an animation is told, or captioned as the photo that is drawn."""
        return self.explain is None and not self.profile

    @classmethod
    def of(cls, args: argparse.Namespace, *, several: bool) -> "Printing":
        """Return what the arguments ask for; `several` is whether there is more than one photo."""
        return cls(args.json, several, args.explain, args.profile, args.vtt)


async def run(
    captioner: Captioner,
    photos: Iterable[PhotoFile],
    options: Options,
    printing: Printing,
    progress: Progress = HIDDEN,
) -> int:
    """Caption photos and print them in their order; return 1 if any of them failed, else 0.

    If it is cancelled, it prints what is already captioned and waits for nothing else.

    Raises:
        OutputError: standard output cannot be written to.
    """
    failed = False
    ahead: deque[asyncio.Task[Attempt]] = deque()  # the photos in progress, in their order

    async def print_next() -> None:
        nonlocal failed
        await asyncio.wait([ahead[0]])
        progress.clear()
        done = ahead.popleft().result()
        failed |= not _print(done, printing)
        failed |= not await _add(captioner, done, options, printing)
        progress.add()

    async with captioner:
        try:
            with progress:
                async for photo in one_by_one(photos):
                    done = attempt(captioner, photo, options, videos=printing.tells)
                    ahead.append(asyncio.create_task(done))
                    if len(ahead) >= in_flight(captioner.device):
                        await print_next()
                while ahead:
                    await print_next()
        except asyncio.CancelledError:
            for task in ahead:
                if task.done() and not task.cancelled():
                    _print(task.result(), printing)
            raise
        finally:
            for task in ahead:
                task.cancel()
    return int(failed)


def _print(done: Attempt, printing: Printing) -> bool:
    """Print a photo's lines; return whether it was captioned."""
    name, result = done.photo.name, done.result
    if isinstance(result, str):
        complain(lines.problem(name, result))
    if printing.as_json:
        say(lines.json_line(name, result, escaped=not is_utf_8(sys.stdout)))
    elif not isinstance(result, str):
        for line in lines.plain(name, result, named=printing.named):
            say(line)
    return not isinstance(result, str)


async def _add(captioner: Captioner, done: Attempt, options: Options, printing: Printing) -> bool:
    """Draw and time a photo that was captioned, if asked to; return False if that failed."""
    if isinstance(done.result, str):
        return True
    if isinstance(done.result, VideoCaption):
        return printing.vtt is None or _write_subtitles(printing.vtt, done.result)
    if printing.vtt:
        complain(lines.problem(done.photo.name, NO_VIDEO))
        return False
    try:
        if printing.explain:
            photo = await captioner.pixels(done.data, PHOTO_SIDE)
            if problem := _draw(printing.explain, photo, done.result):
                complain(f"--explain: {printing.explain} cannot be written: {problem}")
                return False
        if printing.profile:
            complain(await profile(captioner, done.data, options, first=done.result))
    except Exception as error:
        complain(lines.problem(done.photo.name, sentence(error)))
        return False
    return True


def _write_subtitles(path: Path, video: VideoCaption) -> bool:
    try:
        with replacing(path) as part:
            part.write_text(webvtt(video), encoding="utf-8")
    except OSError as error:
        complain(f"--vtt: {path} cannot be written: {error.strerror or error}")
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
