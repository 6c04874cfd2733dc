"""Fixtures of Telegram's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.chat import Store, isolate, open_store
from tests.bot.telegram.fake_telegram import FakeTelegram


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the settings of this machine, and shorten the bot's pauses."""
    isolate(tmp_path, monkeypatch)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram().serve() as server:
        yield server


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path) as store:
        yield store
