"""The file of `--resume`: what is kept, and which files are refused."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioner import Caption
from captioner.command_line.record import BESIDE, Record, RecordError, opened
from captioner.command_line.settings import differences

CAPTION = Caption("A dog runs.", -1.0, 0.9, ())
SETTINGS = {"checkpoint": "a" * 64, "beam": 5, "language": None}
LATIN = os.fsdecode(b"photo\xe9.jpg")
ODD = ["a\nb.jpg", 'a "b".jpg', "naïve 名.jpg", LATIN, "\U0001f600.jpg", "\x00\x1b.jpg", "\\n"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def write(out: Path, *names: str, result: Caption | str = CAPTION) -> None:
    with opened(out, SETTINGS) as record:
        for name in names:
            assert record.begin(name)
            record.add(name, result)


def refusal(out: Path, made: dict[str, Any] = SETTINGS) -> str:
    with pytest.raises(RecordError) as refused, opened(out, made):
        pytest.fail("it was opened")
    return refused.value.reason


def test_what_is_done_is_known_by_the_next_run_whatever_its_name(out: Path) -> None:
    write(out, *ODD)
    with opened(out, SETTINGS) as record:
        assert not any(record.begin(name) for name in ODD)
        assert record.begin("other.jpg")
    lines = out.read_text("utf-8").splitlines()
    assert len(out.read_bytes().split(b"\n")) == len(ODD) + 1
    assert [json.loads(line)["caption"] for line in lines] == ["A dog runs."] * len(ODD)


def test_a_photo_is_begun_once(out: Path) -> None:
    with opened(out, SETTINGS) as record:
        assert record.begin("a.jpg")
        assert not record.begin("a.jpg")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_wherever_a_file_is_cut_off_its_whole_lines_are_kept_and_the_rest_is_done_again(
    tmp_path: Path, data: st.DataObject
) -> None:
    out = tmp_path / "cut.jsonl"
    out.unlink(missing_ok=True)
    names = ["a.jpg", "naïve.jpg", LATIN]
    write(out, *names)
    whole = out.read_bytes()
    cut = data.draw(st.integers(1, len(whole)))
    out.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with opened(out, SETTINGS) as record:
        missing = [name for name in names if record.begin(name)]
        assert missing == names[kept:]
        for name in missing:
            record.add(name, CAPTION)
    assert out.read_bytes() == whole


def test_zeros_that_a_crash_of_the_machine_left_are_cut_off(out: Path) -> None:
    write(out, "a.jpg")
    whole = out.read_bytes()
    out.write_bytes(whole + bytes(4096))
    write(out, "b.jpg")
    assert out.read_bytes().startswith(whole)
    assert len(out.read_bytes().splitlines()) == 2


def test_failures_are_counted_and_only_tried_again_if_asked(out: Path) -> None:
    write(out, "a.jpg", "b.jpg")
    write(out, "broken.jpg", result="It is broken.")
    with opened(out, SETTINGS) as record:
        assert record.failed == 1
        assert not record.begin("broken.jpg")
    with opened(out, SETTINGS, retry_failed=True) as record:
        assert record.failed == 0
        assert not record.begin("a.jpg")
        assert record.begin("broken.jpg")
        record.add("broken.jpg", CAPTION)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["file"] for one in found] == ["a.jpg", "b.jpg", "broken.jpg"]
    assert not any("error" in one for one in found)


def test_other_settings_are_refused_and_named(out: Path) -> None:
    write(out, "a.jpg")
    before = out.read_bytes()
    reason = refusal(out, {"checkpoint": "b" * 64, "beam": 3, "language": "de"})
    assert "other settings made it: checkpoint was aaaa" in reason
    assert "beam was 5 and is 3" in reason
    assert "language was not set and is de" in reason
    assert "name another file" in reason
    assert out.read_bytes() == before
    write(out, "b.jpg")  # with the first ones it goes on


def test_settings_are_compared_as_json_holds_them() -> None:
    assert differences({"a": 1}, {"a": 1, "b": None}) == ""
    assert differences({"a": 1}, {"a": 2}) == "a was 1 and is 2"


def test_an_empty_file_takes_new_settings(out: Path) -> None:
    write(out)
    with opened(out, {"beam": 1}):
        pass
    assert json.loads(out.with_name(out.name + BESIDE).read_text())["beam"] == 1


@pytest.mark.parametrize("content", [b"{}\n", b"a,b\n1,2\n", b"half"])
def test_a_file_of_another_program_is_refused_and_left_alone(out: Path, content: bytes) -> None:
    out.write_bytes(content)
    assert "out.jsonl.made, which says what made it, is not beside it" in refusal(out)
    assert list(out.parent.iterdir()) == [out]
    assert out.read_bytes() == content


@pytest.mark.parametrize("line", ["not json", "[" * 100_000, r'{"file": "\ud800"}', "", "5"])
def test_a_strange_line_is_named_by_its_number(out: Path, line: str) -> None:
    write(out, "a.jpg")
    with out.open("a") as file:
        file.write(f"{line}\n")
    assert refusal(out).startswith("line 2 is not one that this program writes")


def test_damaged_settings_are_one_error(out: Path) -> None:
    write(out, "a.jpg")
    out.with_name(out.name + BESIDE).write_text("{")
    assert "is damaged" in refusal(out)


def test_a_folder_is_no_file(tmp_path: Path, out: Path) -> None:
    assert refusal(tmp_path) == "it is not a file"
    out.with_name(out.name + BESIDE).mkdir()
    assert refusal(out).startswith("out.jsonl.made, where it says what made it, is a folder")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such locks")
def test_a_second_process_is_refused_until_the_first_has_ended(out: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from captioner.command_line.record import opened\n"
        f"with opened(Path(sys.argv[1]), {SETTINGS!r}):\n"
        "    print('open', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert first.stdin
    assert first.stdout
    with first:
        first.stdout.readline()
        assert "another process writes it" in refusal(out)
        first.kill()
    write(out, "a.jpg")


def test_a_line_that_a_full_disk_cuts_is_taken_back(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, "a.jpg")
    before = out.read_bytes()
    calls, real = list[bytes](), os.write

    def half(descriptor: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 1:
            return real(descriptor, data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def add(record: Record) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", half)
            record.add("b.jpg", CAPTION)

    with opened(out, SETTINGS) as record, pytest.raises(RecordError) as full:
        add(record)
    assert str(full.value) == f"{out}: No space left on device"
    assert out.read_bytes() == before
    write(out, "b.jpg")
