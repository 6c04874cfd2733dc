"""Photos and frozen features: computed once, and never a stale or a broken one."""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioner.config import ModelConfig
from captioner.model import Encoder
from captioner.photo import decode
from captioner.photo.preprocessing import Pixels, Preprocessing
from tests.train.slim import CHANNELS
from tests.train.tiny_dataset import write_dataset
from train import captioning
from train.data import array_files
from train.data.augmentation import Augmentation
from train.data.contents import contents
from train.data.datasets import DatasetError, Record, read
from train.data.feature_cache import Data, compute, compute_views

pytestmark = pytest.mark.usefixtures("slim_resnet18")

SMALL = Preprocessing(size=64)  # a grid of two by two regions
Photos = tuple[Record, ...]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "CHUNK", 5)
    monkeypatch.setattr(captioning, "half_is_fast", lambda device: False)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return build(seed=1)


def build(seed: int) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(ModelConfig(vocabulary_size=5, encoder="resnet18", hidden_size=8)).eval()


@pytest.fixture
def records(tmp_path: Path) -> Photos:
    return read(write_dataset(tmp_path / "data")).split("train")


def encode(records: Photos, encoder: Encoder, folder: Path) -> Data:
    return compute(records, encoder, folder, "cpu", SMALL)


@contextmanager
def counting(encoder: Encoder, stop_after: int = 1000) -> Iterator[list[int]]:
    """Record the size of each batch that is encoded."""
    batches: list[int] = []

    def note(_: object, photos: tuple[torch.Tensor, ...]) -> None:
        if len(batches) == stop_after:
            raise KeyboardInterrupt
        batches.append(len(photos[0]))

    hook = encoder.resnet.conv1.register_forward_pre_hook(note)
    yield batches
    hook.remove()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note every photo that is decoded."""
    files: list[bytes] = []

    def note(data: bytes, *rest: Any, **named: Any) -> Pixels:
        files.append(data)
        return decode.decode(data, *rest, **named)

    monkeypatch.setattr("train.data.photos.decode", note)
    return files


def test_photos_are_squeezed_and_encoded_as_by_the_captioner(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    data = encode(records, encoder, tmp_path / "cache")

    assert data.records == records
    assert (data.photos.shape, data.photos.dtype) == ((12, 3, 64, 64), np.uint8)
    assert (data.grids.shape, data.grids.dtype) == ((12, 4, CHANNELS), np.float16)
    squares = np.stack([SMALL.squeeze(decode.decode(r.photo.read_bytes())) for r in records])
    photos = squares.transpose(0, 3, 1, 2)
    assert np.array_equal(data.photos, photos)
    with torch.inference_mode():
        grids = encoder.grid(SMALL.normalize(torch.from_numpy(photos)))
    torch.testing.assert_close(
        torch.from_numpy(np.array(data.grids)).float(), grids, rtol=1e-3, atol=1e-3
    )


def test_the_grid_of_a_whole_sized_photo_has_seven_by_seven_regions(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    data = compute(records[:1], encoder, tmp_path / "cache", "cpu", Preprocessing())

    assert data.photos.shape == (1, 3, 224, 224)
    assert data.grids.shape == (1, 49, CHANNELS)


def test_without_an_encoder_there_are_photos_alone(records: Photos, tmp_path: Path) -> None:
    data = compute(records, None, tmp_path / "cache", "cpu", SMALL)

    assert (data.photos.shape, data.grids.size) == ((12, 3, 64, 64), 0)
    assert not (tmp_path / "cache" / "grids.npy").exists()


def test_features_are_computed_once(
    records: Photos, encoder: Encoder, tmp_path: Path, opened: list[bytes]
) -> None:
    with counting(encoder) as batches:
        first = encode(records, encoder, tmp_path / "cache")
        assert (sum(batches), len(opened)) == (12, 12)
        second = encode(records, encoder, tmp_path / "cache")

    assert (sum(batches), len(opened)) == (12, 12)
    assert np.array_equal(first.grids, second.grids)
    assert np.array_equal(first.photos, second.photos)
    assert isinstance(second.grids, np.memmap)
    assert isinstance(second.photos, np.memmap)


def test_a_dataset_that_moved_is_not_encoded_again(
    records: Photos, encoder: Encoder, tmp_path: Path, opened: list[bytes]
) -> None:
    encode(records, encoder, tmp_path / "cache")
    shutil.move(tmp_path / "data", tmp_path / "moved")
    moved = read(tmp_path / "moved").split("train")
    with counting(encoder) as batches:
        data = encode(moved, encoder, tmp_path / "cache")

    assert (batches, len(opened)) == ([], 12)
    assert data.records == moved


def test_interrupted_features_continue_where_they_stopped(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    whole = encode(records, encoder, tmp_path / "whole")
    with counting(encoder, stop_after=2) as batches, pytest.raises(KeyboardInterrupt):
        encode(records, encoder, tmp_path / "cache")
    assert batches == [5, 5]
    with counting(encoder) as batches:
        data = encode(records, encoder, tmp_path / "cache")

    assert batches == [2]
    assert np.array_equal(data.grids, whole.grids)


def test_interrupted_photos_continue_where_they_stopped(
    records: Photos, encoder: Encoder, tmp_path: Path, opened: list[bytes]
) -> None:
    whole = encode(records, encoder, tmp_path / "whole")
    opened.clear()
    hindered = Record(Interrupting(records[7].photo), records[7].captions, "train")
    with pytest.raises(KeyboardInterrupt):
        encode((*records[:7], hindered, *records[8:]), encoder, tmp_path / "cache")
    assert len(opened) == 7
    data = encode(records, encoder, tmp_path / "cache")

    assert len(opened) == 7 + 7  # of the second chunk's five, two were lost
    assert np.array_equal(data.photos, whole.photos)
    assert np.array_equal(data.grids, whole.grids)


class Interrupting(type(Path())):  # type: ignore[misc]
    """A photo at which somebody presses Ctrl-C."""

    def read_bytes(self) -> bytes:
        raise KeyboardInterrupt


def test_another_encoder_encodes_the_same_photos_again(
    records: Photos, encoder: Encoder, tmp_path: Path, opened: list[bytes]
) -> None:
    first = np.array(encode(records, encoder, tmp_path / "cache").grids)
    other = build(seed=2)
    with counting(other) as batches:
        second = encode(records, other, tmp_path / "cache")

    assert (sum(batches), len(opened)) == (12, 12)
    assert not np.allclose(first, second.grids, rtol=0.1)


def test_other_photos_replace_the_first(records: Photos, encoder: Encoder, tmp_path: Path) -> None:
    encode(records, encoder, tmp_path / "cache")
    others = read(tmp_path / "data").split("test")
    with counting(encoder) as batches:
        data = encode(others, encoder, tmp_path / "cache")

    assert sum(batches) == len(others) == len(data.photos) == len(data.grids)
    expected = encode(others, encoder, tmp_path / "fresh")
    assert np.array_equal(data.photos, expected.photos)
    assert np.array_equal(data.grids, expected.grids)


def test_features_that_another_encoder_began_to_overwrite_are_not_used(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    first = np.array(encode(records, encoder, tmp_path / "cache").grids)
    with counting(other := build(seed=2), stop_after=0), pytest.raises(KeyboardInterrupt):
        encode(records, other, tmp_path / "cache")
    again = encode(records, encoder, tmp_path / "cache")

    assert np.array_equal(again.grids, first)


def test_a_broken_photo_is_left_out_by_name(
    records: Photos, encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = encode(records, encoder, tmp_path / "whole")
    cut = records[6].photo
    cut.write_bytes(cut.read_bytes()[:300])
    records[2].photo.unlink()
    with caplog.at_level(logging.WARNING):
        data = encode(records, encoder, tmp_path / "cache")

    said = [record.getMessage() for record in caplog.records]
    assert [str(records[2].photo) in said[0], str(cut) in said[1], len(said)] == [True, True, 2]
    assert "is left out: The picture is damaged" in said[1]
    good = [index for index in range(12) if index not in (2, 6)]
    assert list(data.records) == [records[index] for index in good]
    assert np.array_equal(data.photos, whole.photos[good])
    np.testing.assert_allclose(data.grids, whole.grids[good], rtol=2e-3, atol=2e-3)


def test_a_broken_photo_stays_left_out(
    records: Photos, encoder: Encoder, tmp_path: Path, opened: list[bytes]
) -> None:
    records[2].photo.write_bytes(b"no photo")
    first = encode(records, encoder, tmp_path / "cache")
    opened.clear()
    second = encode(records, encoder, tmp_path / "cache")

    assert opened == []
    assert second.records == first.records
    assert len(second.records) == len(second.photos) == len(second.grids) == 11


def test_an_error_is_raised_if_all_photos_are_broken(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    for record in records:
        record.photo.write_bytes(b"no photo")

    with pytest.raises(DatasetError, match="Flicker8k_Dataset: none of its 12 photos can be read"):
        encode(records, encoder, tmp_path / "cache")


def test_half_precision_gives_nearly_the_same_features(
    records: Photos, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = encode(records, encoder, tmp_path / "single").grids.astype(np.float32)
    monkeypatch.setattr(captioning, "half_is_fast", lambda device: True)
    half = encode(records, encoder, tmp_path / "half").grids.astype(np.float32)

    assert not np.array_equal(single, half)
    assert np.linalg.norm(single - half) < 0.05 * np.linalg.norm(single)


def test_views_are_encoded_from_changed_photos_and_kept(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    data = compute(records, None, tmp_path, "cpu", SMALL)
    augmentation = Augmentation(crop=0.3)

    def views() -> list[np.ndarray[Any, Any]]:
        return compute_views(data, encoder, tmp_path, "cpu", augmentation, 2, SMALL)

    with counting(encoder) as encoded:
        first, second = views()
    assert sum(encoded) == 2 * len(records)
    plain = encode(records, encoder, tmp_path).grids
    assert first.shape == second.shape == plain.shape
    # Views of a photo differ from each other and from the photo.
    for one, another in ((first, second), (first, plain), (second, plain)):
        assert all(not np.array_equal(a, b) for a, b in zip(one, another, strict=True))
    with counting(encoder) as encoded:
        again = views()
    assert not encoded
    assert all(map(np.array_equal, again, (first, second)))


def test_views_of_another_augmentation_are_computed_again(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    data = compute(records, None, tmp_path, "cpu", SMALL)
    [before] = compute_views(data, encoder, tmp_path, "cpu", Augmentation(0.9), 1, SMALL)
    kept = np.array(before)
    [after] = compute_views(data, encoder, tmp_path, "cpu", Augmentation(0.2), 1, SMALL)
    assert not np.array_equal(kept, after)


@pytest.mark.parametrize("keep_times", [False, True])
def test_photos_that_others_replaced_are_encoded_again(
    keep_times: bool, records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    replaced, other = records[3].photo, records[5].photo
    length = max(replaced.stat().st_size, other.stat().st_size)
    for photo in (replaced, other):  # what is behind its end is no part of a JPEG
        photo.write_bytes(photo.read_bytes().ljust(length, b"\0"))
    first = np.array(encode(records, encoder, tmp_path / "cache").grids)
    before = replaced.stat()
    replaced.write_bytes(other.read_bytes())
    if keep_times:
        os.utime(replaced, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = encode(records, encoder, tmp_path / "cache").grids

    assert replaced.stat().st_size == before.st_size
    assert np.array_equal(second[3], first[5])
    assert not np.array_equal(second[3], first[3])


def test_views_of_photos_that_others_replaced_are_encoded_again(
    records: Photos, encoder: Encoder, tmp_path: Path
) -> None:
    def view() -> np.ndarray[Any, Any]:
        data = compute(records, None, tmp_path, "cpu", SMALL)
        return compute_views(data, encoder, tmp_path, "cpu", Augmentation(0.9), 1, SMALL)[0]

    before = np.array(view())
    shutil.copy(records[5].photo, records[3].photo)
    assert not np.array_equal(view()[3], before[3])


def test_photos_that_did_not_change_are_read_once(
    records: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [record.photo for record in records]
    first = contents(photos, tmp_path / "cache")
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert contents(photos, tmp_path / "cache") == first


def test_a_note_of_contents_that_was_cut_off_is_written_again(
    records: Photos, tmp_path: Path
) -> None:
    photos = [record.photo for record in records]
    first = contents(photos, tmp_path)
    note = tmp_path / "contents.json"
    note.write_text(note.read_text()[:20])
    assert contents([*photos, tmp_path / "missing.jpg"], tmp_path) != first
    assert contents(photos, tmp_path) == first
