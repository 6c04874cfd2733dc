"""The store that the settings name: a folder of one bot, or a database of several."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass

from bot.rates import Spend, alone
from bot.settings import SettingProblem, Settings, SettingsError
from bot.store.chat_settings import ChatSettings
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import FeedbackRows
from bot.store.inbox import Inbox
from bot.store.inbox_rows import InboxRows
from bot.store.sqlite import folder
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.feedback_rows import SqliteFeedback
from bot.store.sqlite.inbox_rows import SqliteRows

NOT_SET = "is not set; it says where to move what is in DATA_DIR"
NO_DRIVER = "needs psycopg: pip install -e '.[bot,postgres]'"
ABSENT = "there is no inbox; the bot creates it when it starts. Set DATA_DIR to the bot's folder"
NO_FEEDBACK = (
    "there is no feedback; a bot with FEEDBACK=on collects it. Set DATA_DIR to that bot's folder"
)

Lane = Callable[[int], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Stores:
    """What outlives the process."""

    chat_settings: ChatSettings
    inbox: Inbox
    spend: Spend  # counts photos towards the rates
    lane: Lane  # in which several bots take turns
    lost: Callable[[], str | None]  # why the store cannot be used now, if that is known
    where: str  # for the operator
    mark: str  # as `mark` returns it
    feedback: FeedbackRows | None = None  # None if FEEDBACK is off


@asynccontextmanager
async def opened(settings: Settings, *, read_only: bool = False) -> AsyncIterator[Stores]:
    """Open the store, and close it when the context ends.

    Raises:
        DatabaseError: it cannot be used, or is not the bot's.
        SettingsError: the driver of the database is missing.
    """
    if settings.database_url is None:
        files = SqliteChatSettings(settings.chats_file, read_only=read_only)
        rows = SqliteRows(settings.inbox_file, read_only=read_only)
        async with (
            files as chat_settings,
            _inbox(settings, rows) as inbox,
            _kept(settings, read_only=read_only) as kept,
        ):
            where = str(settings.data_dir.resolve())
            own = mark(settings)
            yield Stores(chat_settings, inbox, alone(), _free, lambda: None, where, own, kept)
        return
    with _driver():
        from bot.store.postgres.chat_settings import PostgresChatSettings
        from bot.store.postgres.database import Database
        from bot.store.postgres.feedback_rows import PostgresFeedback
        from bot.store.postgres.inbox_rows import PostgresRows
        from bot.store.postgres.lanes import lanes
        from bot.store.postgres.rates import shared
    url = settings.database_url.get_secret_value()
    async with (
        Database(url, read_only=read_only) as database,
        _inbox(settings, PostgresRows(database)) as inbox,
    ):
        yield Stores(
            PostgresChatSettings(database),
            inbox,
            shared(database, alone()),
            lanes(database),
            lambda: database.lost,
            database.place,
            mark(settings),
            PostgresFeedback(database) if settings.feedback == "on" else None,
        )


async def check(settings: Settings) -> None:
    """Verify that a bot could use the store; create and change nothing.

    Raises:
        DatabaseError: it could not.
        SettingsError: the driver of the database is missing.
    """
    if settings.database_url is None:
        folder.check(settings.data_dir)
        return
    with _driver():
        from bot.store.postgres.database import Database
    url = settings.database_url.get_secret_value()
    async with Database(url, read_only=True) as database:
        await database.check(feedback=settings.feedback == "on")


def mark(settings: Settings, user: folder.Holder | None = None) -> str:
    """Return what tells the bot with a folder from all others, and tells nothing else.

    Bots with a database have the same one: a database may have several addresses.

    Args:
        settings: name the store.
        user: the process that uses the folder; None for this one.
    """
    if settings.database_url is not None:
        return "database"
    return (user or folder.this_process()).mark


def held(settings: Settings) -> AbstractContextManager[None]:
    """Use the data folder alone; several bots may use a database.

    Raises:
        DatabaseError: another bot uses the folder, or it cannot be created, written or locked.
    """
    return folder.held(settings.data_dir) if settings.database_url is None else nullcontext()


@asynccontextmanager
async def listed(settings: Settings, *, read_only: bool) -> AsyncIterator[InboxRows]:
    """Open the inbox for `python -m bot inbox`, which creates none.

    Raises:
        DatabaseError: there is no inbox, or it cannot be used.
        SettingsError: the driver of the database is missing.
    """
    if settings.database_url is None and not settings.inbox_file.exists():
        raise DatabaseError(settings.data_dir, ABSENT)
    async with opened(settings, read_only=read_only) as stores:
        yield stores.inbox.rows


@asynccontextmanager
async def feedback(settings: Settings, *, read_only: bool) -> AsyncIterator[FeedbackRows]:
    """Open what people said, for `python -m bot feedback`, also where FEEDBACK is off by now.

    Raises:
        DatabaseError: there is no feedback, or it cannot be used.
        SettingsError: the driver of the database is missing.
    """
    if settings.database_url is None:
        if not settings.feedback_file.exists():
            raise DatabaseError(settings.data_dir, NO_FEEDBACK)
        async with SqliteFeedback(settings.feedback_file, read_only=read_only) as rows:
            yield rows
        return
    with _driver():
        from bot.store.postgres.database import Database
        from bot.store.postgres.feedback_rows import PostgresFeedback
    url = settings.database_url.get_secret_value()
    async with Database(url, read_only=read_only) as database:
        yield PostgresFeedback(database)


async def move(settings: Settings) -> tuple[int, int, int]:
    """Move what is in the data folder into the database; the files get other names.

    Returns:
        how many messages, the settings of how many chats, and feedback on how many captions, the
        database did not have.

    Raises:
        DatabaseError: there is no inbox, a bot uses the folder, or the database cannot be used.
        SettingsError: no database is set, or its driver is missing.
    """
    if settings.database_url is None:
        raise SettingsError(SettingProblem("DATABASE_URL", NOT_SET))
    with _driver():
        from bot.store.postgres.database import Database
        from bot.store.postgres.moving import copy
    files = [settings.inbox_file, settings.chats_file]
    if settings.feedback_file.exists():
        files.append(settings.feedback_file)
    if not settings.inbox_file.exists():
        raise DatabaseError(settings.data_dir, ABSENT)
    with folder.held(settings.data_dir):
        async with (
            SqliteRows(settings.inbox_file) as inbox,
            SqliteChatSettings(settings.chats_file) as chats,
            SqliteFeedback(
                settings.feedback_file, read_only=not settings.feedback_file.exists()
            ) as said,
            Database(settings.database_url.get_secret_value()) as database,
        ):
            moved = await copy(inbox, chats, said, database)
        for file in files:  # or a bot without the database would answer the messages again
            file.rename(f"{file}.moved")
    return moved


@contextmanager
def _driver() -> Iterator[None]:
    """Import what needs the database's driver; raises `SettingsError` if that is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SettingsError(SettingProblem("DATABASE_URL", NO_DRIVER)) from error


def _inbox(settings: Settings, rows: InboxRows) -> Inbox:
    return Inbox(rows, settings.max_attempts, settings.keep_days)


@asynccontextmanager
async def _kept(settings: Settings, *, read_only: bool) -> AsyncIterator[FeedbackRows | None]:
    if settings.feedback == "off":
        yield None
        return
    async with SqliteFeedback(settings.feedback_file, read_only=read_only) as rows:
        yield rows


def _free(lane: int) -> AbstractAsyncContextManager[None]:
    return nullcontext()
