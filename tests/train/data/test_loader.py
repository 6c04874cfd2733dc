"""Batches: captions as rows of words, and augmentation that keeps them true."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.vocabulary import END, PAD, START, UNKNOWN, Vocabulary
from train.data import loader
from train.data.augmentation import Augmentation
from train.data.datasets import Record
from train.data.loader import data_loader, drop_words, on_device, photo_dataset

VOCABULARY = Vocabulary.build(["a dog runs on the left side", "a cat sits right there"])
PLAIN = "A dog runs ."
Batch = tuple[torch.Tensor, torch.Tensor]


def record(*captions: str) -> Record:
    return Record(Path("photo.jpg"), captions, "train")


def grids(count: int) -> np.ndarray[Any, Any]:
    """Make images that all differ: each is filled with its own number."""
    return np.arange(count, dtype=np.float16)[:, None, None] * np.ones((1, 4, 6), np.float16)


def take(records: list[Record], photos: int, captions: int, **options: Any) -> list[Batch]:
    dataset = photo_dataset(grids(len(records)), records, VOCABULARY, max_length=6)
    options = {"seed": 0, "shuffle": False} | options
    return [(one.images, one.tokens) for one in data_loader(dataset, photos, captions, **options)]


def said(row: torch.Tensor) -> str:
    return " ".join(VOCABULARY.words[index] for index in row.tolist())


def test_short_captions_are_padded_to_the_longest() -> None:
    [(_, tokens)] = take([record("A dog .", "a cat sits right there")], 1, 2)

    assert [said(row) for row in tokens] == [
        "<start> a dog <end> <pad> <pad> <pad>",
        "<start> a cat sits right there <end>",
    ]
    assert tokens.dtype == torch.long


def test_a_word_that_is_not_in_the_vocabulary_is_unknown() -> None:
    [(_, tokens)] = take([record("a zebra runs")], 1, 1)

    assert tokens[0, 2] == UNKNOWN


def test_the_captions_of_a_photo_follow_one_another_and_share_its_image() -> None:
    names = ("dog", "cat", "side")
    others = ("a", "on", "the", "left", "right")
    records = [record(*(f"{name} {other}" for other in others)) for name in names]
    [(images, tokens), (last, rest)] = take(records, 2, 5)

    assert (images.shape, tokens.shape) == ((2, 4, 6), (10, 4))
    assert (last.shape, rest.shape) == ((1, 4, 6), (5, 4))
    assert [said(row[1:2]) for row in tokens] == ["dog"] * 5 + ["cat"] * 5
    assert [said(row[2:3]) for row in tokens] == [*others] * 2
    assert images[:, 0, 0].tolist() == [0, 1]
    assert images.dtype == torch.float16


def test_a_photo_with_fewer_captions_has_rows_of_padding_alone() -> None:
    [(_, tokens)] = take([record(PLAIN), record(*[PLAIN] * 3)], 2, 3)

    assert [bool((row == PAD).all()) for row in tokens] == [False, True, True, *[False] * 3]


def test_surplus_captions_are_sampled_without_repetition() -> None:
    words = ["dog", "cat", "runs", "sits", "on", "the", "side"]
    drawn = []
    for seed in range(12):
        [(_, tokens)] = take([record(*words)], 1, 5, seed=seed)
        drawn.append([said(row[1:2]) for row in tokens])

    assert all(len(set(row)) == 5 for row in drawn)
    assert {word for row in drawn for word in row} == set(words)


@pytest.mark.parametrize("more", [0, 1, 5])
def test_only_a_caption_that_was_not_cut_ends(more: int) -> None:
    [(_, tokens)] = take([record("dog " * (6 + more))], 1, 1)

    row = tokens[0].tolist()
    assert row == [START, *VOCABULARY.encode("dog") * 6, *([END] if more == 0 else [])]


def test_captions_without_a_word_still_make_a_batch() -> None:
    [(_, tokens)] = take([record("...")], 1, 2)

    assert tokens.tolist() == [[START, END], [PAD, PAD]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(st.text("ad og", max_size=30), min_size=1, max_size=8), min_size=1, max_size=5
    )
)
def test_every_row_is_a_caption_or_padding(texts: list[list[str]]) -> None:
    [(images, tokens)] = take([record(*captions) for captions in texts], len(texts), 5)

    assert tokens.shape[0] == 5 * images.shape[0]
    for index, captions in enumerate(texts):
        rows = tokens[5 * index : 5 * index + 5]
        spoken = [row[row != PAD] for row in rows]
        assert all((row[len(kept) :] == PAD).all() for row, kept in zip(rows, spoken, strict=True))
        assert sum(len(kept) > 0 for kept in spoken) == min(5, len(captions))
        assert all(kept[0] == START for kept in spoken if len(kept))


def test_the_order_depends_on_the_seed_alone() -> None:
    records = [record(PLAIN)] * 20

    def order(seed: int) -> list[float]:
        found = take(records, 3, 1, seed=seed, shuffle=True)
        return [float(value) for images, _ in found for value in images[:, 0, 0]]

    first = order(seed=7)
    assert order(seed=7) == first
    assert order(seed=8) != first
    assert sorted(first) == [float(n) for n in range(20)]


def test_processes_share_each_step_and_take_as_many_steps_each() -> None:
    def taken(processes: int, count: int = 7) -> list[list[list[float]]]:
        return [
            [
                [float(value) for value in images[:, 0, 0]]
                for images, _ in take([record(PLAIN)] * count, 4, 1, share=(number, processes))
            ]
            for number in range(processes)
        ]

    assert taken(1) == [[[0, 1, 2, 3], [4, 5, 6]]]
    assert taken(2) == [[[0, 1], [4]], [[2, 3], [5, 6]]]
    assert taken(3, count=5) == [[[0], [4]], [[1], [4]], [[2, 3], [4]]]


def test_a_process_that_a_step_has_no_photo_for_gets_one_without_captions() -> None:
    first, second, third = (take([record(PLAIN)] * 2, 3, 2, share=(n, 3)) for n in range(3))

    assert [len(tokens) for [(_, tokens)] in (first, second, third)] == [2, 2, 2]
    assert [bool((tokens == PAD).all()) for [(_, tokens)] in (first, second, third)] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("processes", [2, 3])
def test_a_photo_gets_the_same_captions_and_augmentation_whichever_process_has_it(
    processes: int,
) -> None:
    photos = np.random.default_rng(0).integers(256, size=(7, 3, 8, 8), dtype=np.uint8)
    records = [record("a dog", "a cat", "a side", "runs on the left") for _ in photos]
    dataset = photo_dataset(photos, records, VOCABULARY, 6, augmentation=Augmentation(erase=0.5))

    def epoch(number: int, count: int) -> list[loader.Batch]:
        return [*data_loader(dataset, 4, 2, seed=3, share=(number, count))]

    shares = [epoch(number, processes) for number in range(processes)]
    for step, whole in enumerate(epoch(0, 1)):
        parts = [share[step] for share in shares]
        for name in ("images", "tokens"):
            expected = getattr(whole, name)
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), expected)
        drawn = torch.cat([part.draws.uniform((len(part.images), 5)) for part in parts])
        assert torch.equal(drawn, whole.draws.uniform((len(whole.images), 5)))


def test_photos_are_read_from_their_file_or_from_the_device_alike(tmp_path: Path) -> None:
    np.save(tmp_path / "photos.npy", np.random.default_rng(0).integers(256, size=(9, 3, 8, 8)))
    file = np.load(tmp_path / "photos.npy", mmap_mode="r").astype(np.uint8)
    records = [record(PLAIN)] * 9

    def batches(images: np.ndarray[Any, Any] | torch.Tensor) -> list[torch.Tensor]:
        augmentation = Augmentation()
        dataset = photo_dataset(images, records, VOCABULARY, 6, augmentation=augmentation)
        return [batch.images for batch in data_loader(dataset, 4, 1, seed=3)]

    both = zip(batches(file), batches(torch.from_numpy(np.array(file))), strict=True)
    assert all(torch.equal(one, other) for one, other in both)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_photos_stay_on_a_gpu_and_are_augmented_there() -> None:
    photos = np.random.default_rng(0).integers(256, size=(9, 3, 64, 64), dtype=np.uint8)
    kept = on_device(photos, "cuda")
    assert isinstance(kept, torch.Tensor)
    assert torch.equal(kept.cpu(), torch.from_numpy(photos))
    for images, augmentation in ((kept, None), (kept, Augmentation(erase=0.5)), (photos, None)):
        dataset = photo_dataset(
            images, [record(PLAIN)] * 9, VOCABULARY, 6, augmentation=augmentation
        )
        found = [
            (one.images, one.tokens) for one in data_loader(dataset, 4, 2, seed=3, device="cuda")
        ]
        assert all(batch.is_cuda and tokens.is_cuda for batch, tokens in found)
        assert (sum(map(len, (batch for batch, _ in found))), found[0][0].dtype) == (9, torch.uint8)
        if augmentation is None:
            order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
            assert np.array_equal(torch.cat([batch for batch, _ in found]).cpu(), photos[order])


def test_images_that_do_not_fit_on_a_gpu_stay_where_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    photos = np.zeros((4, 3, 8, 8), np.uint8)

    assert on_device(photos, "cuda") is photos
    assert "do not fit" in capsys.readouterr().out
    assert on_device(photos, "cpu") is photos
    assert not capsys.readouterr().out


def test_one_caption_that_names_a_side_is_enough() -> None:
    records = [record(PLAIN, PLAIN, "a cat on the right"), record("a bright cleft")]

    assert photo_dataset(grids(2), records, VOCABULARY, 6).sided.tolist() == [True, False]


def test_word_dropout_replaces_the_given_share_of_words_but_no_special() -> None:
    tokens = torch.tensor([START, 4, 5, 6, 7, END, PAD]).repeat(500, 1)
    torch.manual_seed(0)
    heard = drop_words(tokens, 0.25)

    assert torch.equal(heard[:, [0, 5, 6]], tokens[:, [0, 5, 6]])
    assert set(heard[heard != tokens].tolist()) == {UNKNOWN}
    assert 0.22 < float((heard[:, 1:5] == UNKNOWN).float().mean()) < 0.28
    assert torch.equal(drop_words(tokens, 0.0), tokens)
