"""The encoder computes the same on CUDA as on the CPU, for every batch size."""

import copy
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from captioner.decoding.generate import generate
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from captioner.reranking import Hypothesis
from captioner.runtime.cuda_graphs import WARM_UP, EncoderGraphs, captured, rounded_up
from captioner.runtime.language_network import LanguageNetwork
from captioner.runtime.protocols import Squares
from captioner.runtime.pytorch import PyTorchNetwork
from captioner.speakers import Speakers, languages_of
from tests.captioner.languages.speaking import CAPTIONS, speaking
from tests.conftest import long, tiny_model

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def squares(count: int, seed: int = 0) -> Squares:
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3), np.uint8)


def network(device: str) -> PyTorchNetwork:
    return PyTorchNetwork(tiny_model(), Preprocessing(size=64), device)


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (16, 16), (17, 32)]
)
def test_batches_are_rounded_up_to_powers_of_two(count: int, size: int) -> None:
    assert rounded_up(count) == size


@torch.inference_mode()
def test_a_batch_that_is_rounded_up_is_encoded_as_without() -> None:
    model, preprocessing = tiny_model().eval(), Preprocessing(size=64)
    graphs = EncoderGraphs(
        lambda photos: model.encode(preprocessing.normalize(photos)),
        *("cpu", threading.Lock(), lambda: None),
    )
    for count in (1, 3, 4, 3):
        found, expected = (
            graphs(squares(count, count)),
            network("cpu").encode(squares(count, count)),
        )
        for part, same in zip(
            (found.regions, found.keys, found.pooled, *found.start),
            (expected.regions, expected.keys, expected.pooled, *expected.start),
            strict=True,
        ):
            assert part.shape == same.shape
            torch.testing.assert_close(part, same)


def test_work_that_cannot_be_captured_is_done_without_a_graph(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[None] = []
    stream = SimpleNamespace(synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    for error in (RuntimeError("operation not permitted"), torch.OutOfMemoryError()):
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Mock(side_effect=error))
        if isinstance(error, torch.OutOfMemoryError):  # a full device is no failed capture
            with pytest.raises(torch.OutOfMemoryError):
                captured(lambda: done.append(None), "cuda")
        else:
            captured(lambda: done.append(None), "cuda")()
            assert len(done) == WARM_UP + 1
            assert "without CUDA graphs: operation not permitted" in caplog.text


def test_a_graph_holds_what_it_works_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = SimpleNamespace(synchronize=lambda: None)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Mock())
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    photos = torch.zeros(2)
    held = weakref.ref(photos)

    def work(photos: torch.Tensor = photos) -> None:
        photos.add_(1)

    run = captured(work, "cuda")
    del work, photos
    assert held() is not None
    run()
    del run
    assert held() is None


@pytest.mark.parametrize("encoder", ["resnet18", pytest.param("resnet50", marks=long)])
def test_a_folded_encoder_computes_the_same(encoder: str) -> None:
    model = tiny_model(encoder=encoder).eval()
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d) and norm.running_mean is not None:
            norm.running_mean.normal_()  # as after training
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = model.encoder.grid(photos)
        model.encoder.fold_batch_norms()
        torch.testing.assert_close(model.encoder.grid(photos), before, rtol=1e-3, atol=1e-4)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in model.modules())


@needs_cuda
@pytest.mark.parametrize("count", [1, 3, 4, 8])
def test_a_graph_encodes_as_the_cpu_does(count: int) -> None:
    on_cuda, on_cpu = network("cuda"), network("cpu")
    for seed in range(3):  # captured, then replayed
        memory, same = on_cuda.encode(squares(count, seed)), on_cpu.encode(squares(count, seed))
        assert np.allclose(on_cuda.pooled_features(memory), on_cpu.pooled_features(same), atol=0.1)
        regions, expected = memory.regions.float().cpu(), same.regions
        assert regions.shape == expected.shape
        assert torch.allclose(regions, expected, atol=0.1)


@needs_cuda
def test_an_encoded_batch_stays_when_the_graph_runs_again() -> None:
    on_cuda = network("cuda")
    before = on_cuda.encode(squares(2, seed=0)).regions
    kept = before.clone()
    on_cuda.encode(squares(2, seed=1))
    assert torch.equal(before, kept)
    on_cuda.free()
    assert torch.allclose(on_cuda.encode(squares(2, seed=0)).regions, kept, atol=1e-2)


@needs_cuda
def test_threads_side_by_side_caption_as_one_alone() -> None:
    on_cuda = network("cuda")

    def sentences(count: int) -> list[list[Hypothesis]]:
        return generate(on_cuda, on_cuda.encode(squares(count)), Options())

    counts = (1, 2, 5, 9, 17, 33) * 4
    alone = {count: sentences(count) for count in set(counts)}
    with ThreadPoolExecutor(3) as threads:
        for count, found in zip(counts, threads.map(sentences, counts), strict=True):
            for one, same in zip(found, alone[count], strict=True):
                assert one[0].tokens == same[0].tokens


def test_a_thread_has_one_stream_for_all_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata, model = speaking(tmp_path)
    on_device = PyTorchNetwork(model, metadata.preprocessing, "cpu")
    speakers = Speakers(metadata, on_device, languages_of(tmp_path / "default.safetensors"))
    in_german = speakers.speaker("de").network
    made: list[str] = []
    waited: list[str] = []

    def stream(device: str) -> SimpleNamespace:
        name = f"stream {len(made)}"
        made.append(name)
        return SimpleNamespace(synchronize=lambda: waited.append(name))

    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    assert isinstance(in_german, LanguageNetwork)
    for network in (on_device, in_german._network):
        monkeypatch.setattr(network, "_on_cuda", True)

    def search() -> None:
        memory = on_device.encode(squares(2))
        for network in (on_device, in_german, on_device):
            generate(network, memory, Options())

    search()
    assert len(made) == 1
    with ThreadPoolExecutor(1) as other:
        other.submit(search).result()
    assert len(made) == 2
    assert set(waited) == set(made)
    on_device.free()  # what all languages hold
    search()
    assert len(made) == 3


@needs_cuda
def test_languages_take_turns_on_cuda_and_caption_as_on_the_cpu(tmp_path: Path) -> None:
    metadata, model = speaking(tmp_path)
    languages = languages_of(tmp_path / "default.safetensors")
    photos = squares(40)
    on_cpu, on_cuda = (
        PyTorchNetwork(copy.deepcopy(model), metadata.preprocessing, device)
        for device in ("cpu", "cuda")
    )
    in_turns = ("en", *CAPTIONS) * 3

    def said(network: PyTorchNetwork) -> list[list[tuple[int, ...]]]:
        speakers = Speakers(metadata, network, languages)
        return [
            [
                tuple(found[0].tokens)
                for found in generate(
                    speakers.speaker(code).network, network.encode(photos), Options()
                )
            ]
            for code in in_turns
        ]

    for code, found, expected in zip(in_turns, said(on_cuda), said(on_cpu), strict=True):
        # In half precision the search may choose another of two near words.
        assert sum(map(tuple.__eq__, found, expected)) >= 36, code
