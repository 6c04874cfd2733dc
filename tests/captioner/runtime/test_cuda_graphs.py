"""The encoder computes the same on CUDA as on the CPU, for every batch size."""

import numpy as np
import pytest
import torch

from captioner.model import Memory
from captioner.photo.preprocessing import Preprocessing
from captioner.runtime.cuda_graphs import rounded_up
from captioner.runtime.protocols import Squares
from captioner.runtime.pytorch import PyTorchNetwork
from tests.conftest import tiny_model

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


def test_a_batch_that_cannot_be_captured_is_encoded_without_a_graph(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[int] = []

    def refuse(photos: Squares) -> Memory:
        tried.append(len(photos))
        raise RuntimeError("operation not permitted when stream is capturing")

    encoder = network("cpu")
    monkeypatch.setattr(encoder, "_graphs", refuse)
    regions = [encoder.encode(squares(2)).regions for _ in range(2)]
    assert torch.equal(regions[0], network("cpu").encode(squares(2)).regions)
    assert torch.equal(regions[0], regions[1])
    assert tried == [2]
    assert "without a graph" in caplog.text


def test_a_full_device_is_not_taken_for_a_failed_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(photos: Squares) -> Memory:
        raise torch.OutOfMemoryError

    encoder = network("cpu")
    monkeypatch.setattr(encoder, "_graphs", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.encode(squares(2))


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
