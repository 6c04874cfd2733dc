"""The servers of these tests speak no TLS, and each client would read every authority first."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trustme

from bot import languages
from bot.settings import Settings
from tests.bot.postgres import PostgresServer, serving
from tests.bot.process import Start, running
from tests.bot.speaking import MARKED


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of one authority."""
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.fixture(scope="module", autouse=True)
def one_authority(authority: Path) -> Iterator[None]:
    """Have clients read one authority instead of 140, which take them a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(authority))
        yield


@pytest.fixture
def translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Translate every sentence of the bot."""
    monkeypatch.setattr(languages, "CATALOGUES", MARKED)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server, one for each process of the tests."""
    with serving() as server:
        yield server


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """Return the address of an empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def start(tmp_path: Path, served_file: Path) -> Start:
    """Return a function that runs `python -m bot` in an empty folder, with a test's settings."""
    return partial(running, tmp_path, served_file)


@pytest.fixture
def settings(
    tmp_path: Path, served_file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[pytest.MonkeyPatch]:
    """Prepare an empty folder for `main` in this process; the patch returned sets keys."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CAPTIONER_CHECKPOINT", str(served_file))
    monkeypatch.setenv("WEB_PORT", "0")
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield monkeypatch
    logger.handlers[:], logger.level = before
