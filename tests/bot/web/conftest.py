"""What the tests of the web chat share: one that runs, and a client of it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from tests.bot.web.server import serving, web_chat


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(web_chat()) as address:
        yield address
