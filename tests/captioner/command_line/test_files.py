"""What the command line reads, and what it does not wait for."""

import io
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from captioner.command_line.files import (
    TOGETHER,
    PhotoFile,
    find,
    one_by_one,
    read,
    read_streams,
)
from captioner.errors import CLOSED_INPUT, NO_FILE, NO_PICTURES, BadImage

LIMIT = 100
pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_files_and_folders_stay_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / name).touch()
    names = ["z.jpg", str(tmp_path), "z.jpg", "-"]
    assert [photo.name for photo in find(names)] == [
        "z.jpg",
        str(tmp_path / "a.jpg"),
        str(tmp_path / "b.jpg"),
        "z.jpg",
        "-",
    ]


def test_a_photo_has_the_same_key_wherever_its_folder_is(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place / "in").mkdir(parents=True)
        (tmp_path / place / "in" / "a.jpg").touch()
    keys = {photo.key for place in ("here", "there") for photo in find([str(tmp_path / place)])}
    assert keys == {"in/a.jpg"}


def test_the_first_photo_is_found_before_other_folders_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").touch()
    listed, scan = list[str](), os.scandir

    def noted(path: Path) -> object:
        listed.append(path.name)
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", noted)
        first = next(find([str(tmp_path)]))
    assert first.name == str(tmp_path / "a" / "x.jpg")
    assert listed == [tmp_path.name, "a"]


async def test_photos_come_one_by_one_in_their_order() -> None:
    photos = [PhotoFile(f"{number}.jpg") for number in range(3 * TOGETHER + 1)]
    assert [photo async for photo in one_by_one(iter(photos))] == photos
    assert [photo async for photo in one_by_one([])] == []


def test_a_folder_without_photos_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert list(find([str(tmp_path)])) == [PhotoFile(str(tmp_path), problem=NO_PICTURES)]


def test_a_folder_that_cannot_be_read_stands_where_its_photos_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").touch()

    def guarded(path: Path) -> object:
        if path.name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", guarded)
        found = list(find([str(tmp_path)]))
    assert found == [
        PhotoFile(str(tmp_path / "a" / "x.jpg")),
        PhotoFile(str(tmp_path / "b"), problem="Permission denied"),
        PhotoFile(str(tmp_path / "c" / "x.jpg")),
    ]


def test_a_name_longer_than_any_file_has_is_looked_for_and_not_found() -> None:
    (photo,) = find(["x" * 300])
    with pytest.raises(OSError, match="name too long"):
        read(photo, LIMIT)


def test_standard_input_is_read_once_however_often_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin(monkeypatch, b"photo")
    streams = read_streams(["-", "a.jpg", "-"], LIMIT)
    assert streams == {"-": PhotoFile("-", data=b"photo")}
    assert read(streams["-"], LIMIT) == b"photo"


def test_standard_input_above_the_limit_is_not_read_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin(monkeypatch, b"x" * 2**21)
    (photo,) = read_streams(["-"], 2**20).values()
    assert photo.problem == "The file is too large: more than 1 MB, which is the limit."
    assert len(sys.stdin.buffer.read()) == 2**20 - 1


def test_standard_input_that_is_closed_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert read_streams(["-"], LIMIT) == {"-": PhotoFile("-", problem=CLOSED_INPUT)}


def test_a_file_above_the_limit_is_not_read_and_has_its_own_size(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with open(large, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(BadImage) as refused:
        read(PhotoFile(str(large)), LIMIT)
    assert refused.value.numbers == {"size": 2**40, "limit": LIMIT}


@pipes
def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    (photo,) = read_streams([str(tmp_path / "x.jpg")], LIMIT).values()
    assert photo.data == b""


@pipes
def test_a_photo_comes_through_a_pipe_however_slowly(tmp_path: Path) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb", buffering=0) as pipe:
            for part in (b"pho", b"to"):
                threading.Event().wait(0.05)
                pipe.write(part)

    writer = threading.Thread(target=write)
    writer.start()
    (photo,) = read_streams([f"/dev/fd/{reading}"], LIMIT).values()
    writer.join()
    os.close(reading)
    assert photo.data == b"photo"


@pipes
def test_devices_and_sockets_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.jpg").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)  # a socket's name must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("y.jpg")
        for name in ("x.jpg", "y.jpg"):
            assert read_streams([name], LIMIT) == {}
            (photo,) = find([name])
            with pytest.raises(OSError, match=NO_FILE):
                read(photo, LIMIT)
