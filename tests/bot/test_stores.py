"""The store that the settings name, as an operator meets it."""

import sys
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from bot import stores
from bot.__main__ import main
from bot.settings import Settings, SettingsError, load
from bot.store.inbox_rows import Key
from tests.bot.postgres import IN_ADDRESS, PASSWORD


@pytest.fixture
def settings(settings: pytest.MonkeyPatch, database_url: str) -> pytest.MonkeyPatch:
    """Prepare an empty folder, and settings with an empty database."""
    settings.setenv("DATABASE_URL", database_url)
    return settings


def test_check_names_the_database_and_changes_nothing(
    settings: pytest.MonkeyPatch,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = database_url.replace(f":{IN_ADDRESS}", "")

    assert main(["--check"]) == 0

    said = capsys.readouterr().out
    assert f"Data: {place}; DATA_DIR is not used; 0 messages open, 0 given up\n" in said
    assert list(tmp_path.iterdir()) == []
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchone() == (0,)


@pytest.mark.parametrize("arguments", [[], ["--check"], ["inbox"]])
def test_a_database_that_cannot_be_used_is_one_line_without_its_password(
    settings: pytest.MonkeyPatch,
    database_url: str,
    arguments: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings.setenv("DATABASE_URL", database_url.replace(IN_ADDRESS, "wrong%2Fsecret"))

    assert main(arguments) == 1

    said = capfd.readouterr()
    (line,) = said.err.splitlines()
    place = database_url.replace(f":{IN_ADDRESS}", "")
    assert line.startswith(f"error: DATABASE_URL: {place}: the name or the password is wrong; ")
    assert "secret" not in said.err + said.out


def test_check_fails_where_a_bot_would_not_start_and_the_inbox_can_be_read(
    settings: pytest.MonkeyPatch, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    read_only = f"{database_url}?options=-cdefault_transaction_read_only%3Don"
    settings.setenv("DATABASE_URL", read_only)
    place = database_url.replace(f":{IN_ADDRESS}", "")

    for arguments in (["--check"], []):
        assert main(arguments) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"error: DATABASE_URL: {place}: it is read-only, ")
    assert main(["inbox"]) == 0


def test_a_missing_driver_is_one_line_that_says_how_to_install_it(
    settings: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.setitem(sys.modules, "bot.store.postgres.database", None)

    assert main(["inbox"]) == 1
    said = "error: DATABASE_URL: needs psycopg: pip install -e '.[bot,postgres]'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    "value",
    [
        "mysql://bot:secret@db/bot",
        "db.example",
        "postgresql://bot:se/cret@db/bot",
        "postgresql://bot:se@cret@db/bot",
        "postgresql://bot:se?cret@db/bot",
    ],
)
def test_a_wrong_address_is_refused_without_showing_it(
    value: str, settings: pytest.MonkeyPatch
) -> None:
    settings.setenv("DATABASE_URL", value)

    with pytest.raises(SettingsError) as error:
        load()
    ((key, said),) = error.value.problems
    assert key == "DATABASE_URL"
    assert said.startswith("must be an address such as postgresql://name:password@host:5432/")
    assert "cret" not in said


async def test_two_bots_may_use_a_database_at_once(database_url: str) -> None:
    settings = Settings(database_url=SecretStr(database_url))
    with stores.held(settings), stores.held(settings):
        async with stores.opened(settings) as first, stores.opened(settings) as second:
            assert await first.inbox.accept(Key("telegram", "7", "1"), {})
            await first.chat_settings.set_language("telegram", 7, "de")

            assert await second.chat_settings.language("telegram", 7) == "de"
            assert await second.inbox.rows.counts() == {"open": 1}
    assert PASSWORD not in first.where
