"""The bar of a long run, on a terminal and elsewhere."""

import io
import re
import sys
import threading

import pytest

from captioner.command_line.progress import HIDDEN, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def counted() -> None:
    for thread in threading.enumerate():
        if thread.name == "count":
            thread.join()


def test_photos_that_were_done_before_count_and_do_not_raise_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(lambda: 2000) as progress:
        counted()
        for _ in range(1000):
            progress.skip()
        threading.Event().wait(0.05)
        progress.add()
    last = terminal.getvalue().rsplit("\r", 1)[-1]
    assert "1001/2000" in last
    rate = re.search(r"([\d.]+)photo/s", last)
    assert rate
    assert 1 < float(rate[1]) < 20  # one photo in a twentieth of a second or more


@pytest.mark.parametrize("terminal", [io.StringIO(), None])
def test_nothing_is_shown_or_counted_where_nobody_sees_it(
    terminal: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    for progress in (Progress(pytest.fail), HIDDEN):
        with progress:
            progress.add()
            progress.skip()
            progress.clear()
    assert terminal is None or terminal.getvalue() == ""
