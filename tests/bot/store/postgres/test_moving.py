"""A bot that outgrew its folder takes everything along."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import stores
from bot.settings import Settings, SettingsError
from bot.store.errors import DatabaseError
from bot.store.feedback_rows import FeedbackRow
from bot.store.inbox_rows import Key

OPEN, ANSWERED, GIVEN_UP = (Key("telegram", "7", str(number)) for number in range(3))


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Return a folder that a bot has used."""
    async with stores.opened(Settings(data_dir=tmp_path)) as store:
        for key in (OPEN, ANSWERED, GIVEN_UP):
            await store.inbox.accept(key, {"photo": key.message})
        await store.inbox.note_answered(OPEN, 4)
        await store.inbox.settle(ANSWERED, "answered")
        await store.inbox.settle(GIVEN_UP, "given up", "kicked")
        await store.inbox.rows.mark_read("discord", 5, 2**62)
        await store.chat_settings.set_auto("telegram", 1, True)
        await store.chat_settings.set_language("telegram", 2, "de")
        await store.chat_settings.set_auto("telegram", 3, False)
        await store.chat_settings.set_language("telegram", 3, "fr")
    return tmp_path


async def test_everything_in_a_folder_moves_into_a_database_once(
    folder: Path, database_url: str
) -> None:
    settings = Settings(data_dir=folder, database_url=SecretStr(database_url))

    assert await stores.move(settings) == (3, 3, 0)
    with pytest.raises(DatabaseError, match=r"^DATA_DIR: .* there is no inbox"):
        await stores.move(settings)

    async with stores.opened(settings) as store:
        (row,) = await store.inbox.due("telegram")
        assert (row.key, row.reference) == (OPEN, {"photo": "0"})
        assert await store.inbox.answered_pictures(OPEN) == 4
        assert not await store.inbox.accept(ANSWERED, {})
        (row,) = await store.inbox.rows.having("given up")
        assert (row.key, row.reason, row.reference) == (GIVEN_UP, "kicked", {"photo": "2"})
        assert await store.inbox.rows.last_read("discord") == {"5": 2**62}
        chats = store.chat_settings
        assert [await chats.auto("telegram", chat) for chat in (1, 2, 3)] == [True, False, False]
        said = [await chats.language("telegram", chat) for chat in (1, 2, 3)]
        assert said == [None, "de", "fr"]
    assert {file.name for file in folder.iterdir()} == {
        "bot.lock",
        "chats.sqlite3.moved",
        "inbox.sqlite3.moved",
    }


async def test_a_reason_with_a_character_that_a_database_refuses_moves_without_it(
    folder: Path, database_url: str
) -> None:
    key = Key("telegram", "7", "9")
    async with stores.opened(Settings(data_dir=folder)) as store:
        await store.inbox.accept(key, {})
        await store.inbox.settle(key, "given up", "an answer\0 of zeros")
    settings = Settings(data_dir=folder, database_url=SecretStr(database_url))

    assert await stores.move(settings) == (4, 3, 0)

    async with stores.opened(settings) as store:
        rows = {row.key: row.reason for row in await store.inbox.rows.having("given up")}
    assert rows == {GIVEN_UP: "kicked", key: "an answer of zeros"}


async def test_what_the_database_has_already_stays(folder: Path, database_url: str) -> None:
    settings = Settings(data_dir=folder, database_url=SecretStr(database_url))
    async with stores.opened(settings) as store:
        await store.inbox.accept(OPEN, {})
        await store.inbox.settle(OPEN, "answered")
        await store.chat_settings.set_language("telegram", 2, "cs")

    assert await stores.move(settings) == (2, 2, 0)

    async with stores.opened(settings) as store:
        assert await store.inbox.due("telegram") == []
        assert await store.chat_settings.language("telegram", 2) == "cs"


async def test_feedback_moves_along_and_may_be_said_again(folder: Path, database_url: str) -> None:
    first = FeedbackRow("a" * 64, "A dog runs.", "en", "good")
    second = FeedbackRow("b" * 64, "A cat runs.", "en", "bad", "A dog runs.")
    async with stores.opened(Settings(data_dir=folder, feedback="on")) as store:
        assert store.feedback is not None
        for row in (second, first):
            await store.feedback.put(row)
        before = await store.feedback.all()
    url = SecretStr(database_url)
    settings = Settings(data_dir=folder, database_url=url, feedback="on")

    assert await stores.move(settings) == (3, 3, 2)

    assert not settings.feedback_file.exists()
    async with stores.opened(settings) as store:
        assert store.feedback is not None
        after = await store.feedback.all()
        assert [replace(row, given=0.0) for row in after] == [second, first]
        assert [row.given for row in after] == pytest.approx([row.given for row in before])
        await store.feedback.put(replace(second, verdict="good", correction=None))
        assert [row.verdict for row in await store.feedback.all()] == ["good", "good"]


async def test_a_folder_that_a_bot_uses_does_not_move(folder: Path, database_url: str) -> None:
    with (
        stores.held(Settings(data_dir=folder)),
        pytest.raises(DatabaseError, match="another bot uses this folder"),
    ):
        await stores.move(Settings(data_dir=folder, database_url=SecretStr(database_url)))


async def test_moving_needs_a_database(folder: Path) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: "):
        await stores.move(Settings(data_dir=folder))
