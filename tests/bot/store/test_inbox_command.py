"""`python -m bot inbox`: messages that were given up are listed, retried and forgotten."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import stores
from bot.settings import Settings
from bot.store import inbox_command
from bot.store.errors import DatabaseError
from bot.store.inbox import Hopeless
from bot.store.inbox_rows import Key

GIVEN_UP, OPEN = Key("telegram", "-100", "5"), Key("discord", "7", "press 3")


@pytest.fixture
def empty(tmp_path: Path) -> Settings:
    (tmp_path / "inbox.sqlite3").touch()
    return Settings(data_dir=tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Return the settings of a bot that has given a message up, and left one open."""
    shared = request.param == "postgres"
    url = SecretStr(request.getfixturevalue("database_url")) if shared else None
    settings = Settings(data_dir=tmp_path, database_url=url)

    async def fill() -> None:
        async def answer() -> None:
            raise Hopeless("Telegram refuses: kicked")

        async with stores.opened(settings) as store:
            for key in (GIVEN_UP, OPEN):
                await store.inbox.accept(key, None)
            await store.inbox.handle(GIVEN_UP, answer, answer)

    asyncio.run(fill())
    return settings


def run(settings: Settings, *arguments: str) -> int:
    return inbox_command.main(
        arguments,
        lambda read_only: stores.listed(settings, read_only=read_only),
        lambda: stores.move(settings),
    )


def test_the_list_shows_open_and_given_up_messages_with_the_reason(
    inbox: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(inbox) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first == ("telegram:-100:5  given up, 0.0 h old, 1 attempt: Telegram refuses: kicked")
    assert second == "discord:7:press 3  open, 0.0 h old, 0 attempts"


@pytest.mark.parametrize("name", ["telegram:-100:5", "all"])
@pytest.mark.parametrize(("action", "left"), [("retry", {"open": 2}), ("forget", {"open": 1})])
def test_a_message_that_was_given_up_can_be_retried_or_forgotten(
    inbox: Settings, action: str, left: dict[str, int], name: str
) -> None:
    async def counts() -> dict[str, int]:
        async with stores.listed(inbox, read_only=True) as rows:
            return await rows.counts()

    assert run(inbox, action, name) == 0
    assert asyncio.run(counts()) == left


def test_naming_a_message_that_was_not_given_up_is_an_error(
    inbox: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(inbox, "forget", "discord:7:press 3", "7", "telegram:7:\udcff") == 1

    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "error: no message 'discord:7:press 3' was given up; `list` names them",
        "error: no message '7' was given up; `list` names them",
        "error: no message 'telegram:7:\\udcff' was given up; `list` names them",
    ]
    assert said.out == "0 messages forgotten\n"


def test_an_empty_inbox_is_reported(empty: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(empty, "list") == 0
    assert capsys.readouterr().out == "No message is open or given up.\n"


def test_a_database_without_an_inbox_is_an_empty_one_and_stays_so(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert run(Settings(database_url=SecretStr(database_url)), "list") == 0
        assert capsys.readouterr().out == "No message is open or given up.\n"


@pytest.mark.parametrize("arguments", [[], ["list"], ["retry", "all"], ["forget", "all"]])
def test_an_inbox_that_is_not_there_is_named_and_not_created(
    arguments: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "mistyped"

    with pytest.raises(DatabaseError, match=f"^DATA_DIR: {folder}: there is no inbox"):
        run(Settings(data_dir=folder), *arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_list_changes_nothing(empty: Settings, tmp_path: Path) -> None:
    before = (tmp_path / "inbox.sqlite3").stat().st_mtime_ns

    assert run(empty, "list") == 0
    assert [(file.name, file.stat().st_mtime_ns) for file in tmp_path.iterdir()] == [
        ("inbox.sqlite3", before)
    ]


async def test_messages_are_listed_and_retried_while_the_bot_runs(
    inbox: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with stores.opened(inbox) as running:
        await running.inbox.accept(Key("telegram", "1", "1"), None)
        assert await asyncio.to_thread(run, inbox, "list") == 0
        assert await asyncio.to_thread(run, inbox, "retry", "all") == 0

        assert await running.inbox.rows.counts() == {"open": 3}
    assert "telegram:1:1  open" in capsys.readouterr().out
