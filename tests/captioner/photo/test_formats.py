"""Which names are taken for photos."""

import pytest

from captioner.photo.formats import is_photo_name


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "a.JPE",
        "a.jfif",
        "a.mpo",
        "DSC1.HIF",
        "b.heif",
        "a/b.heic",
        "a.b.png",
        "a.jp2",
        "a.J2K",
        "a.jpx",
    ],
)
def test_a_photo_is_known_by_its_suffix_in_any_case(name: str) -> None:
    assert is_photo_name(name)


@pytest.mark.parametrize("name", ["._a.jpg", ".jpg", "folder/.a.png", "jpg", "a.txt", "a.jpg.part"])
def test_hidden_and_other_files_are_no_photos(name: str) -> None:
    assert not is_photo_name(name)
