"""The answer to /stats."""

from pathlib import Path

from bot import metrics
from bot.stats import Stats
from bot.store.inbox import Inbox
from bot.store.inbox_rows import Key
from bot.store.sqlite.inbox_rows import SqliteRows


async def test_statistics_count_answers_and_what_is_waiting(tmp_path: Path) -> None:
    async with Inbox(SqliteRows(tmp_path / "inbox.sqlite")) as inbox:
        await inbox.accept(Key("telegram", "7", "1"), None)
        metrics.PHOTOS.labels("telegram", "captioned").inc()

        lines = (await Stats(inbox, lambda: 4).text()).splitlines()

    assert lines[0] == "I have been running for 0.0 hours."
    assert any(line.startswith("telegram, captioned: ") for line in lines)
    assert "Waiting for a batch: 4" in lines
    assert "In the inbox: 1 open, 0 given up" in lines
    assert lines[-1].startswith("Memory: ")
