"""The inbox in a file: a full disk, a wrong clock, and files of earlier versions."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import inbox as inbox_module
from bot.store.errors import DatabaseError
from bot.store.inbox import Inbox, NotYet, Unconfirmed
from bot.store.sqlite.inbox_rows import APPLICATION, SqliteRows
from tests.bot.store.test_inbox import FIRST, Person, due, failing, state_of

# As version 0.2 wrote it.
EARLIER = """
CREATE TABLE entries (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    message TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    reference TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    accepted REAL NOT NULL,
    due REAL NOT NULL,
    changed REAL NOT NULL,
    reason TEXT,
    PRIMARY KEY (platform, chat, message)
);
CREATE INDEX open_entries ON entries (platform, due) WHERE state = 'open';
CREATE TABLE seen (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID;
INSERT INTO entries (platform, chat, message, reference, accepted, due, changed)
VALUES ('telegram', '7', '100', '{"photo": 1}', 1, 1, 1);
"""
UNCONFIRMED = "ALTER TABLE entries ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0"


@pytest.fixture
def rows(tmp_path: Path) -> SqliteRows:
    return SqliteRows(tmp_path / "inbox.sqlite")


@pytest.fixture
async def inbox(rows: SqliteRows, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Inbox]:
    monkeypatch.setattr(inbox_module, "FIRST_PAUSE", 0.0)
    async with Inbox(rows, max_attempts=3) as inbox:
        yield inbox


async def test_nothing_of_an_answered_message_is_left_in_the_file(tmp_path: Path) -> None:
    person, path = Person(), tmp_path / "inbox.sqlite"
    async with Inbox(SqliteRows(path)) as inbox:
        await inbox.accept(FIRST, {"token": "a-secret-of-discord"})
        await inbox.handle(FIRST, person.answer, person.apologize)

    assert b"a-secret-of-discord" not in path.read_bytes()


async def test_a_file_that_is_not_a_database_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    path.write_text("This is not a database, but it is long enough to be taken for one.")

    with pytest.raises(DatabaseError, match=str(path)):
        async with SqliteRows(path):
            pass


async def test_a_message_postponed_by_a_clock_that_was_ahead_is_due(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    await inbox.accept(FIRST, None)
    await inbox.handle(FIRST, failing(NotYet("down", 100)), Person().apologize)
    assert await due(inbox) == []

    monkeypatch.setattr(time, "time", real)
    assert await due(inbox) == [FIRST]


async def test_on_a_full_disk_a_message_is_not_accepted_and_may_come_again(
    rows: SqliteRows, inbox: Inbox
) -> None:
    long = "x" * 10_000
    await rows.run(lambda db: db.execute("PRAGMA max_page_count = 1"))

    with pytest.raises(DatabaseError, match=r"^DATA_DIR: .*/inbox\.sqlite: the disk is full; free"):
        await inbox.accept(FIRST, long)

    await rows.run(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    assert await inbox.accept(FIRST, long)


async def test_a_message_whose_answer_cannot_be_recorded_is_not_answered_again(
    rows: SqliteRows, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    person = Person()
    await inbox.accept(FIRST, None)

    async def answer() -> None:
        await person.answer()
        await rows.run(lambda db: db.execute("PRAGMA query_only = ON"))

    await inbox.handle(FIRST, answer, person.apologize)

    (logged,) = (vars(record) for record in caplog.records)
    assert (logged["levelname"], logged["message"]) == ("ERROR", "inbox cannot be written")
    assert logged["reason"].startswith("DATA_DIR: ")
    with pytest.raises(DatabaseError):
        await inbox.due("telegram")
    await rows.run(lambda db: db.execute("PRAGMA query_only = OFF"))
    assert await due(inbox) == []
    assert (await state_of(inbox, FIRST)).state == "answered"
    assert (person.answers, person.apologies) == (1, 0)


@pytest.mark.parametrize("later", ["", UNCONFIRMED])
@pytest.mark.parametrize("numbered", [True, False])
async def test_the_file_of_an_earlier_version_is_used_further(
    tmp_path: Path, later: str, numbered: bool
) -> None:
    path, person = tmp_path / "inbox.sqlite", Person()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(EARLIER + later)
        if numbered:  # the first releases wrote neither number
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("PRAGMA user_version = 1")

    async with Inbox(SqliteRows(path)) as inbox:
        assert [row.reference for row in await inbox.due("telegram")] == [{"photo": 1}]
        await inbox.handle(FIRST, failing(Unconfirmed("cut off")), person.apologize)
        await inbox.note_answered(FIRST, 3)
    async with Inbox(SqliteRows(path)) as inbox:
        assert await inbox.rows.unconfirmed(FIRST) == 1
        assert await inbox.answered_pictures(FIRST) == 3
