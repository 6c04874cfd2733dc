"""An exported network computes what PyTorch does, and is used where it should be."""

import asyncio
import shutil
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from captioner import Captioner, Options, checkpoint
from captioner.__main__ import main
from captioner.checkpoint import CheckpointError, digest, exported_path
from captioner.confidence import Calibration
from captioner.decoding.generate import generate
from captioner.photo.decode import decode
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.protocols import Memory, Squares
from captioner.vocabulary import END
from tests.conftest import (
    Trained,
    long,
    on_cpu,
    photo_bytes,
    tiny_matching,
    tiny_model,
    trained,
)

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

import onnx

from captioner.export import layers
from captioner.export.command import compare, export
from captioner.runtime.errors import UnusableError
from captioner.runtime.onnx import OnnxNetwork, load
from captioner.runtime.onnx_decoder import session
from captioner.runtime.select import Runtime
from captioner.serving import Measurement, ServingConfig
from train.fitting.out_of_distribution import fit

KINDS: dict[str, dict[str, Any]] = {
    "lstm-dot": {"attention_score": "dot", "heads": 4},
    "gru-additive": {"cell": "gru", "tie_embeddings": True},
    "lstm-plain": {"attention": False, "batch_norm": True},
    "gru-plain-bottleneck": {"attention": False, "cell": "gru", "encoder": "resnet50"},
}
STRATEGIES = [
    Options(beam=1),
    Options(beam=3, length_penalty=1.0, alternatives=1, attention=True),
    Options(sample=True, seed=2, alternatives=1),
]


def built(**fields: Any) -> Trained:
    model = tiny_model(**fields)
    if "batch_norm" in fields:
        norm = model.encoder.norm
        assert isinstance(norm, torch.nn.BatchNorm1d)
        assert norm.running_mean is not None
        norm.running_mean.normal_()
    with torch.no_grad():  # as in a file
        model.decoder.embedding.weight.copy_(model.decoder.embedding.weight.half())
    return trained(model, preprocessing=Preprocessing(size=64))


def squares(count: int) -> Squares:
    squeeze = Preprocessing(size=64).squeeze
    return np.stack([squeeze(decode(photo_bytes(seed))) for seed in range(count)])


def network(checkpoint: Path) -> OnnxNetwork:
    """Return the network that was exported from a checkpoint."""
    return load(exported_path(checkpoint))[1]


@pytest.fixture
def in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "captioner.export.command.quantized", lambda graph, *_: graph.SerializeToString()
    )
    monkeypatch.setattr(layers, "IN_8_BITS", layers.IN_32_BITS)


@pytest.fixture(scope="module")
def exported_once(tiny: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.safetensors"
    checkpoint.save(path, *tiny)
    export(*tiny, digest(path), squares(4), exported_path(path))
    return path


@pytest.fixture
def with_export(exported_once: Path, tmp_path: Path) -> Path:
    """Return a checkpoint with its exported network in the same folder, for one test alone."""
    for path in (exported_once, exported_path(exported_once)):
        shutil.copy(path, tmp_path)
    return tmp_path / exported_once.name


@pytest.mark.usefixtures("in_single_precision")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_network_generates_the_captions_of_pytorch(kind: str, tmp_path: Path) -> None:
    model = built(**KINDS[kind])
    export(*model, "", squares(2), tmp_path / "tiny")
    metadata, exported = load(tmp_path / "tiny")
    (_, pytorch), photos = on_cpu(model), squares(5)
    assert metadata.config == model.metadata.config
    for options in STRATEGIES:
        expected = generate(pytorch, pytorch.encode(photos), options)
        found = generate(exported, exported.encode(photos), options)
        assert len({row[0].tokens for row in found}) > 1
        for row, other in zip(found, expected, strict=True):
            for one, same in zip(row, other, strict=True):
                assert one.tokens == same.tokens
                assert one.logprobs == pytest.approx(same.logprobs, abs=1e-3)
                assert (one.attention is None) == (same.attention is None)
                if one.attention is not None and same.attention is not None:
                    np.testing.assert_allclose(one.attention, same.attention, atol=1e-4)


@pytest.mark.usefixtures("in_single_precision")
@pytest.mark.parametrize("kind", ["lstm-dot", "gru-plain-bottleneck"])
def test_the_match_is_that_of_pytorch(kind: str, tmp_path: Path) -> None:
    plain = built(**KINDS[kind])
    channels = plain.metadata.config.channels
    model = plain.having(matching=tiny_matching(channels=channels))
    export(*model, "", squares(2), tmp_path / "tiny")
    metadata, exported = load(tmp_path / "tiny")
    (_, pytorch), photos = on_cpu(model), squares(5)
    memory, expected = exported.encode(photos), pytorch.encode(photos)
    pooled = exported.pooled_features(memory)
    assert pooled.shape == (5, channels)
    np.testing.assert_allclose(pooled, pytorch.pooled_features(expected), rtol=1e-3, atol=1e-3)
    found = generate(exported, memory, Options(alternatives=2), metadata.matching)
    same = generate(pytorch, expected, Options(alternatives=2), model.metadata.matching)
    for row, other in zip(found, same, strict=True):
        assert [one.tokens for one in row] == [one.tokens for one in other]
        assert [one.match for one in row] == pytest.approx([one.match for one in other], abs=1e-3)


@pytest.mark.parametrize("encoder", ["resnet18", pytest.param("resnet50", marks=long)])
def test_the_whole_encoder_computes_in_8_bits(encoder: str, tmp_path: Path) -> None:
    export(*built(encoder=encoder), "", squares(2), tmp_path / "tiny")
    with safe_open(tmp_path / "tiny", "np") as file:
        graph = onnx.load_from_string(file.get_tensor("encoder").tobytes()).graph
    made_by = {name: node.op_type for node in graph.node for name in node.output}
    constants = {constant.name for constant in graph.initializer}
    heavy = [
        node
        for node in graph.node
        if node.op_type == "Conv" or (node.op_type == "MatMul" and node.input[0] not in constants)
    ]
    assert {made_by.get(name) for node in heavy for name in node.input[:2]} == {"DequantizeLinear"}


def test_eight_bits_cost_little(tiny: Trained, with_export: Path) -> None:
    exported, pytorch, photos = network(with_export), on_cpu(tiny)[1], squares(8)
    regions, expected = exported.encode(photos).regions, pytorch.encode(photos).regions.numpy()
    assert 0 < np.abs(regions - expected).mean() < 0.1 * np.abs(expected).mean()
    memory = pytorch.encode(photos)
    start = tuple(part.numpy() for part in memory.start)
    held = Memory(memory.regions.numpy(), memory.keys.numpy(), start, memory.pooled.numpy())
    first, every = (np.full((8, 1), 5), np.arange(8)[:, None]), tiny.metadata.config.vocabulary_size
    found = exported.begin(held).step(*first, every)
    precise = pytorch.begin(memory).step(*first, every)
    by_word = [np.take_along_axis(x.logprobs, x.ids.argsort(-1), -1) for x in (found, precise)]
    assert 0 < np.abs(np.exp(by_word[0]) - np.exp(by_word[1])).max() < 0.1
    assert f"of {len(photos)} captions are the same as PyTorch's" in compare(
        *tiny, exported, photos
    )


def test_a_caption_does_not_depend_on_its_neighbours(with_export: Path) -> None:
    exported, photos = network(with_export), squares(6)
    memory = exported.encode(photos)
    together = generate(exported, memory, Options())
    for index, row in enumerate(together):
        own = exported.encode(photos[index : index + 1])
        for part, of_all in zip(own.start, memory.start, strict=True):
            assert np.array_equal(part[0], of_all[index])  # the decoder would enlarge a difference
        assert generate(exported, own, Options())[0] == row


async def test_batches_side_by_side_give_the_captions_that_photos_get_alone(
    with_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    threads: list[tuple[str, int]] = []

    def note(measured: Measurement) -> None:
        if measured.stage == "decoder":
            threads.append((threading.current_thread().name, measured.photos))

    photos = [photo_bytes(seed) for seed in range(8)]
    serving = ServingConfig(max_wait=1, max_batch=8)
    async with Captioner.load(with_export, "cpu", serving=serving, observe=note) as captioner:
        together = await asyncio.gather(*map(captioner.caption, photos))
    async with Captioner.load(with_export, "cpu") as captioner:
        alone = [await captioner.caption(photo) for photo in photos]
    assert together == alone
    assert len(set(threads)) == 2  # a batch of 4 in each of two threads
    assert {size for _, size in threads} == {4}


async def test_auto_takes_the_exported_network_on_the_cpu(with_export: Path) -> None:
    for device, runtime, taken in (
        ("cpu", "auto", "onnx"),
        ("cpu", "onnx", "onnx"),
        ("cpu", "torch", "torch"),
    ):
        async with Captioner.load(with_export, device, runtime=runtime) as captioner:  # type: ignore[arg-type]
            assert captioner.runtime == taken
            caption = await captioner.caption(photo_bytes(1), Options(attention=True))
            assert caption.words[0].attention is not None
            assert caption.words[0].attention.shape == (2, 2)


async def test_a_calibration_is_exported(tiny: Trained, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    calibration = Calibration(right=50, intercept=-1.0, mean=0.0, length=0.0)
    calibrated = tiny.having(calibration=calibration)
    checkpoint.save(path, *calibrated)
    export(*calibrated, digest(path), squares(4), exported_path(path))
    async with Captioner.load(path, "cpu", runtime="onnx") as captioner:
        assert captioner.metadata.calibration == calibration
        caption = await captioner.caption(photo_bytes(1))
    assert caption.confidence == pytest.approx(1 / (1 + np.e))


@pytest.mark.usefixtures("in_single_precision")
@pytest.mark.parametrize(
    "kind",
    [
        "lstm-dot",
        pytest.param("gru-additive", marks=long),
        pytest.param("lstm-plain", marks=long),
        "gru-plain-bottleneck",
    ],
)
def test_the_distance_is_that_of_pytorch(kind: str, tmp_path: Path) -> None:
    model = built(**KINDS[kind])
    _, pytorch = on_cpu(model)
    start_states = pytorch.start_states(pytorch.encode(squares(8)))
    assert start_states.shape == (8, model.metadata.config.start_size)
    detector = fit(start_states, start_states)
    export(*model.having(out_of_distribution=detector), "", squares(2), tmp_path / "tiny")
    metadata, exported = load(tmp_path / "tiny")
    kept = metadata.out_of_distribution
    assert kept is not None
    assert kept.threshold == detector.threshold
    found = kept.distance(exported.start_states(exported.encode(squares(12))))
    expected = detector.distance(pytorch.start_states(pytorch.encode(squares(12))))
    np.testing.assert_allclose(found, expected, rtol=1e-2)
    assert np.ptp(expected) > 0.1


@long
async def test_a_detector_is_exported(tiny: Trained, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    _, pytorch = on_cpu(tiny)
    start_states = pytorch.start_states(pytorch.encode(squares(8)))
    for threshold, unfamiliar in ((0.0, True), (1e9, False)):
        detector = replace(fit(start_states, start_states), threshold=threshold)
        checkpoint.save(path, *tiny.having(out_of_distribution=detector))
        export(*checkpoint.load(path), digest(path), squares(4), exported_path(path))
        async with Captioner.load(path, "cpu", runtime="onnx") as captioner:
            assert (await captioner.caption(photo_bytes(1))).out_of_distribution is unfamiliar


def test_a_checkpoint_without_a_detector_exports_none(with_export: Path) -> None:
    assert load(exported_path(with_export))[0].out_of_distribution is None


def test_the_export_of_an_older_checkpoint_is_not_used(
    with_export: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = tiny_model(seed=5)
    with torch.no_grad():
        other.decoder.output.bias[END] += 1
    checkpoint.save(with_export, *trained(other, preprocessing=Preprocessing(size=64)))
    assert Captioner.load(with_export, "cpu").runtime == "torch"
    assert "made from another checkpoint" in caplog.text
    with pytest.raises(CheckpointError, match="made from another checkpoint"):
        Captioner.load(with_export, "cpu", runtime="onnx")


@pytest.mark.parametrize("wrong", [b"", b"{}", "truncated", "checkpoint"])
def test_a_damaged_export_is_one_clear_error(with_export: Path, wrong: bytes | str) -> None:
    path = exported_path(with_export)
    if wrong == "checkpoint":
        path.write_bytes(with_export.read_bytes())
    else:
        path.write_bytes(path.read_bytes()[:-1000] if isinstance(wrong, str) else wrong)
    with pytest.raises(CheckpointError, match=r"tiny\.onnx\.safetensors"):
        Captioner.load(with_export, "cpu", runtime="onnx")


def test_a_network_does_not_hold_the_bytes_of_its_graphs(with_export: Path) -> None:
    with safe_open(exported_path(with_export), "np") as file:
        graph = file.get_tensor("encoder")
    tracemalloc.start()
    try:
        started = session(graph, threads=1)
        held, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert started.get_inputs()[0].name == "photos"
    assert held < graph.nbytes / 2 < most


def test_a_missing_export_names_the_command_that_writes_it(with_export: Path) -> None:
    exported_path(with_export).unlink()
    with pytest.raises(CheckpointError, match=r"no such file; python -m captioner export writes"):
        Captioner.load(with_export, "cpu", runtime="onnx")


@pytest.mark.parametrize("runtime", ["auto", "torch", "onnx"])
@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_folder_is_no_checkpoint_in_any_runtime(path: str, runtime: Runtime) -> None:
    with pytest.raises(CheckpointError, match="it is a directory, not a file"):
        Captioner.load(path, "cpu", runtime=runtime)


@pytest.mark.parametrize("runtime", ["auto", "torch", "onnx"])
def test_an_export_in_the_place_of_its_checkpoint_is_one_clear_error(
    with_export: Path, runtime: Runtime
) -> None:
    with pytest.raises(CheckpointError, match="name the checkpoint that it was made from"):
        Captioner.load(exported_path(with_export), "cpu", runtime=runtime)


def test_a_runtime_that_cannot_be_used_is_named(with_export: Path) -> None:
    with pytest.raises(UnusableError, match=r"^runtime is 'steam'; allowed are auto, torch, onnx"):
        Captioner.load(with_export, runtime="steam")  # type: ignore[arg-type]
    with pytest.raises(UnusableError, match=r"^runtime 'onnx' is for the CPU") as caught:
        Captioner.load(with_export, "cuda", runtime="onnx")
    assert caught.value.setting == "runtime"


def test_an_exported_network_is_served_without_pytorch(with_export: Path) -> None:
    code = (
        "import asyncio, sys; from captioner import Captioner\n"
        "async def main():\n"
        f"    async with Captioner.load({str(with_export)!r}, 'cpu') as captioner:\n"
        "        print((await captioner.caption(sys.stdin.buffer.read())).text)\n"
        "asyncio.run(main()); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=photo_bytes(1), capture_output=True, check=True
    )
    caption, loaded = done.stdout.decode().splitlines()
    assert caption.endswith(".")
    assert loaded == "False"


def test_the_command_writes_next_to_the_checkpoint_and_compares(
    tiny_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, photos = tmp_path / "model.safetensors", tmp_path / "photos"
    path.write_bytes(tiny_file.read_bytes())
    photos.mkdir()
    assert main(["export", "--checkpoint", str(path), "--photos", str(photos)]) == 1
    assert "has fewer than two photos" in capsys.readouterr().err
    (photos / "notes.txt").write_text("no photo")
    for seed in range(4):
        (photos / f"{seed}.jpg").write_bytes(photo_bytes(seed))
    assert main(["export", "--checkpoint", str(path), "--photos", str(photos)]) == 0
    assert "of 1 captions are the same as PyTorch's" in capsys.readouterr().out
    assert Captioner.load(path, "cpu").runtime == "onnx"
