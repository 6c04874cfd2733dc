"""torchvision, importable with a PyTorch build for which its operators were not compiled.

torchvision's wheel is compiled against the CUDA build of PyTorch. With a CPU-only PyTorch its
operators stay unloaded, and the import fails with `operator torchvision::nms does not exist`,
because torchvision registers shape functions for operators that were never declared. A ResNet
needs none of them, so declaring their schemas is enough. Import torchvision only from here.
"""

import importlib

import torch


def _declare_missing_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


try:
    importlib.import_module("torchvision")
except RuntimeError as error:
    if "operator torchvision::" not in str(error):
        raise
    # The declarations live as long as this object.
    _OPERATORS = _declare_missing_operators()

from torchvision import models  # noqa: E402
from torchvision.transforms import v2 as transforms  # noqa: E402

__all__ = ["models", "transforms"]
