from pathlib import Path

import pytest

from captioner.files import replacing


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
