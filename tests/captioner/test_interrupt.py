"""Ctrl-C ends a command without a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from captioner.interrupt import ending_at_once, run

ROOT = Path(__file__).parents[2]
# What a library in C may do: it makes another error of the interrupt.
LIBRARY = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100): pass
except KeyboardInterrupt:
    raise ImportError("initialization failed")
"""


def test_an_interrupted_command_has_the_status_that_shells_report() -> None:
    def main() -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    assert run(main) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
@pytest.mark.parametrize("arguments", [["x.jpg"], ["export", "--photos", "x"]])
def test_an_interrupt_during_the_imports_ends_the_command_at_once(
    tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "numpy.py").write_text(LIBRARY)
    done = subprocess.run(
        [sys.executable, "-m", "captioner", *arguments],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_a_signal_that_a_shell_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_after_the_block_an_interrupt_is_an_exception_again() -> None:
    with ending_at_once():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
