"""Which part of many a photo is in, and which names are known."""

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioner.command_line.files import PhotoFile
from captioner.command_line.names import Names, Shard, ShardError, digest

# Of every kind that a file may have, bytes that are not text among them.
NAMES = st.binary(min_size=1, max_size=40).map(os.fsdecode)


@given(st.lists(NAMES, unique=True, max_size=50), st.integers(1, 20))
def test_each_photo_is_in_one_part(names: list[str], parts: int) -> None:
    photos = [PhotoFile(f"/here/{name}", key=name) for name in names]
    found = [list(Shard(part + 1, parts).of(photos)) for part in range(parts)]
    assert sorted(photo.name for part in found for photo in part) == sorted(
        photo.name for photo in photos
    )


@given(NAMES, st.integers(1, 20))
def test_a_photo_is_in_the_same_part_wherever_its_folder_is(name: str, parts: int) -> None:
    here, there = (PhotoFile(f"{folder}/{name}", key=name) for folder in ("/a", "/b"))
    for part in range(parts):
        shard = Shard(part + 1, parts)
        assert len(list(shard.of([here]))) == len(list(shard.of([there])))


def test_parts_are_of_about_one_size() -> None:
    photos = [PhotoFile(name, key=name) for name in (f"{number:06}.jpg" for number in range(16000))]
    sizes = [len(list(Shard(part + 1, 16).of(photos))) for part in range(16)]
    assert min(sizes) > 850  # five standard deviations below the mean of 1,000
    assert max(sizes) < 1150


def test_the_digest_of_a_name_never_changes() -> None:
    # As `b2sum --length 128` computes it.
    assert digest("photos/a.jpg") == 0xEEA2C680D629B11D02E48CF37B1213A4
    assert digest(os.fsdecode(b"photo\xe9.jpg")) == 0xA7C02FD8F9B9FAB2AE419ACAB6C20D8D


@given(st.lists(NAMES))
def test_a_name_is_new_once(names: list[str]) -> None:
    known = Names()
    assert [known.add(name) for name in names] == [
        name not in names[:index] for index, name in enumerate(names)
    ]


def test_names_take_little_memory_however_long_they_are() -> None:
    known, count = Names(), 100_000
    tracemalloc.start()
    try:
        for number in range(count):
            known.add(f"{'a long name of a folder/' * 20}{number}.jpg")
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / count < 150


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("17/16", "is 17/16; the first number must be at least 1 and at most 16"),
        ("0/16", "is 0/16; the first number must be at least 1 and at most 16"),
        ("1/0", "is 1/0; there must be at least 1 part and at most 1,000,000"),
        ("1/1000001", "there must be at least 1 part"),
        ("3", "is '3'; it must be like 3/16, the third of sixteen parts"),
        ("-1/2", "it must be like 3/16"),
        ("1/2/3", "it must be like 3/16"),
        ("1/9999999999", "it must be like 3/16"),
        ("", "is ''; it must be like 3/16"),
        ("\u0661/2", "it must be like 3/16"),  # an Arabic digit
    ],
)
def test_a_wrong_shard_is_named_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ShardError) as refused:
        Shard.parse(text)
    assert message in str(refused.value)


def test_a_shard_is_read_as_it_is_written() -> None:
    assert Shard.parse("3/16") == Shard(3, 16)
    assert str(Shard(3, 16)) == "3/16"
