from pathlib import Path

import pytest

from captioner.files import replacing, unwritable, unwritable_folder


def write_half(path: Path) -> None:
    with replacing(path) as part, part.open("w", encoding="ascii") as file:
        file.write("half of the n")
        file.write("\N{LATIN SMALL LETTER O WITH DIAERESIS}te")


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_half(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    assert unwritable_folder(tmp_path / "a" / "b") is None
    assert unwritable(tmp_path / "note") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "n" * 300])
def test_what_cannot_be_a_folder_is_said_with_the_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert unwritable_folder(tmp_path / name) in ("Not a directory", "File name too long")


def test_a_folder_that_nothing_can_be_written_in_is_said_even_to_root() -> None:
    assert unwritable_folder(Path("/proc/folder"))
    assert str(unwritable(Path("/proc/note"))).endswith(": /proc")
