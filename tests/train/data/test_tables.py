"""Tables of captions as people, spreadsheets and Hugging Face folders write them."""

import json
from pathlib import Path

import pytest

from tests.train.data.layouts import lay, photos, summary
from train.data.datasets import Dataset, DatasetError, read

DOG, CAT = "A dog, asleep", "A cat; awake"


def test_a_folder_with_a_csv_is_read_as_a_dataset(tmp_path: Path) -> None:
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


def captions(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    return {record.photo.name: record.captions for record in dataset.records}


@pytest.mark.parametrize(
    "text",
    [
        f'photo,caption\na.jpg,"{DOG}"\nb.jpg,{CAT}\n',
        f'Photo;Caption\r\na.jpg;{DOG}\r\nb.jpg;"{CAT}"\r\n',
        f"IMAGE\tCAPTION\na.jpg\t{DOG}\nb.jpg\t{CAT}\n",
        f"image_name| caption\na.jpg| {DOG}\nb.jpg| {CAT}\n",
        f'file_name,text\na.jpg,"{DOG}"\nb.jpg,{CAT}\n',
        f'"File Name","Text"\n"a.jpg","{DOG}"\n"b.jpg","{CAT}"\n',
        f'sep=;\nfile;description\na.jpg;{DOG}\nb.jpg;"{CAT}"\n',
        f'photo,caption\ra.jpg,"{DOG}"\rb.jpg,{CAT}\r',
        f'\n\nphoto;caption;;\na.jpg;{DOG};;\nb.jpg;"{CAT}";;\n;;;\n;;;\n',
        f'id,image,sentence\n0,a.jpg,"{DOG}"\n1,b.jpg,{CAT}\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_as_spreadsheets_write_it(text: str, encoding: str, tmp_path: Path) -> None:
    lay(tmp_path, {"captions.csv": text.encode(encoding), **photos(".", "a.jpg", "b.jpg")})
    dataset = read(tmp_path)
    assert captions(dataset) == {"a.jpg": (DOG,), "b.jpg": (CAT,)}
    assert dataset.problems == ()


def test_utf_16_with_the_other_order_of_bytes_and_other_scripts(tmp_path: Path) -> None:
    text = "\ufeffphoto\tcaption\nbä.jpg\t狗在草地上跑。\n".encode("utf-16-be")
    lay(tmp_path, {"captions.tsv": text, **photos(".", "bä.jpg")})
    assert captions(read(tmp_path)) == {"bä.jpg": ("狗在草地上跑。",)}


@pytest.mark.parametrize(
    "header",
    [
        "photo,caption1,caption2,caption3",
        "photo,caption,caption,caption",
        "photo,caption,caption.1,caption.2",
        "file_name,Text 1,Text 2,Text 3",
        "image,caption_0,caption_1,caption_2",
    ],
)
def test_a_table_may_have_several_columns_of_captions(header: str, tmp_path: Path) -> None:
    rows = "a.jpg,A dog,One dog,Some dog\nb.jpg,A cat,,\n"
    lay(tmp_path, {"captions.csv": f"{header}\n{rows}", **photos(".", "a.jpg", "b.jpg")})
    dataset = read(tmp_path)
    assert captions(dataset) == {"a.jpg": ("A dog", "One dog", "Some dog"), "b.jpg": ("A cat",)}
    assert dataset.problems == ()


def test_a_cell_may_hold_a_list_of_captions(tmp_path: Path) -> None:
    rows = 'a.jpg,"[""A dog"", ""One dog""]"\nb.jpg,[sic] a cat\n'
    lay(tmp_path, {"captions.csv": f"filename,raw\n{rows}", **photos(".", "a.jpg", "b.jpg")})
    assert captions(read(tmp_path)) == {"a.jpg": ("A dog", "One dog"), "b.jpg": ("[sic] a cat",)}


def test_a_quoted_caption_may_have_line_breaks(tmp_path: Path) -> None:
    rows = 'a.jpg,"A dog\nruns\n\nover ""the"" grass",train\r\nb.jpg,"A cat\r\nsits",val\r\n'
    lay(tmp_path, {"captions.csv": f"photo,caption,split\n{rows}"})
    lay(tmp_path, photos(".", "a.jpg", "b.jpg"))
    dataset = read(tmp_path)
    assert captions(dataset) == {
        "a.jpg": ('A dog runs over "the" grass',),
        "b.jpg": ("A cat sits",),
    }
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "second",
    [
        "b.jpg,A cat,val",
        'b.jpg,"A cat",val',
        'b.jpg,A cat",val',
        'b.jpg,"A cat\nsits",val',
        'b.jpg,A 12" cat,val',
    ],
)
def test_a_forgotten_quotation_mark_costs_one_line(second: str, tmp_path: Path) -> None:
    rows = f'a.jpg,"A dog,train\n{second}\nc.jpg,A cow,train\n'
    lay(tmp_path, {"captions.csv": f"photo,caption,split\n{rows}"})
    lay(tmp_path, photos(".", "a.jpg", "b.jpg", "c.jpg"))
    dataset = read(tmp_path)
    assert captions(dataset).keys() == {"b.jpg", "c.jpg"}
    assert dataset.problems[0] == "captions.csv, line 2 cannot be parsed, and was left out."


def test_tabs_need_no_quotation_marks(tmp_path: Path) -> None:
    rows = 'a.jpg\t"Stop" says a sign\nb.jpg\tA 12" pizza\n'
    lay(tmp_path, {"captions.tsv": f"photo\tcaption\n{rows}", **photos(".", "a.jpg", "b.jpg")})
    dataset = read(tmp_path)
    assert captions(dataset) == {"a.jpg": ('"Stop" says a sign',), "b.jpg": ('A 12" pizza',)}
    assert dataset.problems == ()


def test_what_a_row_lacks_is_named(tmp_path: Path) -> None:
    rows = "a.jpg;A dog; asleep\na.jpg;...\na.jpg;\n;A dog\na.jpg;A dog\n"
    lay(tmp_path, {"captions.csv": f"photo;caption\n{rows}", **photos(".", "a.jpg")})
    assert read(tmp_path).problems == (
        "captions.csv, line 2 has 3 columns instead of 2, and was left out; "
        "a caption with a semicolon needs quotation marks.",
        "captions.csv, line 3 has a caption without a word, '...', and was left out.",
        "captions.csv, line 4 has no caption, and was left out.",
        "captions.csv, line 5 has no photo, and was left out.",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,text\ntrain/a.jpg,A dog\ntest/b.jpg,A cat\n"),
        (
            "metadata.jsonl",
            '{"file_name": "train/a.jpg", "text": "A dog"}\n'
            '{"file_name": "test/b.jpg", "text": ["A cat"]}\n\n',
        ),
        (
            "captions.jsonl",
            '{"Image": "train/a.jpg", "Captions": ["A dog"], "split": "train"}\n'
            '{"Image": "test/b.jpg", "Captions": "A cat", "split": "test"}\n',
        ),
    ],
)
def test_a_folder_is_read_as_hugging_face_has_it(name: str, text: str, tmp_path: Path) -> None:
    lay(tmp_path, {name: text, **photos("train", "a.jpg"), **photos("test", "b.jpg")})
    dataset = read(tmp_path)
    assert (dataset.name, dataset.problems) == ("folder", ())
    assert [(r.photo.name, r.captions, r.split) for r in dataset.records] == [
        ("a.jpg", ("A dog",), "train"),
        ("b.jpg", ("A cat",), "test"),
    ]


def test_each_split_may_have_metadata_of_its_own(tmp_path: Path) -> None:
    lay(tmp_path, {"train/metadata.csv": "file_name,text\na.jpg,A dog\nsub/c.jpg,A cow\n"})
    lay(tmp_path, {"validation/metadata.jsonl": '{"file_name": "a.jpg", "text": "A cat"}\n3\n'})
    lay(tmp_path, photos("train", "a.jpg", "sub/c.jpg") | photos("validation", "a.jpg"))
    dataset = read(tmp_path)
    assert [(r.photo.parent.name, r.captions, r.split) for r in dataset.records] == [
        ("train", ("A dog",), "train"),
        ("sub", ("A cow",), "train"),
        ("validation", ("A cat",), "val"),
    ]
    unreadable = "validation/metadata.jsonl, line 2 cannot be parsed, and was left out."
    assert dataset.problems == (unreadable,)


@pytest.mark.parametrize(
    "row", ["{", "[]", '"a.jpg"', '{"file_name": "a.jpg"}', '{"text": "A dog"}']
)
def test_a_line_of_json_that_makes_no_sense_is_named(row: str, tmp_path: Path) -> None:
    good = json.dumps({"file_name": "b.jpg", "text": "A cat"})
    lay(tmp_path, {"metadata.jsonl": f"{row}\n{good}\n", **photos(".", "b.jpg")})
    dataset = read(tmp_path)
    assert captions(dataset) == {"b.jpg": ("A cat",)}
    assert dataset.problems == ("metadata.jsonl, line 1 cannot be parsed, and was left out.",)


@pytest.mark.parametrize("text", ["", "\n", "a.jpg,A dog\n", "sep=;\n"])
def test_a_table_without_the_names_of_its_columns_is_refused(text: str, tmp_path: Path) -> None:
    lay(tmp_path, {"captions.csv": text, **photos(".", "a.jpg")})
    with pytest.raises(DatasetError, match="must name the columns photo and caption, but is"):
        read(tmp_path)


def test_hidden_files_are_passed_over_and_every_suffix_of_photos_is_known(tmp_path: Path) -> None:
    names = ("a.JPE", "b.jfif", "c.heif", "d.hif", "e.mpo")
    lay(tmp_path, photos(".", *names, "._a.JPE", ".trash/a.jpg", "notes.txt"))
    rows = "a.JPE,A dog\n._a.JPE,A dog\n"
    lay(tmp_path, {"captions.csv": f"photo,caption\n{rows}"})
    dataset = read(tmp_path)
    assert captions(dataset) == {"a.JPE": ("A dog",)}
    assert dataset.problems == (
        "The photo ._a.JPE is missing, and its captions were left out.",
        "Photos without captions: 4, all left out (the first is b.jfif).",
    )


@pytest.mark.parametrize("composed", [True, False])
def test_accents_in_names_of_photos_may_be_written_apart(composed: bool, tmp_path: Path) -> None:
    names = ("\u00f6l.jpg", "o\u0308l.jpg")
    file, named = names if composed else names[::-1]
    lay(tmp_path, {"captions.csv": f"photo,caption\n{named},A dog\n", **photos(".", file)})
    dataset = read(tmp_path)
    assert (captions(dataset), dataset.problems) == ({file: ("A dog",)}, ())
