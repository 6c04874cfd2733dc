"""Small datasets in every published layout, written to disk as their authors lay them out."""

import json
from collections import Counter
from pathlib import Path

import pytest

from train.data.datasets import Dataset, DatasetError, Split, read, short_names


def lay(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def photos(folder: str, *names: str) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": b"a photo, which is listed but not opened" for name in names}


def summary(dataset: Dataset) -> dict[str, tuple[Split, tuple[str, ...]]]:
    assert all(record.photo.is_file() for record in dataset.records)
    return {record.photo.name: (record.split, record.captions) for record in dataset.records}


def tokens(*names: str) -> str:
    return "".join(f"{name}#{i}\t Caption {i} of {name} . \n" for name in names for i in range(2))


def captions_of(name: str) -> tuple[str, str]:
    return f"Caption 0 of {name} .", f"Caption 1 of {name} ."


LISTS: dict[str, str | bytes] = {
    "Flickr_8k.trainImages.txt": "a.jpg\n",
    "Flickr_8k.devImages.txt": "b.jpg\n",
    "Flickr_8k.testImages.txt": "c.jpg\n",
}
LISTED = {
    "a.jpg": ("train", captions_of("a.jpg")),
    "b.jpg": ("val", captions_of("b.jpg")),
    "c.jpg": ("test", captions_of("c.jpg")),
}


@pytest.mark.parametrize("texts", ["", "Flickr8k_text/"])
@pytest.mark.parametrize("folder", ["Flicker8k_Dataset", "Flickr8k_Dataset/Flicker8k_Dataset"])
def test_flickr8k_as_published(tmp_path: Path, texts: str, folder: str) -> None:
    files = {"Flickr8k.token.txt": tokens("a.jpg", "b.jpg", "c.jpg")} | LISTS
    lay(tmp_path, {texts + name: content for name, content in files.items()})
    lay(tmp_path, photos(folder, "a.jpg", "b.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("flickr8k", ())
    assert summary(dataset) == LISTED


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
def test_flickr30k_as_published(tmp_path: Path, folder: str) -> None:
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
def test_coco_as_published(tmp_path: Path, year: str, folder: str) -> None:
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


def test_a_folder_with_a_csv(tmp_path: Path) -> None:
    lines = (
        "\ufeffSplit,Photo,Caption\n"
        'train,cats/one.png,"A cat, asleep"\n'
        "train,.\\cats\\one.png,A tabby\n"
        "dev,two.jpg,A dog\n"
        "test,dogs/two.jpg,Another dog\n"
    )
    lay(tmp_path, {"captions.csv": lines, **photos("cats", "one.png"), **photos("dogs", "two.jpg")})
    lay(tmp_path, photos(".", "two.jpg", ".hidden.jpg", "notes.txt"))
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("folder", ())
    assert [(r.photo.relative_to(tmp_path).as_posix(), r.split) for r in dataset.records] == [
        ("cats/one.png", "train"),
        ("two.jpg", "val"),
        ("dogs/two.jpg", "test"),
    ]
    assert dataset.records[0].captions == ("A cat, asleep", "A tabby")


def test_only_broken_rows_of_a_csv_are_left_out(tmp_path: Path) -> None:
    lines = (
        "photo,caption,split\n"
        'a.jpg,"A forgotten mark,train\n'
        "a.jpg,A comma, unquoted,train\n"
        "a.jpg,A dog,practice\n"
        ",A dog,train\n"
        "a.jpg,Good,train\n"
    )
    lay(tmp_path, {"captions.csv": lines, **photos(".", "a.jpg", "z.jpg", "y.jpg")})
    dataset = read(tmp_path)
    assert summary(dataset) == {"a.jpg": ("train", ("Good",))}
    assert dataset.problems == (
        "captions.csv, line 2 cannot be parsed, and was left out.",
        "captions.csv, line 3 has 4 columns instead of 3, and was left out; "
        "a caption with a comma needs quotation marks.",
        "captions.csv, line 4 names the split 'practice' instead of train, val or test; "
        "it was left out.",
        "captions.csv, line 5 has no photo, and was left out.",
        "Photos without captions: 2, all left out (the first is y.jpg).",
    )


def test_the_error_for_a_csv_without_the_columns_names_those_it_has(tmp_path: Path) -> None:
    lay(tmp_path, {"captions.csv": "name;words\na.jpg;A dog\n", **photos(".", "a.jpg")})
    with pytest.raises(DatasetError, match=r"captions\.csv cannot be read.*photo and caption.*;"):
        read(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3}'])
def test_a_broken_json_is_named(tmp_path: Path, content: str) -> None:
    lay(tmp_path, {"dataset_coco.json": content, **photos("val2014", "a.jpg")})
    with pytest.raises(DatasetError, match=r"dataset_coco\.json cannot be read: "):
        read(tmp_path)


def test_a_dataset_without_a_usable_photo_is_an_error(tmp_path: Path) -> None:
    lay(tmp_path, {"captions.csv": "photo,caption\na.jpg,A dog\n"})
    with pytest.raises(
        DatasetError, match=r"captions\.csv names can be used\. The photo a\.jpg is missing"
    ):
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


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        read(tmp_path / "nowhere")


def test_photos_are_named_by_the_shortest_distinct_ends_of_their_paths(tmp_path: Path) -> None:
    flat = [tmp_path / "photos" / name for name in ("1.jpg", "2.jpg")]
    assert short_names(flat, tmp_path) == {flat[0]: "1.jpg", flat[1]: "2.jpg"}

    nested = [tmp_path / path for path in ("1.jpg", "a/b/1.jpg", "a/c/1.jpg", "a/c/2.jpg")]
    names = ["1.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg"]
    assert list(short_names(nested, tmp_path).values()) == names
