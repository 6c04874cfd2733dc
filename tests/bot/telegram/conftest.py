"""What the tests of Telegram's room start from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.telegram.chat import Kept, alone, kept_in
from tests.bot.telegram.fake_telegram import FakeTelegram


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of this machine out, and pauses short."""
    alone(tmp_path, monkeypatch)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram().serve() as server:
        yield server


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    async with kept_in(tmp_path) as kept:
        yield kept
