"""What is logged holds no token."""

import logging
from collections.abc import Iterator

import pytest

from bot import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """Put the root logger back as it was."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    yield
    logger.handlers[:], logger.level = before


def test_tokens_are_masked_in_messages_and_traces(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("INFO", ["12345:secret"])

    logging.getLogger("bot").info("fetching /file/bot12345:secret/photo.jpg")
    try:
        raise ValueError("bad 12345:secret")
    except ValueError:
        logging.getLogger("bot").exception("failed")

    said = capsys.readouterr().err
    assert "secret" not in said
    assert said.count("[token]") == 3  # the message, the traced line of code, the error
    assert "/photo.jpg" in said


def test_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("DEBUG")

    logging.getLogger("httpx").info("GET https://example.org")
    assert capsys.readouterr().err == ""
