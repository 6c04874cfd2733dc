"""Which files of a folder are its photos."""

import os
from pathlib import Path

import pytest

from captioner.photo.folders import photos_in


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a photo")


def names_in(folder: Path) -> list[str]:
    listing = photos_in(str(folder))
    assert not listing.unreadable
    return [str(Path(name).relative_to(folder)) for name in listing.photos]


def test_photos_are_found_at_any_depth_in_the_order_of_their_folders_and_names(
    tmp_path: Path,
) -> None:
    put(tmp_path, "b.jpg", "a/z.png", "a.b/x.jpg", "a/deep/y.jfif", "B.JPG", "a.HEIC")
    assert names_in(tmp_path) == [
        "B.JPG",
        "a/deep/y.jfif",
        "a/z.png",
        "a.HEIC",
        "a.b/x.jpg",
        "b.jpg",
    ]


def test_hidden_files_hidden_folders_and_other_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "._a.jpg", ".thumbnails/a.jpg", "in/.git/a.jpg", "notes.txt", "jpg")
    assert names_in(tmp_path) == ["a.jpg"]


def test_a_hidden_folder_that_is_named_is_searched(tmp_path: Path) -> None:
    put(tmp_path, ".hidden/a.jpg")
    assert names_in(tmp_path / ".hidden") == ["a.jpg"]


def test_a_folder_with_the_name_of_a_photo_is_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "x.jpg/a.jpg")
    assert names_in(tmp_path) == ["x.jpg/a.jpg"]
    assert names_in(tmp_path / "x.jpg") == ["a.jpg"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    put(tmp_path, "in/a.jpg")
    (tmp_path / "in" / "up").symlink_to(tmp_path)
    (tmp_path / "in" / "self").symlink_to("self")
    assert names_in(tmp_path) == ["in/a.jpg"]


def test_a_linked_file_is_found_and_a_link_to_nowhere_is_not_passed_over_in_silence(
    tmp_path: Path,
) -> None:
    put(tmp_path, "a.jpg", "in/b.txt")
    (tmp_path / "in" / "linked.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "in" / "nowhere.jpg").symlink_to(tmp_path / "missing.jpg")
    assert names_in(tmp_path / "in") == ["linked.jpg", "nowhere.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no such files")
def test_pipes_and_devices_are_no_photos_whatever_their_names(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    assert names_in(tmp_path) == ["a.jpg"]


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a/x.jpg", "locked/y.jpg", "z/z.jpg")
    scan = os.scandir

    def guarded(path: Path) -> object:  # the tests may run as root, who may read everything
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", guarded)
        listing = photos_in(str(tmp_path))
    assert listing.photos == [str(tmp_path / "a" / "x.jpg"), str(tmp_path / "z" / "z.jpg")]
    assert listing.unreadable == {str(tmp_path / "locked"): "Permission denied"}
