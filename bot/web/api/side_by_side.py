"""The files of one request, answered side by side in the time that one of them may take."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TypeVar

from bot.answers import Answers, with_room
from captioner import Options

# Files of one request that are captioned at a time: half of a batch (`ServingConfig.max_batch`),
# and a sixteenth of the queue's default, so that one request leaves room for others.
AT_ONCE = 8
# Of these, videos and animations: a quarter of all that may be in progress
# (`ServingConfig.max_videos`). They are decoded one after another, so two are as fast as eight.
MOVING_AT_ONCE = 2

File = TypeVar("File")
Result = TypeVar("Result")


async def answered(
    files: Sequence[File],
    moves: Callable[[File], bool],
    answers: Answers,
    answer: Callable[[File, Answers], Awaitable[Result]],
) -> list[Result]:
    """Answer the files of a request, and return the results in their order.

    They wait for room in a full queue. All of them have the time that one may take.

    Args:
        files: of one request.
        moves: returns whether a file is a video or an animation.
        answers: answers one file.
        answer: answers a file with `answers` for as long as is left.
    """
    loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)
    moving = asyncio.Semaphore(MOVING_AT_ONCE)
    until = loop.time() + answers.deadline
    patient = replace(
        answers,
        caption=_patient(answers.caption, until),
        caption_video=_patient(answers.caption_video, until),
    )

    async def one(file: File) -> Result:
        async with AsyncExitStack() as turns:
            if moves(file):  # first, so that photos do not wait behind it
                await turns.enter_async_context(moving)
            await turns.enter_async_context(turn)
            left = max(0.0, until - loop.time())
            return await answer(file, replace(patient, deadline=left))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(file)) for file in files]
    return [task.result() for task in tasks]


def _patient(
    caption: Callable[[bytes, Options], Awaitable[Result]], until: float
) -> Callable[[bytes, Options], Awaitable[Result]]:
    """Return a function that waits for room in a full queue, but not for longer than `until`."""

    async def patient(photo: bytes, options: Options) -> Result:
        return await with_room(lambda: caption(photo, options), until)

    return patient
