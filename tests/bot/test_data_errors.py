"""An answer that fails because the data folder cannot be used is tried again, without a word."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from bot.discord.errors import inbox_errors as discord_errors
from bot.store.errors import DatabaseError
from bot.store.inbox import NotYet
from bot.telegram.errors import inbox_errors as telegram_errors


@pytest.mark.parametrize("errors", [discord_errors, partial(telegram_errors, "12345:abcdef")])
def test_an_answer_that_needs_the_folder_is_tried_again(
    errors: Callable[[], AbstractContextManager[None]], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotYet, match=r"^DATA_DIR: /srv/data: the disk is full$"), errors():
        raise DatabaseError(Path("/srv/data"), "the disk is full")
    assert not caplog.records
