"""Checkpoints that a test changes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from captioner.out_of_distribution import OutOfDistributionDetector

Header = dict[str, str]
Tensors = dict[str, torch.Tensor]


def rewrite(path: Path, change: Callable[[Header, Tensors], None]) -> None:
    """Change the contents of a checkpoint, and write a sound safetensors file again."""
    with safe_open(path, "pt") as file:
        header = file.metadata()
    tensors = load_file(path)
    change(header, tensors)
    save_file(tensors, path, header)


def detector_of(mean: float = 0.25, size: int = 64) -> OutOfDistributionDetector:
    """Return a detector that half precision holds exactly."""
    whitening = np.random.default_rng(3).normal(size=(size, size)).astype(np.float16)
    return OutOfDistributionDetector(
        np.full(size, mean, np.float32), whitening.astype(np.float32), threshold=0.6875
    )
