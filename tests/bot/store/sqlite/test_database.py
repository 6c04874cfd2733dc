"""A file of the bot is recognized; what is wrong with one is a line that says what helps."""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.errors import DatabaseError
from bot.store.inbox_rows import Key
from bot.store.sqlite.chat_settings import SqliteChatSettings
from bot.store.sqlite.inbox_rows import SqliteRows

ROOT = Path(__file__).parents[4]
KEY = Key("telegram", "7", "100")
# Fills the inbox until something fails, and prints that.
FILL = """
import asyncio, sys
from pathlib import Path
from bot.store.errors import DatabaseError
from bot.store.inbox_rows import Key
from bot.store.sqlite.inbox_rows import SqliteRows
async def main():
    async with SqliteRows(Path(sys.argv[1])) as inbox:
        for number in range(1000):
            await inbox.add(Key("telegram", "7", str(number)), "x" * 50_000)
try:
    asyncio.run(main())
except DatabaseError as error:
    print(error)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.sqlite3"


def make(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def refusal(path: Path, *, read_only: bool = False) -> str:
    with pytest.raises(DatabaseError) as error:
        await SqliteRows(path, read_only=read_only).__aenter__()
    prefix = f"DATA_DIR: {path}: "
    assert str(error.value).startswith(prefix)
    return str(error.value).removeprefix(prefix)


async def test_a_file_of_an_earlier_version_is_taken_over(path: Path) -> None:
    async with SqliteRows(path) as inbox:
        await inbox.add(KEY, None)
    make(
        path,
        "PRAGMA application_id = 0",
        "PRAGMA user_version = 0",
        "DROP TABLE seen",
        "DROP TABLE migrations",
    )

    for _ in range(2):
        async with SqliteRows(path) as inbox:
            assert await inbox.counts() == {"open": 1}
            assert await inbox.last_read("discord") == {}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("PRAGMA application_id").fetchone() != (0,)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE moz_places (id INTEGER)"],
        ["CREATE TABLE entries (id INTEGER, title TEXT)"],
        ["PRAGMA application_id = 77"],
        ["PRAGMA user_version = 12"],
    ],
)
async def test_a_file_of_another_program_is_refused_and_unchanged(
    statements: list[str], read_only: bool, path: Path
) -> None:
    make(path, *statements, "CREATE TABLE IF NOT EXISTS seen (chat TEXT)")
    before = path.read_bytes()

    said = await refusal(path, read_only=read_only)

    assert said == "it belongs to another program; move it away, or set another DATA_DIR"
    assert path.read_bytes() == before


async def test_the_bots_files_are_not_taken_for_each_other(path: Path) -> None:
    async with SqliteChatSettings(path):
        pass

    assert "belongs to another program" in await refusal(path)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_file_of_a_newer_version_is_refused(read_only: bool, path: Path) -> None:
    async with SqliteRows(path):
        pass
    make(path, "PRAGMA user_version = 99")

    assert "a newer version of the bot wrote it" in await refusal(path, read_only=read_only)


async def test_reading_creates_no_file(path: Path) -> None:
    async with SqliteRows(path, read_only=True) as inbox:
        assert await inbox.counts() == {}
    assert not path.exists()


async def test_reading_needs_no_right_to_write_a_row(path: Path) -> None:
    async with SqliteRows(path) as running:
        await running.add(KEY, None)
        async with SqliteRows(path, read_only=True) as inbox:
            assert await inbox.counts() == {"open": 1}
            with pytest.raises(DatabaseError, match="cannot be written"):
                await inbox.forget_chat("telegram", 7)


async def test_a_damaged_file_is_named(path: Path) -> None:
    async with SqliteRows(path) as inbox:
        for number in range(200):
            await inbox.add(Key("telegram", "7", str(number)), "x" * 100)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)

    with pytest.raises(DatabaseError, match="it is damaged, or not a file of the bot"):
        async with SqliteRows(path) as inbox:
            await inbox.having("open")


async def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 100)

    assert "it is damaged, or not a file of the bot" in await refusal(path)


async def test_a_locked_file_is_named(path: Path) -> None:
    async with SqliteRows(path) as inbox:
        await inbox.run(lambda db: db.execute("PRAGMA busy_timeout = 10"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(DatabaseError, match="another program has locked it"):
                await inbox.add(KEY, None)
        assert await inbox.add(KEY, None)


@pytest.mark.parametrize("there", ["folder", "file", "denied"])
async def test_a_folder_that_cannot_be_used_is_named(there: str, tmp_path: Path) -> None:
    place = tmp_path / there
    if there == "folder":
        (place / "inbox.sqlite3").mkdir(parents=True)
        said = "it cannot be opened"
    elif there == "file":
        place.write_text("")
        said = "it is a file, not a folder"
    else:
        place = Path("/proc/denied")  # where nobody, not even root, can create anything
        said = "it cannot be used (No such file or directory)"
    assert said in await refusal(place / "inbox.sqlite3")


def fill(path: Path, *before: str, file_size: int | None = None) -> str:
    def limit() -> None:
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    done = subprocess.run(
        [*before, sys.executable, "-c", FILL, path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_limit_on_the_size_of_files_is_named(path: Path) -> None:
    said = fill(path, file_size=2**18)

    assert said.startswith(f"DATA_DIR: {path}: the disk, or a limit on its use, lets nothing more")


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """Return a command that runs another with a disk of 400 KB at `tmp_path`."""
    mounting = f'mount -t tmpfs -o size=400k none {tmp_path} && exec "$@"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounting, "sh"]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("needs mount namespaces, which this machine does not allow")
    return command


def test_a_full_disk_is_named(small_disk: list[str], path: Path) -> None:
    assert fill(path, *small_disk).startswith(f"DATA_DIR: {path}: the disk is full; free some")
