"""A narrow ResNet-18 for the tests that train, save and load one again and again.

It has every layer of a ResNet-18 under its own name, with a quarter of the channels, and so a
sixteenth of the weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn

from captioner.vision import models
from tests import conftest

SHARE = 4
CHANNELS = 512 // SHARE  # of its grid


class SlimResNet(models.ResNet):  # type: ignore[misc]
    """A ResNet whose stem and four layers have a share of their channels."""

    inplanes: int

    def _make_layer(self, block: Any, planes: int, *rest: Any, **named: Any) -> nn.Sequential:
        if planes == self.inplanes:  # the first layer: the stem before it is narrow too
            self.inplanes = planes // SHARE
            self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.inplanes)
        return super()._make_layer(block, planes // SHARE, *rest, **named)


def resnet18(weights: None = None) -> SlimResNet:
    """Build it with random weights, as torchvision builds its own."""
    resnet = SlimResNet(models.resnet.BasicBlock, [2, 2, 2, 2])
    resnet.fc = nn.Linear(CHANNELS, 1000)
    return resnet


@contextmanager
def slim() -> Iterator[None]:
    """Build every ResNet-18 as a slim one."""

    def refuse(*_: object) -> None:
        raise AssertionError("the model that all tests share must not be slim")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "resnet18", resnet18)
        patch.setattr(conftest, "_tiny_model", refuse)
        yield
