"""`python -m bot inbox`: messages that were given up are listed, retried and forgotten."""

import asyncio
from pathlib import Path

import pytest

from bot.store import inbox_command
from bot.store.inbox import Hopeless, Inbox
from bot.store.inbox_rows import Key

GIVEN_UP, OPEN = Key("telegram", "-100", "5"), Key("discord", "7", "press 3")


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    async def fill() -> None:
        async def answer() -> None:
            raise Hopeless("Telegram refuses: kicked")

        async with Inbox(tmp_path / "inbox.sqlite") as inbox:
            for key in (GIVEN_UP, OPEN):
                await inbox.accept(key, None)
            await inbox.handle(GIVEN_UP, answer, answer)

    asyncio.run(fill())
    return Inbox(tmp_path / "inbox.sqlite")


def test_the_list_shows_open_and_given_up_messages_with_the_reason(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbox_command.main([], inbox) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first == ("telegram:-100:5  given up, 0.0 h old, 1 attempt: Telegram refuses: kicked")
    assert second == "discord:7:press 3  open, 0.0 h old, 0 attempts"


@pytest.mark.parametrize("name", ["telegram:-100:5", "all"])
@pytest.mark.parametrize(("action", "left"), [("retry", {"open": 2}), ("forget", {"open": 1})])
def test_a_message_that_was_given_up_can_be_retried_or_forgotten(
    inbox: Inbox, action: str, left: dict[str, int], name: str
) -> None:
    async def counts() -> dict[str, int]:
        async with inbox:
            return await inbox.counts()

    assert inbox_command.main([action, name], inbox) == 0
    assert asyncio.run(counts()) == left


def test_naming_a_message_that_was_not_given_up_is_an_error(
    inbox: Inbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbox_command.main(["forget", "discord:7:press 3", "7"], inbox) == 1

    said = capsys.readouterr()
    assert said.err.splitlines() == [
        "error: no message 'discord:7:press 3' was given up; `list` names them",
        "error: no message '7' was given up; `list` names them",
    ]
    assert said.out == "0 messages forgotten\n"


def test_an_empty_inbox_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inbox_command.main(["list"], Inbox(tmp_path / "inbox.sqlite")) == 0
    assert capsys.readouterr().out == "No message is open or given up.\n"
