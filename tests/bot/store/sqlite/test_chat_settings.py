"""The settings of a chat outlive the process."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.errors import DatabaseError
from bot.store.sqlite.chat_settings import APPLICATION, SqliteChatSettings
from bot.store.sqlite.database import Database

# Before a language could be chosen.
EARLIER = """
CREATE TABLE IF NOT EXISTS chats (
    platform TEXT NOT NULL,
    chat TEXT NOT NULL,
    auto INTEGER NOT NULL,
    PRIMARY KEY (platform, chat)
) WITHOUT ROWID;
"""


async def test_settings_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "chats.sqlite3"
    async with SqliteChatSettings(path) as chats:
        await chats.set_auto("telegram", -100, True)

    async with SqliteChatSettings(path) as chats:
        assert await chats.auto("telegram", "-100")


async def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(DatabaseError, match=str(path)):
        await SqliteChatSettings(path).__aenter__()


async def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DatabaseError, match="file"):
        await SqliteChatSettings(tmp_path / "file" / "chats.sqlite3").__aenter__()


async def test_no_other_user_of_the_machine_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    async with SqliteChatSettings(path) as chats:
        await chats.set_auto("telegram", 1, True)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert modes["chats.sqlite3-wal"] == 0o600
    assert set(modes.values()) == {0o600}


async def test_a_language_outlives_the_process_until_the_choice_is_forgotten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chats.sqlite3"
    async with SqliteChatSettings(path) as chats:
        assert await chats.language("telegram", -100) is None
        await chats.set_language("telegram", -100, "de")
        await chats.set_language("telegram", -100, "ar")
        assert await chats.language("telegram", "-100") == "ar"

    async with SqliteChatSettings(path, read_only=True) as chats:
        assert await chats.language("telegram", -100) == "ar"
        assert await chats.language("discord", -100) is None

    async with SqliteChatSettings(path) as chats:
        await chats.set_language("telegram", -100, None)
        assert await chats.language("telegram", -100) is None
    async with SqliteChatSettings(path) as chats:
        assert await chats.language("telegram", -100) is None


@pytest.mark.parametrize("chosen", [None, "fr"])
async def test_a_language_moves_with_its_chat_to_an_id_that_has_none(
    tmp_path: Path, chosen: str | None
) -> None:
    path = tmp_path / "chats.sqlite3"
    async with SqliteChatSettings(path) as chats:
        await chats.set_language("telegram", 1, "de")
        await chats.set_language("telegram", 2, chosen)
        await chats.move("telegram", 1, 2)
        now = await chats.language("telegram", 1), await chats.language("telegram", 2)

    async with SqliteChatSettings(path) as chats:
        later = await chats.language("telegram", 1), await chats.language("telegram", 2)
    assert now == later == (None, chosen or "de")


@pytest.mark.parametrize("numbered", [True, False])
async def test_a_file_from_before_there_were_languages_keeps_its_rows(
    tmp_path: Path, numbered: bool
) -> None:
    path = tmp_path / "chats.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(EARLIER)
        if numbered:  # the first releases wrote neither number
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO chats VALUES ('telegram', '1', 1)")

    async with SqliteChatSettings(path, read_only=True) as chats:
        assert await chats.auto("telegram", 1)
        assert await chats.language("telegram", 1) is None
    async with SqliteChatSettings(path) as chats:
        assert await chats.auto("telegram", 1)
        await chats.set_language("telegram", 1, "de")
        assert await chats.language("telegram", 1) == "de"


async def test_an_earlier_version_finds_its_rows_in_a_file_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "chats.sqlite3"
    async with SqliteChatSettings(path) as chats:
        await chats.set_auto("telegram", 1, True)
        await chats.set_language("telegram", 1, "de")

    async with Database(path, (lambda db: db.executescript(EARLIER),), APPLICATION) as earlier:
        rows = await earlier.run(lambda db: db.execute("SELECT * FROM chats").fetchall())
    assert rows == [("telegram", "1", 1)]
    async with SqliteChatSettings(path) as chats:
        assert await chats.language("telegram", 1) == "de"
