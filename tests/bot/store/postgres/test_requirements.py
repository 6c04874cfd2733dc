"""A database in which a bot cannot work is refused at the start and by --check, in one sentence."""

import psycopg
import pytest

from bot.store.errors import DatabaseError
from bot.store.feedback_rows import FeedbackRow
from bot.store.inbox_rows import Key
from bot.store.postgres.chat_settings import PostgresChatSettings
from bot.store.postgres.database import Database
from bot.store.postgres.feedback_rows import PostgresFeedback
from bot.store.postgres.inbox_rows import PostgresRows
from bot.store.postgres.rates import SPEND
from bot.store.postgres.requirements import FEEDBACK_RIGHTS, RIGHTS
from tests.bot.postgres import PASSWORD, PostgresServer
from tests.bot.store.postgres.test_database import refusal

KEY = Key("telegram", "7", "100")
SPENT = {"names": ["telegram:7"], "amounts": [9], "seconds": [60.0], "photos": 1}
SAID = FeedbackRow("a" * 64, "一隻狗", "zh", "good", None, 0.0)


async def checked(url: str, *, feedback: bool = True) -> str | None:
    """Return what is wrong with a database as --check finds it; None if nothing is."""
    async with Database(url, read_only=True) as database:
        try:
            await database.check(feedback=feedback)
        except DatabaseError as error:
            return str(error).removeprefix(f"DATABASE_URL: {database.place}: ")
    return None


async def both(url: str) -> str:
    """Return what a bot that starts says, and --check too."""
    said = await refusal(url)
    assert await checked(url) == said
    return said


async def test_a_database_is_fit_before_and_after_the_first_start(database_url: str) -> None:
    assert await checked(database_url) is None
    async with Database(database_url):
        pass
    assert await checked(database_url) is None


async def test_a_user_who_may_not_create_tables_is_refused(postgres: PostgresServer) -> None:
    # Since version 15, only the owner of a database may make tables in it.
    said = await both(postgres.address("postgres"))
    assert said.startswith("the user may not create tables in its schema public; grant ")


async def test_a_search_path_without_a_schema_is_refused(database_url: str) -> None:
    said = await both(f"{database_url}?options=-csearch_path%3Dnowhere")
    assert said.startswith("the user may use no schema of its search_path; ")


@pytest.mark.parametrize("with_tables", [False, True])
async def test_a_database_that_is_read_only_is_refused(
    database_url: str, with_tables: bool
) -> None:
    if with_tables:
        async with Database(database_url):
            pass
    said = await both(f"{database_url}?options=-cdefault_transaction_read_only%3Don")
    assert said.startswith("it is read-only, ")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_store_every_language_is_refused(
    postgres: PostgresServer, encoding: str
) -> None:
    name = f"test_{encoding.lower()}"
    with psycopg.connect(postgres.admin, autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} OWNER bot ENCODING '{encoding}' TEMPLATE template0")
        try:
            said = await both(postgres.address(name))
        finally:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert said.startswith(f"its encoding is {encoding}, ")


async def test_an_encoding_in_the_environment_or_the_address_is_overruled(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    for url in (database_url, f"{database_url}?client_encoding=LATIN1"):
        async with Database(url) as database:
            await PostgresFeedback(database).put(SAID)
            [said] = await PostgresFeedback(database).all()
        assert said.caption == SAID.caption


@pytest.fixture
async def guest_url(postgres: PostgresServer, database_url: str) -> str:
    """Return the address of a database with tables for one who may read how new they are."""
    async with Database(database_url):
        pass
    with psycopg.connect(postgres.admin, autocommit=True) as owner:
        if not owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guest'").fetchone():
            owner.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    with psycopg.connect(database_url, autocommit=True) as bot:
        bot.execute("GRANT SELECT ON captioner_migrations TO guest")
    return database_url.replace("//bot:", "//guest:")


async def test_a_user_with_rights_to_tables_that_exist_need_not_create_any(
    database_url: str, guest_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as bot:
        for table, rights in (RIGHTS | FEEDBACK_RIGHTS).items():
            bot.execute(f"GRANT {', '.join(rights)} ON {table} TO guest")

    assert await checked(guest_url) is None
    async with Database(guest_url) as database:
        rows, chats = PostgresRows(database), PostgresChatSettings(database)
        assert await rows.add(KEY, {}, "album")
        assert await rows.claim("telegram", [])
        await rows.settle(KEY, "given up", "no reason")
        assert await rows.forget(KEY)
        await rows.mark_read("discord", "7", 1)
        await rows.mark_read("discord", "7", 2)
        await rows.forget_chat("discord", "7")
        await rows.sweep(0)
        await chats.set_language("telegram", 7, "ar")
        await chats.move("telegram", 7, 8)
        assert await chats.language("telegram", 8) == "ar"
        assert await database.run(SPEND, SPENT) == [(0.0,)]
        feedback = PostgresFeedback(database)
        await feedback.put(SAID)
        await feedback.put(SAID)
        assert await feedback.forget() == 1


async def test_each_right_that_is_missing_is_named(database_url: str, guest_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as bot:
        bot.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
        for table, right in [(name, right) for name in RIGHTS for right in RIGHTS[name]]:
            bot.execute(f"REVOKE {right} ON {table} FROM guest")
            said = await checked(guest_url)
            assert said == f"the user lacks a right to its table {table}; grant {right} ON {table}"
            bot.execute(f"GRANT {right} ON {table} TO guest")


async def test_rights_to_feedback_are_needed_only_where_it_is_collected(
    database_url: str, guest_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as bot:
        bot.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
        bot.execute("REVOKE ALL ON captioner_feedback FROM guest")
    assert await checked(guest_url, feedback=False) is None
    assert "captioner_feedback" in str(await checked(guest_url))


async def test_only_the_owner_of_the_tables_may_bring_them_up_to_date(
    database_url: str, guest_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as bot:
        bot.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
        bot.execute("GRANT CREATE ON SCHEMA public TO guest")
        bot.execute("DELETE FROM captioner_migrations WHERE number > 1")
    said = await both(guest_url)
    assert said.startswith("the user must own its table captioner_chats to bring it up to date; ")
    assert await checked(database_url) is None


async def test_a_table_that_is_gone_is_named(database_url: str) -> None:
    async with Database(database_url):
        pass
    with psycopg.connect(database_url, autocommit=True) as bot:
        bot.execute("DROP TABLE captioner_chats")
    assert str(await checked(database_url)).startswith("a table of the bot is gone; ")
