"""What the tests of the web chat share: one that runs, and a client of it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession

from bot import languages
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
