"""CIDEr-D on word ids is CIDEr-D as published scores compute it."""

import random

import pytest
import torch
from pycocoevalcap.cider.cider import Cider
from torch.nn import functional

from captioner.vocabulary import END, PAD
from train.fitting.cider_d import CiderD, rows

Captions = list[list[int]]
WORDS = list(range(4, 40))


def write(chance: random.Random, count: int, words: list[int]) -> Captions:
    """Make captions in which words come again, so that counts are clipped."""
    return [[chance.choice(words) for _ in range(chance.randint(1, 14))] for _ in range(count)]


@pytest.fixture(scope="module")
def references() -> list[Captions]:
    chance = random.Random(0)
    return [write(chance, 5, WORDS[: chance.randint(5, len(WORDS))]) for _ in range(40)]


def table(captions: list[Captions]) -> torch.Tensor:
    flat = rows([caption for group in captions for caption in group])
    return flat.reshape(len(captions), len(captions[0]), -1)


def published(captions: Captions, references: list[Captions]) -> list[float]:
    def text(caption: list[int]) -> str:
        return " ".join(map(str, caption))

    theirs = {photo: [text(caption) for caption in group] for photo, group in enumerate(references)}
    ours = {photo: [text(caption)] for photo, caption in enumerate(captions)}
    return [float(score) for score in Cider().compute_score(theirs, ours)[1]]


def scores(captions: Captions, references: list[Captions]) -> list[float]:
    found = CiderD(references)(table([[caption] for caption in captions]), table(references))
    assert found.shape == (len(captions), 1, len(references[0]))
    return found.mean(-1)[:, 0].tolist()


def test_scores_are_those_of_the_published_code(references: list[Captions]) -> None:
    captions = write(random.Random(1), 40, WORDS[:20])
    captions[7] = references[7][2]
    expected = published(captions, references)
    assert max(expected) > 1
    assert scores(captions, references) == pytest.approx(expected, abs=1e-9)


def test_empty_long_and_repeated_captions_score_as_published(references: list[Captions]) -> None:
    chance = random.Random(2)
    captions = [chance.choice(group) for group in references]
    for photo in range(0, 40, 4):
        captions[photo] = []
        captions[photo + 1] = captions[photo + 1] * 3
        captions[photo + 2] = [chance.choice(WORDS)] * chance.randint(1, 60)
    assert scores(captions, references) == pytest.approx(published(captions, references), abs=1e-9)


def test_a_word_that_no_reference_has_counts_as_the_rarest() -> None:
    references: list[Captions] = [[[4, 5, 6]], [[4, 7, 8]], [[4, 9, 10]]]
    captions = [[4, 5, 99], [4, 7, 8], [99]]
    assert scores(captions, references) == pytest.approx(published(captions, references))


def test_references_without_a_word_give_no_score() -> None:
    assert scores([[4, 5]], [[[], []]]) == [0]


def test_a_caption_scores_ten_with_itself_and_less_with_any_other(
    references: list[Captions],
) -> None:
    captions = table(references)
    found = CiderD(references)(captions, captions)
    long = (captions != PAD).sum(-1) >= 4
    assert found[:, range(5), range(5)][long].tolist() == pytest.approx([10] * int(long.sum()))
    assert (found <= 10 + 1e-9).all()
    assert torch.allclose(found[:, 0, 1], found[:, 0, 1])


def test_a_caption_that_stops_in_the_middle_misses_the_end_token() -> None:
    whole = [4, 5, 6, 7, END]
    references = [[whole], [[8, 9, 10, END]]]
    cut = [4, 5, 6, 7]
    found = CiderD(references)(table([[whole, cut], [cut, cut]]), table(references))
    assert found[0, 0, 0] > found[0, 1, 0] > 0


def test_padding_changes_nothing(references: list[Captions]) -> None:
    reward, captions = CiderD(references), table(references)
    wide = functional.pad(captions, (0, 3, 0, 2), value=PAD)
    found = reward(wide, wide)
    assert torch.allclose(found[:, :5, :5], reward(captions, captions))
    assert not found[:, 5:].any()
    assert not found[:, :, 5:].any()
