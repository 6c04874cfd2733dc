"""Both stores: what is tested of the inbox and of chat settings holds for each of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.store.chat_settings import ChatSettings
from bot.store.feedback_rows import FeedbackRows
from bot.store.inbox_rows import InboxRows
from bot.store.postgres.chat_settings import PostgresChatSettings
from bot.store.postgres.database import Database
from bot.store.postgres.feedback_rows import PostgresFeedback
from bot.store.postgres.inbox_rows import PostgresRows
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.feedback_rows import SqliteFeedback
from bot.store.sqlite.inbox_rows import SqliteRows

NewRows = Callable[[], InboxRows]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Return an empty database, opened."""
    async with Database(database_url) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
def new_rows(request: pytest.FixtureRequest, tmp_path: Path) -> NewRows:
    """Return a function that returns the rows of the inbox, as a process that starts has them."""
    if request.param == "sqlite":
        return lambda: SqliteRows(tmp_path / "inbox.sqlite")
    database = request.getfixturevalue("database")
    return lambda: PostgresRows(database)


@pytest.fixture(params=["sqlite", "postgres"])
async def chats(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ChatSettings]:
    """Return the settings of chats."""
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            files = SqliteChatSettings(tmp_path / "chats.sqlite3")
            yield await stack.enter_async_context(files)
        else:
            url = request.getfixturevalue("database_url")
            yield PostgresChatSettings(await stack.enter_async_context(Database(url)))


@pytest.fixture(params=["sqlite", "postgres"])
async def feedback(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FeedbackRows]:
    """Return what people said about captions: nothing yet."""
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            file = SqliteFeedback(tmp_path / "feedback.sqlite3")
            yield await stack.enter_async_context(file)
        else:
            url = request.getfixturevalue("database_url")
            yield PostgresFeedback(await stack.enter_async_context(Database(url)))
