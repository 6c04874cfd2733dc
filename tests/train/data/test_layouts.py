"""Every published layout, in small: its captions, its photos and its splits."""

import json
from pathlib import Path

import pytest

from tests.train.data.layouts import LISTED, LISTS, captions_of, lay, photos, summary, tokens
from train.data.datasets import DatasetError, read


@pytest.mark.parametrize("texts", ["", "Flickr8k_text/"])
@pytest.mark.parametrize("folder", ["Flicker8k_Dataset", "Flickr8k_Dataset/Flicker8k_Dataset"])
def test_flickr8k_is_read_as_published(tmp_path: Path, texts: str, folder: str) -> None:
    files = {"Flickr8k.token.txt": tokens("a.jpg", "b.jpg", "c.jpg")} | LISTS
    lay(tmp_path, {texts + name: content for name, content in files.items()})
    lay(tmp_path, photos(folder, "a.jpg", "b.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("flickr8k", ())
    assert summary(dataset) == LISTED


KAGGLE = (
    "image,caption\r\n"
    'a.jpg,"A child , in a ""pink"" dress ."\r\n'
    "a.jpg,A girl .\r\n"
    "b.jpg,Two dogs .\r\n"
    "c.jpg,A boat .\r\n"
)


def test_flickr8k_with_images_and_captions_txt_uses_the_split_lists_next_to_it(
    tmp_path: Path,
) -> None:
    lay(tmp_path, {"captions.txt": KAGGLE, **LISTS})
    lay(tmp_path, photos("Images", "a.jpg", "b.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("flickr8k", ())
    assert summary(dataset) == {
        "a.jpg": ("train", ('A child , in a "pink" dress .', "A girl .")),
        "b.jpg": ("val", ("Two dogs .",)),
        "c.jpg": ("test", ("A boat .",)),
    }


def karpathy(*items: tuple[str, str, list[str]], folder: str = "") -> str:
    return json.dumps(
        {
            "images": [
                {
                    "filepath": folder,
                    "filename": name,
                    "split": split,
                    "sentences": [{"raw": f"{caption}\n", "tokens": []} for caption in captions],
                }
                for name, split, captions in items
            ]
        }
    )


@pytest.mark.parametrize(
    ("name", "text", "folders"),
    [
        ("flickr8k", "dataset_flickr8k.json", ["Flicker8k_Dataset", "Images"]),
        ("flickr30k", "dataset_flickr30k.json", ["flickr30k-images", "flickr30k_images"]),
        ("coco", "dataset_coco.json", ["train2014", "val2014"]),
        ("coco", "annotations/dataset_coco.json", ["images/train2014", "images/val2014"]),
    ],
)
def test_karpathys_json_brings_captions_and_splits(
    tmp_path: Path, name: str, text: str, folders: list[str]
) -> None:
    items = [
        ("a.jpg", "train", ["A dog ."]),
        ("b.jpg", "restval", ["A cat .", "One cat ."]),
        ("c.jpg", "val", ["A boat ."]),
        ("d.jpg", "test", ["A tree ."]),
    ]
    lay(tmp_path, {text: karpathy(*items)})
    lay(tmp_path, photos(folders[0], "a.jpg", "b.jpg") | photos(folders[1], "c.jpg", "d.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == (name, ())
    assert summary(dataset) == {
        "a.jpg": ("train", ("A dog .",)),
        "b.jpg": ("train", ("A cat .", "One cat .")),
        "c.jpg": ("val", ("A boat .",)),
        "d.jpg": ("test", ("A tree .",)),
    }


def test_karpathys_entries_that_make_no_sense_are_named(tmp_path: Path) -> None:
    document = json.loads(karpathy(("a.jpg", "train", ["A dog ."]), ("b.jpg", "test", [])))
    document["images"][0]["sentences"].append({"tokens": ["a"]})
    document["images"] += [{"filename": "c.jpg"}, "c.jpg", {**document["images"][0], "split": "?"}]
    lay(tmp_path, {"dataset_flickr8k.json": json.dumps(document)})
    lay(tmp_path, photos("Images", "a.jpg", "b.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset) == {"a.jpg": ("train", ("A dog .",))}
    unreadable = "dataset_flickr8k.json, photo {} cannot be parsed, and was left out."
    assert dataset.problems == (
        *(unreadable.format(number) for number in (1, 3, 4, 5)),
        "b.jpg has no captions, and was left out.",
    )


def test_among_three_json_files_in_one_folder_the_one_with_photos_is_read(tmp_path: Path) -> None:
    text = karpathy(("a.jpg", "train", ["A dog ."]))
    lay(tmp_path, {f"dataset_{name}.json": text for name in ("coco", "flickr8k", "flickr30k")})
    lay(tmp_path, photos("flickr30k-images", "a.jpg"))
    assert read(tmp_path).name == "flickr30k"


@pytest.mark.parametrize(
    "folder", ["flickr30k-images", "flickr30k_images", "flickr30k_images/flickr30k_images"]
)
def test_flickr30k_is_read_as_published(tmp_path: Path, folder: str) -> None:
    lay(tmp_path, {"results_20130124.token": tokens("a.jpg", "b.jpg")})
    lay(tmp_path, photos(folder, "a.jpg", "b.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("flickr30k", ())
    assert {name: captions for name, (_, captions) in summary(dataset).items()} == {
        "a.jpg": captions_of("a.jpg"),
        "b.jpg": captions_of("b.jpg"),
    }


@pytest.mark.parametrize("text", ["results.csv", "flickr30k_images/results.csv"])
def test_flickr30k_with_bars_reads_its_one_malformed_line(tmp_path: Path, text: str) -> None:
    lines = (
        "image_name| comment_number| comment\n"
        "2199200615.jpg| 3| Two dogs , 1 | 2 .\n"
        "2199200615.jpg| 4   A dog runs across the grass .\n"
        "no bars at all\n"
    )
    lay(tmp_path, {text: lines})
    lay(tmp_path, photos("flickr30k_images/flickr30k_images", "2199200615.jpg"))
    dataset = read(tmp_path)
    assert dataset.name == "flickr30k"
    assert dataset.records[0].captions == ("Two dogs , 1 | 2 .", "A dog runs across the grass .")
    assert dataset.problems == ("results.csv, line 4 cannot be parsed, and was left out.",)


def coco(images: dict[int, str], captions: list[tuple[int, str]]) -> str:
    return json.dumps(
        {
            "images": [{"id": key, "file_name": name} for key, name in images.items()],
            "annotations": [{"id": 1, "image_id": key, "caption": text} for key, text in captions],
        }
    )


@pytest.mark.parametrize("year", ["2014", "2017"])
@pytest.mark.parametrize("folder", ["", "images/"])
def test_coco_is_read_as_published(tmp_path: Path, year: str, folder: str) -> None:
    train = coco({9: "9.jpg", 25: "25.jpg"}, [(9, "A plate ."), (25, "A giraffe\n"), (9, "Food")])
    lay(tmp_path, {f"annotations/captions_train{year}.json": train})
    lay(tmp_path, {f"annotations/captions_val{year}.json": coco({42: "42.jpg"}, [(42, "Shoes .")])})
    lay(tmp_path, photos(f"{folder}train{year}", "9.jpg", "25.jpg"))
    lay(tmp_path, photos(f"{folder}val{year}", "42.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("coco", ())
    assert summary(dataset) == {
        "9.jpg": ("train", ("A plate .", "Food")),
        "25.jpg": ("train", ("A giraffe",)),
        "42.jpg": ("val", ("Shoes .",)),
    }


def test_coco_alone_has_no_test_split_and_the_error_names_one(tmp_path: Path) -> None:
    lay(tmp_path, {"annotations/captions_val2017.json": coco({42: "42.jpg"}, [(42, "Shoes .")])})
    lay(tmp_path, photos("val2017", "42.jpg"))
    dataset = read(tmp_path)
    assert [record.photo.name for record in dataset.split("val")] == ["42.jpg"]
    with pytest.raises(DatasetError, match=r"'test' \(it has 1 in 'val'\).*dataset_coco\.json"):
        dataset.split("test")


def test_coco_entries_that_make_no_sense_are_named(tmp_path: Path) -> None:
    document = json.loads(coco({1: "1.jpg", 2: "2.jpg"}, [(1, "A dog ."), (7, "Nobody's .")]))
    document["images"].append({"id": 3})
    document["annotations"].append({"image_id": 1})
    lay(tmp_path, {"annotations/captions_train2017.json": json.dumps(document)})
    lay(tmp_path, photos("train2017", "1.jpg", "2.jpg"))
    dataset = read(tmp_path)
    assert summary(dataset) == {"1.jpg": ("train", ("A dog .",))}
    assert dataset.problems == (
        "captions_train2017.json, photo 3 cannot be parsed, and was left out.",
        "captions_train2017.json, caption 2 cannot be parsed, and was left out.",
        "captions_train2017.json, caption 3 cannot be parsed, and was left out.",
        "2.jpg has no captions, and was left out.",
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3}'])
def test_a_broken_json_is_named(tmp_path: Path, content: str) -> None:
    lay(tmp_path, {"dataset_coco.json": content, **photos("val2014", "a.jpg")})
    with pytest.raises(DatasetError, match=r"dataset_coco\.json cannot be read: "):
        read(tmp_path)


def test_the_error_for_an_unknown_layout_is_short_and_names_the_known_datasets(
    tmp_path: Path,
) -> None:
    lay(tmp_path, {"notes.txt": b"", "other/a.jpg": b""})
    with pytest.raises(DatasetError) as caught:
        read(tmp_path)
    told = str(caught.value).removeprefix(str(tmp_path))
    assert "photos and a captions.csv, a metadata.csv or a metadata.jsonl, or the layout of" in told
    assert "Flickr8k, Flickr30k or COCO" in told
    assert "It holds notes.txt, other." in told
    assert len(told) < 200


def test_captions_without_their_folder_of_photos_are_an_error_that_names_it(tmp_path: Path) -> None:
    lay(tmp_path, {"Flickr8k.token.txt": tokens("a.jpg"), "other/a.jpg": b""})
    with pytest.raises(DatasetError, match=r"token\.txt has no photos: .* Flicker8k_Dataset or"):
        read(tmp_path)
