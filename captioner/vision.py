"""torchvision, importable in a fraction of its time, and with any PyTorch build.

Its wheel is compiled against the CUDA build of PyTorch. With a CPU-only PyTorch its operators stay
unloaded, and the import fails with `operator torchvision::nms does not exist`, because torchvision
registers shape functions for operators that were never declared. A ResNet needs none of them, so
declaring their schemas is enough.

`torchvision.ops` imports PyTorch's compiler, which takes longer than PyTorch itself, to ask one
question in a function that a ResNet does not call. It is given another answer.

Import torchvision only from here.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import torch


def _declare_missing_operators() -> torch.library.Library:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Let `torch._dynamo.utils.is_compile_supported` be imported, and nothing else of it."""
    package, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    utils.is_compile_supported = lambda device: False  # type: ignore[attr-defined]
    absent = {
        module.__name__: module for module in (package, utils) if module.__name__ not in sys.modules
    }
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _without_compiler():
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        # The declarations live as long as this object.
        _OPERATORS = _declare_missing_operators()
        importlib.import_module("torchvision")

from torchvision import models  # noqa: E402

__all__ = ["models"]
