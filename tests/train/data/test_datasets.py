"""A dataset as one shape of record: its splits, what is left out of it, and what is refused."""

from collections import Counter
from pathlib import Path

import pytest

from tests.train.data.layouts import LISTED, LISTS, lay, photos, summary, tokens
from train.data.datasets import DatasetError, read, short_names


def test_captions_that_no_split_list_names_are_left_out_and_counted(tmp_path: Path) -> None:
    bad = "2258277193_586949ec62.jpg.1"
    lay(tmp_path, {"Flickr8k.token.txt": tokens("a.jpg", "b.jpg", "c.jpg", bad, "d.jpg"), **LISTS})
    lay(tmp_path, photos("Flicker8k_Dataset", "a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset) == LISTED
    assert dataset.problems == (
        f"Photos with captions but in no split list: 2, all left out (the first is {bad}).",
    )


def test_captions_of_a_photo_that_does_not_exist_are_named(tmp_path: Path) -> None:
    lay(tmp_path, {"Flickr8k.token.txt": tokens("a.jpg", "gone.jpg.1")})
    lay(tmp_path, photos("Flicker8k_Dataset", "a.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset).keys() == {"a.jpg"}
    assert dataset.problems == ("The photo gone.jpg.1 is missing, and its captions were left out.",)


def test_a_listed_photo_without_file_or_captions_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"Flickr8k.token.txt": tokens("a.jpg", "b.jpg"), **LISTS})
    lay(tmp_path, photos("Flicker8k_Dataset", "a.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset).keys() == {"a.jpg"}
    assert dataset.problems == (
        "The photo b.jpg is missing, and its captions were left out.",
        "c.jpg has no captions, and was left out.",
    )


def test_a_photo_in_two_split_lists_stays_in_the_first(tmp_path: Path) -> None:
    lay(tmp_path, {"Flickr8k.token.txt": tokens("a.jpg", "b.jpg", "c.jpg"), **LISTS})
    lay(tmp_path, {"Flickr_8k.testImages.txt": "c.jpg\na.jpg\n"})
    lay(tmp_path, photos("Flicker8k_Dataset", "a.jpg", "b.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset) == LISTED
    assert dataset.problems == ("a.jpg is in 'test' too; it stays in 'train'.",)


def test_only_broken_lines_are_left_out(tmp_path: Path) -> None:
    lines = b"no tab here\na.jpg#0\tA good line .\na.jpg#1\tCaf\xe9 .\n\na.jpg#2\t \n"
    lay(tmp_path, {"Flickr8k.token.txt": lines, **photos("Flicker8k_Dataset", "a.jpg")})
    dataset = read(tmp_path)
    assert dataset.records[0].captions == ("A good line .",)
    assert dataset.problems == (
        "Flickr8k.token.txt, line 1 cannot be parsed, and was left out.",
        "Flickr8k.token.txt, line 3 is not UTF-8 text, and was left out.",
        "Flickr8k.token.txt, line 5 has no caption, and was left out.",
    )


def test_without_lists_about_an_eighth_is_val_and_an_eighth_test(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(400)]
    lines = "".join(f"{name},A photo .\n" for name in names)
    lay(tmp_path, {"captions.txt": f"image,caption\n{lines}", **photos("Images", *names)})
    counts = Counter(record.split for record in read(tmp_path).records)
    assert 30 <= counts["val"] <= 70
    assert 30 <= counts["test"] <= 70
    assert counts.total() == 400


def test_photos_that_are_added_move_no_other_to_another_split(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(60)]
    lay(tmp_path, photos("Images", *names))
    splits = []
    for some in (names[:20], names[::-1]):
        lines = "".join(f"{name},A photo .\n" for name in some)
        lay(tmp_path, {"captions.txt": f"image,caption\n{lines}"})
        splits.append({r.photo.name: r.split for r in read(tmp_path).records})
    fewer, more = splits
    assert len(fewer) == 20
    assert len(more) == 60
    assert fewer.items() <= more.items()


def test_a_dataset_without_a_usable_photo_is_an_error(tmp_path: Path) -> None:
    lay(tmp_path, {"captions.csv": "photo,caption\na.jpg,A dog\n"})
    with pytest.raises(
        DatasetError, match=r"captions\.csv names can be used\. The photo a\.jpg is missing"
    ):
        read(tmp_path)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        read(tmp_path / "nowhere")


def test_photos_are_named_by_the_shortest_distinct_ends_of_their_paths(tmp_path: Path) -> None:
    flat = [tmp_path / "photos" / name for name in ("1.jpg", "2.jpg")]
    assert short_names(flat, tmp_path) == {flat[0]: "1.jpg", flat[1]: "2.jpg"}

    nested = [tmp_path / path for path in ("1.jpg", "a/b/1.jpg", "a/c/1.jpg", "a/c/2.jpg")]
    names = ["1.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg"]
    assert list(short_names(nested, tmp_path).values()) == names
