"""What a checkpoint keeps, and how it is saved."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from captioner import checkpoint
from captioner.checkpoint import Metadata
from captioner.confidence import Calibration
from captioner.decoding.generate import generate
from captioner.model import Model
from captioner.options import Options
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from captioner.reranking import Hypothesis
from tests.captioner.checkpoints import detector_of, rewrite
from tests.conftest import (
    VOCABULARY,
    Trained,
    long,
    photo_bytes,
    tiny_matching,
    tiny_model,
    trained,
)


@torch.inference_mode()
def captions(model: Model, preprocessing: Preprocessing) -> list[list[Hypothesis]]:
    squares = [preprocessing.squeeze(decode(photo_bytes(seed))) for seed in range(4)]
    photos = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
    memory = model.encode(preprocessing.normalize(photos))
    return generate(model, memory, Options(beam=3, min_length=6, max_length=6))


def metadata_of(path: Path) -> Metadata:
    return checkpoint.load(path)[0]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        pytest.param({"cell": "gru"}, marks=long),
        pytest.param({"attention": False}, marks=long),
        {"cell": "gru", "attention": False},
        {"attention_score": "dot", "heads": 4, "batch_norm": True},
        {"tie_embeddings": True, "embedding_size": 16},
    ],
    ids=str,
)
def test_a_saved_model_generates_the_same_captions_again(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    model, preprocessing = tiny_model(**fields), Preprocessing(64, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    training, scores = {"epochs": 3, "rates": [0.1, 0.2]}, {"CIDEr": 57.5, "split": "test"}
    path = tmp_path / "model.safetensors"
    checkpoint.save(
        path, Metadata(model.config, VOCABULARY, preprocessing, training, scores), model
    )
    loaded, again = checkpoint.load(path)

    assert loaded.config == again.config == model.config
    assert loaded.vocabulary.words == VOCABULARY.words
    assert (loaded.preprocessing, loaded.training, loaded.scores) == (
        preprocessing,
        training,
        scores,
    )
    assert not again.training
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype, name
        # Half precision keeps 11 bits, and of the smallest numbers steps of 2 ** -24.
        torch.testing.assert_close(after[name], tensor, rtol=2**-11, atol=2**-24)
    if fields.get("tie_embeddings"):
        decoder = again.decoder
        assert decoder.output.weight.data_ptr() == decoder.embedding.weight.data_ptr()

    before_it, after_it = captions(model, preprocessing), captions(again, preprocessing)
    for (first,), (second,) in zip(before_it, after_it, strict=True):
        assert first.tokens == second.tokens
        assert first.logprobs == pytest.approx(second.logprobs, abs=0.1)
    assert len({row[0].tokens for row in before_it}) > 1


def test_the_language_is_kept_and_a_file_that_names_none_is_english(
    tiny: Trained, copied: Path, tmp_path: Path
) -> None:
    path = tmp_path / "klingon.safetensors"
    checkpoint.save(path, *tiny.having(language="tlh"))
    assert metadata_of(path).language == "tlh"
    assert metadata_of(path).small_words is None
    rewrite(copied, lambda header, tensors: header.__delitem__("language"))
    assert metadata_of(copied).language == "en"
    small_words = metadata_of(copied).small_words
    assert small_words is not None
    small = VOCABULARY.spell(small_words.small.nonzero()[0].tolist())
    assert sorted(small) == ["a", "across", "and", "in", "near", "on", "the", "two"]


def test_a_calibration_is_kept_and_a_file_without_one_has_none(
    tiny_file: Path, tiny: Trained, tmp_path: Path
) -> None:
    path = tmp_path / "calibrated.safetensors"
    calibration = Calibration(right=50, intercept=4.37, mean=4.31, length=-0.063)
    checkpoint.save(path, *tiny.having(calibration=calibration))
    assert metadata_of(path).calibration == calibration
    with safe_open(tiny_file, "pt") as file:
        assert "calibration" not in file.metadata()
    assert metadata_of(tiny_file).calibration is None


@pytest.mark.parametrize(("cell", "size"), [("lstm", 64), ("gru", 32)])
def test_the_detector_is_kept_in_half_precision(cell: str, size: int, tmp_path: Path) -> None:
    path, detector = tmp_path / "fitted.safetensors", detector_of(size=size)
    model = tiny_model(cell=cell)
    checkpoint.save(path, *trained(model, out_of_distribution=detector))
    stored = load_file(path)
    assert stored["familiarity.mean"].dtype == stored["familiarity.whitening"].dtype == torch.half
    metadata, loaded = checkpoint.load(path)
    kept = metadata.out_of_distribution
    assert kept is not None
    np.testing.assert_array_equal(kept.mean, detector.mean)
    np.testing.assert_array_equal(kept.whitening, detector.whitening)
    assert kept.whitening.dtype == np.float32
    assert kept.threshold == detector.threshold
    assert loaded.state_dict().keys() == model.state_dict().keys()


def test_a_file_without_a_detector_has_none_of_its_keys(
    tiny_file: Path,
) -> None:
    with safe_open(tiny_file, "pt") as file:
        assert "familiarity" not in file.metadata()
        assert not any("familiarity" in name for name in file.keys())  # noqa: SIM118
    assert metadata_of(tiny_file).out_of_distribution is None


def test_the_matching_is_kept_in_half_precision(
    tiny_file: Path, tiny: Trained, tmp_path: Path
) -> None:
    path, matching = tmp_path / "matching.safetensors", tiny_matching()
    checkpoint.save(path, *tiny.having(matching=matching))
    assert load_file(path)["matching.words"].dtype == torch.half
    loaded = metadata_of(path).matching
    assert loaded is not None
    for field in dataclasses.fields(matching):
        array = getattr(loaded, field.name)
        np.testing.assert_array_equal(array, getattr(matching, field.name))
        assert array.dtype == np.float32
    with safe_open(tiny_file, "pt") as file:
        assert not any("matching" in name for name in file.keys())  # noqa: SIM118
    assert metadata_of(tiny_file).matching is None


def test_saving_a_loaded_checkpoint_writes_the_same_weights(
    tiny_file: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.safetensors"
    checkpoint.save(again, *checkpoint.load(tiny_file))
    first, second = load_file(tiny_file), load_file(again)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_weights_are_stored_in_half_precision_and_tied_ones_once(
    tiny_file: Path, tmp_path: Path
) -> None:
    untied = load_file(tiny_file)
    assert {tensor.dtype for tensor in untied.values()} == {torch.float16, torch.int64}
    path = tmp_path / "tied.safetensors"
    checkpoint.save(path, *trained(tiny_model(tie_embeddings=True)))
    assert untied.keys() - load_file(path).keys() == {"decoder.output.weight"}


def test_saving_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = tiny_model(tie_embeddings=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    checkpoint.save(tmp_path / "model.safetensors", *trained(model))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert model.decoder.output.weight is model.decoder.embedding.weight


def test_a_checkpoint_is_replaced_whole(copied: Path, tiny: Trained) -> None:
    checkpoint.save(copied, *tiny.having(scores={"CIDEr": 1.0}))
    assert metadata_of(copied).scores == {"CIDEr": 1.0}
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


def test_a_failing_save_leaves_the_old_file(copied: Path, tiny: Trained) -> None:
    old = copied.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(copied, *tiny.having(training={"folder": Path("x")}))
    assert copied.read_bytes() == old
    # The new file cannot be written where a folder is.
    (copied.parent / f"{copied.name}.part").mkdir()
    with pytest.raises(Exception, match="directory"):
        checkpoint.save(copied, *tiny)
    assert copied.read_bytes() == old
