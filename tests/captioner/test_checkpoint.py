import dataclasses
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import captioner
from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata
from captioner.confidence import Calibration
from captioner.decoding.generate import generate
from captioner.matching import Matching
from captioner.model import Model
from captioner.options import Options
from captioner.out_of_distribution import OutOfDistributionDetector
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from captioner.reranking import Hypothesis
from tests.conftest import (
    VOCABULARY,
    Trained,
    long,
    photo_bytes,
    tiny_matching,
    tiny_model,
    trained,
)

Header = dict[str, str]
Tensors = dict[str, torch.Tensor]


@torch.inference_mode()
def captions(model: Model, preprocessing: Preprocessing) -> list[list[Hypothesis]]:
    squares = [preprocessing.squeeze(decode(photo_bytes(seed))) for seed in range(4)]
    photos = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2)
    memory = model.encode(preprocessing.normalize(photos))
    return generate(model, memory, Options(beam=3, min_length=6, max_length=6))


def metadata_of(path: Path) -> Metadata:
    return checkpoint.load(path)[0]


def rewrite(path: Path, change: Callable[[Header, Tensors], None]) -> None:
    """Change the contents of a checkpoint, and write a sound safetensors file again."""
    with safe_open(path, "pt") as file:
        header = file.metadata()
    tensors = load_file(path)
    change(header, tensors)
    save_file(tensors, path, header)


@pytest.fixture
def copied(tiny_file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_file.read_bytes())
    return path


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


def detector_of(mean: float = 0.25, size: int = 64) -> OutOfDistributionDetector:
    """Return a detector that half precision holds exactly."""
    whitening = np.random.default_rng(3).normal(size=(size, size)).astype(np.float16)
    return OutOfDistributionDetector(
        np.full(size, mean, np.float32), whitening.astype(np.float32), threshold=0.6875
    )


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


def put(name: str, tensor: torch.Tensor) -> Callable[[Header, Tensors], None]:
    return lambda header, tensors: tensors.update({name: tensor})


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


@pytest.mark.parametrize(
    ("matching", "reason"),
    [
        (tiny_matching(words=9), "has 512 channels and 9 words, its network 512 and"),
        (tiny_matching(channels=2048), "has 2048 channels"),
    ],
)
def test_the_matching_of_another_network_is_refused(
    matching: Matching, reason: str, copied: Path, tiny: Trained
) -> None:
    checkpoint.save(copied, *tiny.having(matching=matching))
    assert re.match(f"unreadable metadata .*{reason}", refused(copied))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header, tensors: tensors.pop("matching.bias"), "matching.bias"),
        (put("matching.bias", torch.zeros(4)), "have the shapes"),
        (put("matching.bias", torch.full((16,), torch.nan)), "bias must be of finite numbers"),
    ],
)
def test_a_damaged_matching_is_refused(
    copied: Path, tiny: Trained, change: Callable[[Header, Tensors], None], reason: str
) -> None:
    checkpoint.save(copied, *tiny.having(matching=tiny_matching()))
    rewrite(copied, change)
    assert re.match(f"unreadable metadata .*{reason}", refused(copied))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *((lambda header, tensors, damaged=damaged: header.update(familiarity=damaged),
           "unreadable metadata") for damaged in
          ("", "{", "7", "null", "[]", "{}", '{"most": 1, "more": 2}')),
        *((lambda header, tensors, damaged=damaged: header.update(familiarity=damaged),
           "unreadable metadata .*threshold is ") for damaged in
          ('{"most": NaN}', '{"most": Infinity}', '{"most": "1"}', '{"most": null}')),
        (lambda header, tensors: header.update(familiarity=f'{{"most": 1{"0" * 400}}}'),
         "unreadable metadata"),
        (lambda header, tensors: header.pop("familiarity"),
         "its tensors do not fit its configuration"),
        *((lambda header, tensors, name=name: tensors.pop(name), f"unreadable metadata .*{name}")
          for name in ("familiarity.mean", "familiarity.whitening")),
        (put("familiarity.mean", torch.zeros(32)), "unreadable metadata .*mean has the shape"),
        (put("familiarity.mean", torch.zeros(())), "unreadable metadata .*mean has the shape"),
        (put("familiarity.mean", torch.zeros(64).bfloat16()), "unreadable metadata"),
        (put("familiarity.whitening", torch.zeros(64, 32)), "unreadable metadata .*whitening"),
        (put("familiarity.whitening", torch.full((64, 64), torch.nan)),
         "unreadable metadata .*whitening must be of finite numbers"),
        (lambda header, tensors: tensors.update(
            {"familiarity.mean": torch.zeros(9), "familiarity.whitening": torch.zeros(9, 9)}),
         "unreadable metadata .*familiarity has 9 numbers, the decoder's start state 64"),
    ],
)  # fmt: skip
def test_a_damaged_detector_is_refused(
    copied: Path, tiny: Trained, change: Callable[[Header, Tensors], None], reason: str
) -> None:
    checkpoint.save(copied, *tiny.having(out_of_distribution=detector_of()))
    rewrite(copied, change)
    assert re.match(reason, refused(copied))


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


def refused(path: Path) -> str:
    """Return the reason why a file is refused."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value.reason


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.safetensors") == "there is no such file"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "it is a directory, not a file"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:5],
        lambda data: data[:100],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + b"more",
        lambda data: bytes(range(256)) * 50,
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:8] + b"[" + data[9:],
        lambda data: b"not a checkpoint",
        lambda data: pickle.dumps({"decoder.output.weight": [0.0]}),
    ],
    ids=["empty", "5-bytes", "100-bytes", "half", "a-byte-short", "longer", "bytes", "huge-header",
         "broken-header", "text", "pickle"],
)  # fmt: skip
def test_a_damaged_file_is_refused(copied: Path, damage: Callable[[bytes], bytes]) -> None:
    copied.write_bytes(damage(copied.read_bytes()))
    assert refused(copied).startswith("damaged, or not a safetensors file (")


def test_a_pickled_file_is_refused_and_nothing_in_it_is_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    path = tmp_path / "model.safetensors"
    torch.save({"weights": Attack()}, path)
    assert refused(path).startswith("damaged, or not a safetensors file (")
    assert not ran.exists()


def test_nothing_in_the_package_unpickles() -> None:
    for source in Path(captioner.__file__).parent.rglob("*.py"):
        assert not re.search(r"\bpickle\b|torch\.load\b|shelve", source.read_text()), source.name


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.safetensors"
    save_file({"fc.weight": torch.zeros(2, 2)}, path)
    assert refused(path).startswith("not a checkpoint of this program")
    save_file({"fc.weight": torch.zeros(2, 2)}, path, {"format": "pt"})
    assert refused(path).startswith("not a checkpoint of this program")


def changed_config(**fields: Any) -> Callable[[Header, Tensors], None]:
    def change(header: Header, tensors: Tensors) -> None:
        header["config"] = json.dumps({**json.loads(header["config"]), **fields})

    return change


def set_header(**values: str) -> Callable[[Header, Tensors], None]:
    return lambda header, tensors: header.update(values)


def without_key(key: str) -> Callable[[Header, Tensors], None]:
    def change(header: Header, tensors: Tensors) -> None:
        del header[key]

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        *((without_key(key), f"unreadable metadata .*{key}") for key in
          ("config", "vocabulary", "preprocessing", "training", "scores")),
        *((set_header(**{key: "{"}), "unreadable metadata") for key in
          ("config", "vocabulary", "preprocessing", "training", "scores")),
        *((set_header(**{key: "7"}), "unreadable metadata") for key in
          ("config", "vocabulary", "preprocessing")),
        (set_header(config="{}"), "unreadable metadata .*vocabulary_size"),
        (set_header(config="[" * 100_000), "unreadable metadata .*RecursionError"),
        (set_header(vocabulary='["a", "dog"]'), "unreadable metadata .*<pad>"),
        (set_header(preprocessing='{"size": 0, "mean": [0, 0, 0], "std": [1, 1, 1]}'),
         "unreadable metadata .*size"),
        (set_header(preprocessing='{"size": "64", "mean": [0, 0, 0], "std": [1, 1, 1]}'),
         "unreadable metadata .*size"),
        (set_header(preprocessing='{"size": 64, "mean": [0, 0], "std": [1, 1, 1]}'),
         "unreadable metadata .*means"),
        (set_header(preprocessing='{"size": 64, "mean": [0, 0, 0], "std": [1, 0, 1]}'),
         "unreadable metadata .*deviations"),
        *((set_header(calibration=damaged), "unreadable metadata") for damaged in
          ("", "{", "7", "null", "[]", "{}", '{"right": 50, "intercept": 1, "mean": 1}')),
        (set_header(calibration='{"right": 50, "intercept": NaN, "mean": 1, "length": 1}'),
         "unreadable metadata .*intercept is nan"),
        (set_header(calibration='{"right": 50, "intercept": "1", "mean": 1, "length": 1}'),
         "unreadable metadata .*intercept is '1'"),
        (set_header(calibration=f'{{"right": 50, "intercept": 1{"0" * 400}, "mean": 1, '
                                  '"length": 1}'),
         "unreadable metadata"),
        (changed_config(colour="red"), "unreadable metadata .*colour"),
        (changed_config(encoder="vgg16"), "unreadable metadata .*encoder"),
        (changed_config(hidden_size=-32), "unreadable metadata .*hidden_size"),
        (changed_config(hidden_size="32"), "unreadable metadata"),
        (changed_config(hidden_size=32.0), "its tensors do not fit its configuration"),
        (changed_config(hidden_size=64), "its tensors do not fit its configuration"),
        (changed_config(encoder="resnet34"), "its tensors do not fit its configuration"),
        (changed_config(vocabulary_size=30), "its vocabulary has 29 words, its model 30"),
        (lambda header, tensors: tensors.pop("decoder.output.bias"),
         "its tensors do not fit its configuration"),
        (lambda header, tensors: tensors.update({"decoder.output.bias": torch.zeros(3)}),
         "its tensors do not fit its configuration"),
        (lambda header, tensors: tensors.update({"extra": torch.zeros(3)}),
         "its tensors do not fit its configuration"),
        (lambda header, tensors: tensors.clear(), "its tensors do not fit its configuration"),
    ],
)  # fmt: skip
def test_a_file_that_contradicts_itself_is_refused(
    copied: Path, change: Callable[[Header, Tensors], None], reason: str
) -> None:
    rewrite(copied, change)
    assert re.match(reason, refused(copied))
