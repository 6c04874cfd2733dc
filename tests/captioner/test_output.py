"""What is printed where an output is closed, full, or in another code page."""

import io
import sys
from pathlib import Path

import pytest

from captioner.output import OutputError, complain, flush, is_utf_8, prepare, say

FULL = Path("/dev/full")
on_linux = pytest.mark.skipif(not FULL.exists(), reason="there is no such device")


def printed(monkeypatch: pytest.MonkeyPatch, line: str, encoding: str) -> bytes:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding, newline="\n"))
    prepare()
    say(line)
    return file.getvalue().removesuffix("\n".encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("ascii", rb"na\xefve \u540d photo\udce9"),
        ("cp1252", b"na\xefve \\u540d photo\\udce9"),
        ("utf-8", "naïve 名 photo".encode() + b"\xe9"),
        ("utf-16-le", "naïve 名 photo\\udce9".encode("utf-16-le")),
    ],
)
def test_every_text_is_printed_in_every_code_page(
    monkeypatch: pytest.MonkeyPatch, encoding: str, line: bytes
) -> None:
    assert printed(monkeypatch, "naïve 名 photo\udce9", encoding) == line


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8", "cp1252", "ascii"])
def test_utf_8_is_known_by_all_its_names(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    assert is_utf_8(stream) == encoding.lower().startswith("u")


def test_a_closed_standard_output_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError, match="Bad file descriptor"):
        say("a caption")


def test_a_closed_standard_error_does_not_let_problems_reach_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    prepare()
    complain("a problem")
    sys.stderr.close()
    assert capsys.readouterr().out == ""


@on_linux
def test_a_full_standard_output_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError, match="No space left on device"):
            say("a caption")
        flush()  # as at the end of the interpreter, where it would be a second message


@on_linux
def test_a_full_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        complain("a problem")
        full.flush()
