"""The file of a checkpoint's languages holds what was fitted, and is read language by language."""

from pathlib import Path

import numpy as np
import pytest

from captioner.checkpoint import CheckpointError, digest
from captioner.languages.decoders import Decoders
from captioner.languages.file import LanguagesFile, Table
from tests.captioner.languages.speaking import CALIBRATION, CAPTIONS, speaking
from tests.conftest import tiny_model


def test_a_file_gives_back_what_it_was_saved_from(tmp_path: Path) -> None:
    metadata, model = speaking(tmp_path)
    file = LanguagesFile(tmp_path / "languages.safetensors")

    assert file.codes == ("de", "zh")
    assert file.checkpoint == digest(tmp_path / "default.safetensors")
    german = file.metadata("de", metadata)
    assert german.language == "de"
    assert german.calibration == CALIBRATION
    assert german.scores == {"cider": 12.5}
    assert {"Junge", "junge", ","} <= set(german.vocabulary.words)
    assert german.vocabulary.decode(german.vocabulary.encode(CAPTIONS["de"][0])) == (
        "Ein Junge, der im Gras spielt."
    )
    assert german.config.vocabulary_size == len(german.vocabulary) == len(file.words("de").bias)
    assert german.preprocessing == metadata.preprocessing
    decoders = Decoders.load(file, model)
    again = decoders.saved("de")
    assert np.array_equal(again.embedding.levels, file.words("de").embedding.levels)
    assert np.array_equal(again.start, file.words("de").start)
    assert decoders.arrays().keys() == file.shared().keys()


def test_the_matching_of_a_language_shares_the_embedding_of_photos(tmp_path: Path) -> None:
    metadata, _ = speaking(tmp_path)
    file = LanguagesFile(tmp_path / "languages.safetensors")

    matching = file.metadata("zh", metadata).matching

    assert matching is not None
    assert metadata.matching is not None
    assert matching.weight is metadata.matching.weight
    assert matching.words.shape == (len(file.words("zh").bias), 16)


def test_a_table_of_8_bits_is_near_its_rows() -> None:
    rows = np.random.default_rng(1).normal(size=(5, 64)).astype(np.float32)
    table = Table.of(rows)

    assert table.levels.dtype == np.int8
    assert np.abs(table.all() - rows).max() <= np.abs(rows).max() / 127 / 2 + 1e-6
    words = np.array([[3, 1], [0, 0]])
    assert np.array_equal(table.rows(words), table.all()[words])


def test_a_row_of_zeros_stays_zero() -> None:
    assert not Table.of(np.zeros((2, 4), np.float32)).all().any()


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x00" * 100])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "languages.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"languages\.safetensors: damaged"):
        LanguagesFile(path)


def test_a_checkpoint_is_no_file_of_languages(tmp_path: Path) -> None:
    speaking(tmp_path)
    with pytest.raises(CheckpointError, match="must name format"):
        LanguagesFile(tmp_path / "default.safetensors")


def test_decoders_of_another_network_are_refused(tmp_path: Path) -> None:
    speaking(tmp_path)
    file = LanguagesFile(tmp_path / "languages.safetensors")
    other = tiny_model(cell="gru", attention_score="dot", tie_embeddings=True)
    with pytest.raises(CheckpointError, match="another network"):
        Decoders.load(file, other)
