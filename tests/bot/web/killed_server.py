"""A web chat in a process of its own, which a test can kill: `killed_server PORT PHOTOS`."""

import asyncio
import sys

from captioner import Caption, Options
from tests.bot.web.browser import DOG
from tests.bot.web.server import web_chat


async def serve(port: int, photos: int) -> None:
    """Answer some photos, and keep the others waiting until the process is killed."""
    left = iter(range(photos))

    async def caption(photo: bytes, options: Options) -> Caption:
        if next(left, None) is None:
            await asyncio.Event().wait()
        return DOG

    chat = web_chat(caption, deadline=1000, max_photo_mb=2, web_port=port)
    await chat.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:])))
