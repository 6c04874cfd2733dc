"""Captions photos as they are found, and records each as soon as it is done."""

import asyncio
from collections.abc import Iterable

from captioner.captioner import Captioner
from captioner.command_line import lines
from captioner.command_line.attempt import Attempt, attempt, in_flight
from captioner.command_line.files import PhotoFile, one_by_one
from captioner.command_line.progress import HIDDEN, Progress
from captioner.command_line.record import Record
from captioner.options import Options
from captioner.output import complain


async def run(
    captioner: Captioner,
    photos: Iterable[PhotoFile],
    options: Options,
    record: Record,
    progress: Progress = HIDDEN,
) -> int:
    """Caption the photos that are not done yet; return 1 if any failed, now or in earlier runs.

    Photos are recorded as they finish: none waits for a slow one before it. If this is cancelled,
    it records what is captioned and waits for nothing else.

    Raises:
        RecordError: the file cannot be written.
    """
    running = set[asyncio.Task[Attempt]]()

    async def next_done() -> None:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running.difference_update(done)
        for task in done:
            _keep(task.result(), record, progress)

    async with captioner:
        try:
            with progress:
                async for photo in one_by_one(photos):
                    if not record.begin(photo.name):
                        progress.skip()
                        continue
                    running.add(asyncio.create_task(attempt(captioner, photo, options)))
                    if len(running) >= in_flight(captioner.device):
                        await next_done()
                while running:
                    await next_done()
        except asyncio.CancelledError:
            for task in running:
                if task.done() and not task.cancelled():
                    _keep(task.result(), record, progress)
            raise
        finally:
            for task in running:
                task.cancel()
    return int(record.failed > 0)


def _keep(done: Attempt, record: Record, progress: Progress) -> None:
    record.add(done.photo.name, done.result)
    if isinstance(done.result, str):
        progress.clear()
        complain(lines.problem(done.photo.name, done.result))
    progress.add()
