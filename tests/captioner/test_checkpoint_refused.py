"""Which checkpoints are refused, and for which reason: damaged, foreign and contradictory ones."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import captioner
from captioner import checkpoint
from captioner.checkpoint import CheckpointError
from captioner.matching import Matching
from tests.captioner.checkpoints import Header, Tensors, detector_of, rewrite
from tests.conftest import Trained, tiny_matching


def refused(path: Path) -> str:
    """Return the reason why a file is refused."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value.reason


def put(name: str, tensor: torch.Tensor) -> Callable[[Header, Tensors], None]:
    return lambda header, tensors: tensors.update({name: tensor})


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
