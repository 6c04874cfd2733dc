"""Batch norm's statistics: those of the photos, whatever they were before."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from captioner.config import ModelConfig
from captioner.model import Encoder
from captioner.photo.preprocessing import Preprocessing
from train.data.datasets import DatasetError
from train.fitting import batch_norm
from train.fitting.batch_norm import FILE, estimate, estimate_once

pytestmark = pytest.mark.usefixtures("slim_resnet18")

SMALL = Preprocessing(size=64)


def build() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(ModelConfig(vocabulary_size=5, encoder="resnet18", hidden_size=8)).eval()
    for norm in norms(encoder):
        assert norm.running_mean is not None
        nn.init.normal_(norm.running_mean)  # of photos that were normalized in another way
    return encoder


def norms(encoder: Encoder) -> list[nn.BatchNorm2d]:
    return [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]


def batches(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(6, 3, 64, 64, generator=generator) for _ in range(count)]


def test_the_statistics_are_the_means_over_the_batches() -> None:
    encoder, photos = build(), batches(3)
    inputs: dict[nn.Module, list[torch.Tensor]] = {}

    def note(norm: nn.Module, given: tuple[torch.Tensor]) -> None:
        inputs.setdefault(norm, []).append(given[0])

    hooks = [norm.register_forward_pre_hook(note) for norm in norms(encoder)]
    estimate(encoder, photos)
    for hook in hooks:
        hook.remove()

    assert len(inputs) == 20
    for norm in norms(encoder):
        given = inputs[norm]
        means = torch.stack([x.mean((0, 2, 3)) for x in given]).mean(0)
        variances = torch.stack([x.var((0, 2, 3)) for x in given]).mean(0)
        torch.testing.assert_close(norm.running_mean, means)
        torch.testing.assert_close(norm.running_var, variances)
        assert norm.num_batches_tracked == 3


def test_what_was_there_before_does_not_matter_and_weights_stay() -> None:
    encoder, other = build(), build()
    for norm in norms(other):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.constant_(norm.running_mean, 7)
        nn.init.constant_(norm.running_var, 9)
    weights = {name: value.clone() for name, value in encoder.named_parameters()}
    for one in (encoder, other):
        estimate(one, batches(2))

    assert not encoder.resnet.training
    assert {norm.momentum for norm in norms(encoder)} == {0.1}
    pairs = zip(encoder.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert all(torch.equal(value, weights[name]) for name, value in encoder.named_parameters())


def photos() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(256, size=(7, 3, 64, 64), dtype=np.uint8)


def once(run: Path, encoder: Encoder, count: int = 5, others: Path | None = None) -> None:
    estimate_once(run, encoder, photos(), count, others, SMALL, "cpu")


def test_a_run_estimates_once_and_then_reads_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, again = build(), build()
    once(tmp_path, encoder)
    with monkeypatch.context() as patch:
        patch.setattr(batch_norm, "estimate", None)  # it would fail
        once(tmp_path, again)

    pairs = zip(encoder.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(encoder.resnet.bn1.running_mean, build().resnet.bn1.running_mean)


def test_each_batch_has_its_share_of_the_other_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "others"
    sizes: list[tuple[int, int]] = []
    (folder / "deeper").mkdir(parents=True)
    (folder / "notes.txt").write_text("no photo")
    for number in range(4):
        colour = Image.new("RGB", (80, 60), (60 * number, 255, 0))
        colour.save(folder / "deeper" / f"{number}.png")

    def note(encoder: Encoder, given: Iterable[torch.Tensor]) -> None:
        sizes.extend((len(x), int((x[:, 1, 0, 0] > 2.4).sum())) for x in given)

    monkeypatch.setattr(batch_norm, "PHOTOS", 3)
    monkeypatch.setattr(batch_norm, "estimate", note)
    once(tmp_path, build(), count=6, others=folder)
    assert sizes == [(5, 2), (5, 2)]
    (tmp_path / FILE).unlink()
    once(tmp_path, build(), count=2, others=folder)
    assert sizes[2:] == [(4, 2)]


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no photo that can be read"):
        once(tmp_path, build(), others=tmp_path)
