"""The optimizer, its learning-rate schedule, and averaged weights."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from captioner.model import Model

Weights = tuple[torch.Tensor, ...] | list[torch.Tensor]


def adamw(rates: Sequence[tuple[Sequence[nn.Parameter], float]], weight_decay: float) -> AdamW:
    """Make AdamW for groups of parameters, each with its learning rate.

    Only matrices decay: biases and norms are few, and do not overfit.
    """
    groups = []
    for parameters, rate in rates:
        matrices = [parameter for parameter in parameters if parameter.dim() > 1]
        vectors = [parameter for parameter in parameters if parameter.dim() <= 1]
        groups.append({"params": matrices, "lr": rate, "weight_decay": weight_decay})
        groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    return AdamW(groups)


def freeze(model: Model, end_to_end: bool, frozen_layers: int) -> None:
    """Freeze the whole ResNet, or end to end its stem and first layers, if any."""
    model.encoder.resnet.requires_grad_(end_to_end)
    if frozen_layers:
        for stage in model.encoder.stages()[: frozen_layers + 1]:
            stage.requires_grad_(False)


def optimizer(model: Model, rate: float, encoder_rate: float, weight_decay: float) -> AdamW:
    """Make AdamW for a model; with a rate of 0 for the encoder, its ResNet is not trained."""
    resnet = list(model.encoder.resnet.parameters())
    encoder = set(resnet)
    decoder = [parameter for parameter in model.parameters() if parameter not in encoder]
    rates = [(decoder, rate), *([(resnet, encoder_rate)] if encoder_rate else [])]
    return adamw(rates, weight_decay)


def schedule(optimizer: Optimizer, warmup: float, steps: int, done: int) -> LambdaLR:
    """Warm up linearly for a share of the steps, then decay to a hundredth along a cosine.

    Args:
        optimizer: its rates are the highest of the schedule.
        warmup: share of the steps.
        steps: in all.
        done: how many of them are done.
    """
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        share = min(1.0, (step - rising) / max(1, steps - rising))
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))

    return LambdaLR(optimizer, lambda step: factor(done + step))


def averaging(decay: float) -> Callable[[Weights, Weights, torch.Tensor | int], None]:
    """Average exponentially; at first over few steps, because weights change much then."""

    @torch.no_grad()
    def update(averaged: Weights, current: Weights, count: torch.Tensor | int) -> None:
        share = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            mean.lerp_(value, share)

    return update
