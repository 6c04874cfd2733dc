"""Many photos, encoded and decoded a batch at a time."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from captioner.model import Model
from captioner.options import Options
from captioner.photo.preprocessing import Preprocessing
from tests.conftest import Trained, on_cpu
from train import captioning
from train.captioning import Array, decode_grids, encode_all, encode_grids, in_batches

SMALL = Preprocessing(size=64)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioning, "BATCH", 3)


@pytest.fixture
def in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captioning, "half_is_fast", lambda device: False)


@pytest.fixture(scope="module")
def model(tiny: Trained) -> Model:
    return tiny.model


@pytest.fixture(scope="module")
def photos() -> Array:
    return np.random.default_rng(1).integers(0, 256, (8, 3, 64, 64), np.uint8)


def test_a_stream_is_read_a_batch_at_a_time() -> None:
    read: list[int] = []

    def stream() -> Iterator[Array]:
        for number in range(5):
            read.append(number)
            yield np.array([number])

    batches = in_batches(lambda batch: batch[:, 0].tolist(), stream(), 2)
    assert next(batches) == [0, 1]
    assert read == [0, 1]
    assert list(batches) == [[2, 3], [4]]


@torch.inference_mode()
@pytest.mark.usefixtures("in_single_precision")
def test_encoding_in_batches_is_encoding_at_once(model: Model, photos: Array) -> None:
    grids = encode_grids(model.encoder, photos, SMALL, "cpu")

    assert (grids.shape, grids.dtype) == ((8, 4, 512), np.float32)
    expected = model.encoder.grid(SMALL.normalize(torch.from_numpy(photos)))
    np.testing.assert_allclose(grids, expected.numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("in_single_precision")
def test_photos_are_normalized_as_their_preprocessing_has_it(model: Model, photos: Array) -> None:
    other = Preprocessing(64, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.5))
    grids = encode_grids(model.encoder, photos, other, "cpu")

    assert not np.allclose(grids, encode_grids(model.encoder, photos, SMALL, "cpu"), rtol=0.1)


def test_training_may_encode_in_half_precision_and_a_serving_network_does_not(
    tiny: Trained, photos: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.model
    monkeypatch.setattr(captioning, "half_is_fast", lambda device: False)
    single = encode_grids(model.encoder, photos, SMALL, "cpu")
    monkeypatch.setattr(captioning, "half_is_fast", lambda device: True)
    half = encode_grids(model.encoder, photos, SMALL, "cpu")
    served = encode_all(on_cpu(tiny)[1], photos.transpose(0, 2, 3, 1), len(photos))

    assert 0 < np.linalg.norm(half - single) < 0.05 * np.linalg.norm(single)
    expected = model.encoder.project(torch.from_numpy(single))
    regions = torch.cat([memory.regions for memory in served])
    torch.testing.assert_close(regions, expected, rtol=1e-4, atol=1e-4)


def test_decoding_in_batches_is_decoding_at_once(
    model: Model, photos: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    grids = encode_grids(model.encoder, photos, SMALL, "cpu")
    options = Options(beam=3, alternatives=1)
    in_parts = decode_grids(model, grids, options, "cpu")
    monkeypatch.setattr(captioning, "BATCH", 50)
    at_once = decode_grids(model, grids, options, "cpu")

    assert [[h.tokens for h in found] for found in in_parts] == [
        [h.tokens for h in found] for found in at_once
    ]
    assert [len(found) for found in at_once] == [2] * len(photos)


@pytest.mark.parametrize(
    ("device", "capabilities", "fast"),
    [
        ("cpu", {}, False),
        ("cpu", {"avx512_bf16": False, "amx_bf16": False, "avx2": True}, False),
        ("cpu", {"avx512_bf16": True}, True),
        ("cpu", {"amx_bf16": True}, True),
        ("mps", {"avx512_bf16": True}, False),
    ],
)
def test_half_precision_is_used_only_on_hardware_that_has_it(
    monkeypatch: pytest.MonkeyPatch, device: str, capabilities: dict[str, bool], fast: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)

    assert captioning.half_is_fast(device) is fast
