"""torchvision, importable beside a PyTorch build that its compiled operators do not fit.

torchvision's wheel is compiled against the CUDA build of PyTorch. Beside a CPU-only PyTorch its
operators stay unloaded, and the import fails with `operator torchvision::nms does not exist`,
because torchvision registers shape functions for operators that were never declared. A ResNet
needs none of them, so declaring their schemas is enough. Import torchvision from here only.
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
    # The declarations last as long as the object.
    _OPERATORS = _declare_missing_operators()

from torchvision import models  # noqa: E402
from torchvision.transforms import v2 as transforms  # noqa: E402

__all__ = ["models", "transforms"]
