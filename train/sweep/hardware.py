"""The machine that trains, because training times depend on it."""

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Literal

import torch

from train.captioning import half_is_fast


def machine(
    device: Literal["auto", "cpu"] = "auto", precision: Literal["auto", "bf16", "fp32"] = "auto"
) -> str:
    """Name the GPU, or else the processor and its cores, and the precision.

    Args:
        device: "cpu" if a GPU is not to be used.
        precision: as in `FitConfig`.
    """
    cuda = device == "auto" and torch.cuda.is_available()
    fast = half_is_fast("cuda" if cuda else "cpu")
    half = precision == "bf16" or (precision == "auto" and fast)
    numbers = "bfloat16" if half else "single precision"
    if cuda:
        return f"{torch.cuda.get_device_name()}, {numbers}"
    count = os.cpu_count() or 1
    return f"{_processor()}, {count} core{'s' * (count > 1)}, {numbers}"


def _processor() -> str:
    with suppress(OSError):  # elsewhere than on Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()
