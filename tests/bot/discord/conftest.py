"""What every test of the bot on Discord uses."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.discord import turns
from bot.store import inbox
from tests.bot.discord.world import World, a_world, quiet_log


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.chdir(tmp_path)  # away from any .env
    async with a_world(tmp_path) as world:
        yield world


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with quiet_log(caplog):
        yield


@pytest.fixture
def quick_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the inbox try again almost at once."""
    monkeypatch.setattr(inbox, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(inbox, "FIRST_PAUSE", 0.02)


@pytest.fixture
def quick_identify(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the pauses of 5 seconds before another session begins, the library's and ours."""

    async def skip(*args: Any, **kwargs: Any) -> None:
        return None

    monkeypatch.setattr(discord.Client, "before_identify_hook", skip)
    monkeypatch.setattr(turns, "SECONDS", 0.0)
