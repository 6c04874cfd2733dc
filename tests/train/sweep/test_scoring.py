"""What the checkpoints of a sweep are scored on."""

from functools import partial
from pathlib import Path

import pytest

from captioner.photo.preprocessing import Preprocessing
from tests.train.tiny_dataset import write_dataset
from train.data.datasets import Split, read
from train.sweep.scoring import (
    DECODINGS,
    Candidate,
    EvaluationSet,
    read_evaluation_set,
)

pytestmark = pytest.mark.usefixtures("without_java")


def test_photos_are_scored_in_the_size_that_the_checkpoint_was_trained_on(
    tiny_file: Path, tmp_path: Path
) -> None:
    read_set = partial(read_evaluation_set, read(write_dataset(tmp_path / "data")))
    given: list[EvaluationSet] = []

    def note(split: Split, preprocessing: Preprocessing) -> EvaluationSet:
        given.append(read_set(split, preprocessing))
        return given[-1]

    Candidate(tiny_file, note, "cpu").scores("val", DECODINGS[0], meteor=False)

    [evaluation_set] = given
    assert evaluation_set.photos.shape == (4, 64, 64, 3)


def test_every_decoding_is_tried_once() -> None:
    assert len(set(DECODINGS)) == len(DECODINGS) == 10
    assert DECODINGS[0].options().beam == 1
