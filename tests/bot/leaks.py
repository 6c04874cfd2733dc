"""Every event that passes the levels of its logger, as it is before anything is masked."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from bot import logs
from tests.bot.discord import fake_payloads
from tests.bot.telegram import fake_telegram

SECRETS = (
    fake_telegram.TOKEN,
    fake_telegram.TOKEN.partition(":")[2],
    fake_payloads.TOKEN,
    "secret-of-",  # tokens of Discord's interactions
)
# Loggers whose levels the bot sets; a level that an earlier test left could hide a bug in that.
CAPPED = (*logs.TALKATIVE, "discord")


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Log everything as a fresh process with LOG_LEVEL=DEBUG would; collect what names a secret.

    What is masked later counts as a leak: levels and mask are to hold without each other. Handlers
    are not asked, because `logs.set_up` replaces them.
    """
    leaks: list[str] = []
    pass_on = logging.Logger.handle

    def handle(logger: logging.Logger, record: logging.LogRecord) -> None:
        text = raw(record)
        if any(secret in text for secret in SECRETS):
            leaks.append(text)
        pass_on(logger, record)

    monkeypatch.setattr(logging.Logger, "handle", handle)
    for name in CAPPED:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger().setLevel(logging.DEBUG)
    yield leaks


def raw(record: logging.LogRecord) -> str:
    """Return all that a record holds: its message, arguments, fields and traceback."""
    trace = traceback.format_exception(record.exc_info[1]) if record.exc_info else ()
    message = ""
    with suppress(TypeError, ValueError):  # its arguments do not fit
        message = record.getMessage()
    return "\n".join((message, repr(vars(record)), *trace))
