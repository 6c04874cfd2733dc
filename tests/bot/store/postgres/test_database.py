"""A database of the bot is recognized and brought up to date; what is wrong with one is a line."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox
from bot.store.inbox_rows import Key
from bot.store.postgres import database as database_module
from bot.store.postgres.database import Database
from bot.store.postgres.inbox_rows import PostgresRows
from bot.store.postgres.migrations import MIGRATIONS
from tests.bot.postgres import IN_ADDRESS, PASSWORD, PostgresServer

KEY = Key("telegram", "7", "100")


async def refusal(url: str, *, read_only: bool = False) -> str:
    with pytest.raises(DatabaseError) as error:
        await Database(url, read_only=read_only).__aenter__()
    said = str(error.value)
    assert IN_ADDRESS not in said
    assert PASSWORD not in said
    assert "\n" not in said
    place = Database(url).place
    assert said.startswith(f"DATABASE_URL: {place}: ")
    return said.removeprefix(f"DATABASE_URL: {place}: ")


async def test_bots_that_start_together_make_the_tables_once(database_url: str) -> None:
    async def start() -> dict[str, int]:
        async with Database(database_url) as database:
            return await PostgresRows(database).counts()

    assert await asyncio.gather(*(start() for _ in range(5))) == [{}] * 5
    async with Database(database_url) as database:
        numbers = await database.run("SELECT number FROM captioner_migrations ORDER BY number")
    assert numbers == [(number,) for number in range(1, len(MIGRATIONS) + 1)]


@pytest.mark.parametrize("read_only", [False, True])
async def test_tables_of_another_program_are_left_alone(database_url: str, read_only: bool) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE captioner_inbox (id integer)")

    said = await refusal(database_url, read_only=read_only)

    assert said.startswith("its table captioner_inbox belongs to another program; set DATABASE_URL")


async def test_a_database_shared_with_other_programs_is_used_in_a_schema_of_its_own(
    database_url: str,
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE captioner_inbox (id integer)")
        connection.execute("CREATE SCHEMA bot")

    url = f"{database_url}?options=-csearch_path%3Dbot"
    async with Database(url) as database:
        assert await PostgresRows(database).add(KEY, {})
    async with Database(url, read_only=True) as database:
        assert await PostgresRows(database).counts() == {"open": 1}


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_database_of_a_newer_version_is_refused(database_url: str, read_only: bool) -> None:
    async with Database(database_url) as database:
        await database.run("INSERT INTO captioner_migrations VALUES (999)")

    assert (await refusal(database_url, read_only=read_only)).startswith("a newer version")


async def test_reading_makes_no_table_and_changes_no_row(database_url: str) -> None:
    async with Database(database_url, read_only=True) as database:
        assert await PostgresRows(database).counts() == {}
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchone() == (0,)

    async with Database(database_url):
        pass
    async with Database(database_url, read_only=True) as database:
        with pytest.raises(DatabaseError, match="it is read-only"):
            await PostgresRows(database).add(KEY, {})


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_start_that_waits_for_a_lock_ends(
    database_url: str, read_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Database(database_url):
        pass
    monkeypatch.setattr(database_module, "START_SECONDS", 0.3)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE captioner_migrations")
        said = await refusal(database_url, read_only=read_only)
    assert said.startswith("it did not answer in time")


async def test_what_is_wrong_with_an_address_is_named(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        assert (await refusal(url.replace(IN_ADDRESS, "wrong"))).startswith(
            "the name or the password is wrong"
        )
        assert (await refusal(url.replace(f"bot:{IN_ADDRESS}", f"nobody:{IN_ADDRESS}"))).startswith(
            "the name or the password is wrong"
        )
        assert (await refusal(url.replace(f":{IN_ADDRESS}", ""))).startswith(
            "it requires a password"
        )
    assert (await refusal(url)).startswith("there is no such database")
    assert (await refusal("postgresql://bot:wrong@127.0.0.1:1/bot")).startswith(
        "it cannot be reach"
    )
    assert (await refusal("postgresql://bot:wrong@nowhere.invalid/bot")).startswith(
        "there is no such machine"
    )
    for name in ("a..b", "a" * 64):
        said = await refusal(f"postgresql://bot:wrong@{name}/bot")
        assert said == "there is no such machine; correct DATABASE_URL"
    assert "does not understand" in await refusal(f"postgresql://bot:{IN_ADDRESS}@h/b?nothing=1")


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    async with Database(database_url) as database:
        yield Inbox(PostgresRows(database))


async def test_a_lost_database_is_named_and_used_again_once_it_is_back(
    database_url: str,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database_module, "WAIT_SECONDS", 0.2)
    caplog.set_level("INFO")
    async with Database(database_url) as database:
        inbox = Inbox(PostgresRows(database))
        assert await inbox.accept(KEY, {"photo": 1})
        await asyncio.to_thread(postgres.stop)

        for number in range(3):
            with pytest.raises(DatabaseError, match=r"^DATABASE_URL: "):
                await inbox.accept(Key("telegram", "7", str(number)), {})
            assert database.lost
        await asyncio.to_thread(postgres.start)

        async with asyncio.timeout(30):
            while database.lost:
                try:
                    assert await inbox.rows.counts() == {"open": 1}
                except DatabaseError:
                    await asyncio.sleep(0.05)
        assert [await inbox.accept(Key("telegram", "7", str(one)), {}) for one in range(3)]
    said = [record.getMessage() for record in caplog.records if "bot.store" in record.name]
    assert said == ["the database is lost", "the database is back"]
    assert IN_ADDRESS not in caplog.text
    assert PASSWORD not in caplog.text


async def test_a_statement_that_hangs_ends(
    inbox: Inbox, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "STATEMENT_SECONDS", 0.3)
    with psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE captioner_inbox")
        with pytest.raises(DatabaseError, match="did not answer in time"):
            await inbox.accept(KEY, {})
    assert await inbox.accept(KEY, {})
