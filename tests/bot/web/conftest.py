"""What the tests of the web chat share: one that runs, and a client of it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser

from bot import languages
from tests.bot.web.browser import started
from tests.bot.web.catalogues import catalogues
from tests.bot.web.server import serving, web_chat


@pytest.fixture
async def client() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving(web_chat()) as address:
        yield address


@pytest.fixture(scope="module")
def translated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the bot speak Arabic, Chinese and German as `catalogues` does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "CATALOGUES", catalogues(tmp_path_factory.mktemp("locale")))
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium with one tab, which most tests of a module use in turn."""
    async with started() as chromium:
        yield chromium
