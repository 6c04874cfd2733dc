"""`python -m bot inbox`: messages that were given up are listed, retried and forgotten."""

import asyncio
from pathlib import Path

import pytest

from bot.store import inbox_command
from bot.store.errors import DatabaseError
from bot.store.inbox import Hopeless, Inbox
from bot.store.inbox_rows import Key

GIVEN_UP, OPEN = Key("telegram", "-100", "5"), Key("discord", "7", "press 3")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    async def fill() -> None:
        async def answer() -> None:
            raise Hopeless("Telegram refuses: kicked")

        async with Inbox(tmp_path / "inbox.sqlite") as inbox:
            for key in (GIVEN_UP, OPEN):
                await inbox.accept(key, None)
            await inbox.handle(GIVEN_UP, answer, answer)

    asyncio.run(fill())
    return tmp_path / "inbox.sqlite"


def run(inbox: Path, *arguments: str) -> int:
    return inbox_command.main(arguments, lambda: inbox)


def test_the_list_shows_open_and_given_up_messages_with_the_reason(
    inbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(inbox) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first == ("telegram:-100:5  given up, 0.0 h old, 1 attempt: Telegram refuses: kicked")
    assert second == "discord:7:press 3  open, 0.0 h old, 0 attempts"


@pytest.mark.parametrize("name", ["telegram:-100:5", "all"])
@pytest.mark.parametrize(("action", "left"), [("retry", {"open": 2}), ("forget", {"open": 1})])
def test_a_message_that_was_given_up_can_be_retried_or_forgotten(
    inbox: Path, action: str, left: dict[str, int], name: str
) -> None:
    async def counts() -> dict[str, int]:
        async with Inbox(inbox) as opened:
            return await opened.counts()

    assert run(inbox, action, name) == 0
    assert asyncio.run(counts()) == left


def test_naming_a_message_that_was_not_given_up_is_an_error(
    inbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(inbox, "forget", "discord:7:press 3", "7") == 1

    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "error: no message 'discord:7:press 3' was given up; `list` names them",
        "error: no message '7' was given up; `list` names them",
    ]
    assert said.out == "0 messages forgotten\n"


def test_an_empty_inbox_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "inbox.sqlite").touch()

    assert run(tmp_path / "inbox.sqlite", "list") == 0
    assert capsys.readouterr().out == "No message is open or given up.\n"


@pytest.mark.parametrize("arguments", [[], ["list"], ["retry", "all"], ["forget", "all"]])
def test_an_inbox_that_is_not_there_is_named_and_not_created(
    arguments: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "mistyped" / "inbox.sqlite"

    with pytest.raises(DatabaseError, match=f"^DATA_DIR: {path.parent}: there is no inbox"):
        run(path, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_list_changes_nothing(inbox: Path) -> None:
    before = inbox.read_bytes(), inbox.stat().st_mtime_ns

    assert run(inbox, "list") == 0
    assert (inbox.read_bytes(), inbox.stat().st_mtime_ns) == before


async def test_messages_are_listed_and_retried_while_the_bot_runs(
    inbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Inbox(inbox) as running:
        await running.accept(Key("telegram", "1", "1"), None)
        assert await asyncio.to_thread(run, inbox, "list") == 0
        assert await asyncio.to_thread(run, inbox, "retry", "all") == 0

        assert await running.counts() == {"open": 3}
    assert "telegram:1:1  open" in capsys.readouterr().out
