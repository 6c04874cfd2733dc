"""Which files of a folder are photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioner.photo.preprocessing import Preprocessing
from train.data.datasets import DatasetError
from train.data.photos import photos_below

SMALL = Preprocessing(size=32)


def test_photos_of_every_suffix_are_found_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    for level, name in enumerate(("a.JPG", "b.jfif", "below/c.jpe", "._d.jpg", "e.txt")):
        with (tmp_path / name).open("wb") as file:
            Image.new("L", (40, 40), 50 * level).save(file, "PNG")
    (tmp_path / "f.jpg").mkdir()
    (tmp_path / "g.jpg").write_text("no photo")

    found = photos_below(tmp_path, 9, SMALL)

    assert sorted(np.unique(found)) == [0, 50, 100]
    assert len(photos_below(tmp_path, 2, SMALL)) == 2


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    (tmp_path / "._a.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=f"{tmp_path} has no photo that can be read"):
        photos_below(tmp_path, 1, SMALL)
