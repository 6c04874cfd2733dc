"""Which runtime computes: PyTorch, or ONNX Runtime where a network was exported for it."""

import ctypes
import logging
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata, check_path, exported_path
from captioner.runtime.errors import UnusableError
from captioner.runtime.protocols import Runnable

log = logging.getLogger(__name__)

Runtime = Literal["auto", "torch", "onnx"]

GPU_UNUSED = (
    "An NVIDIA driver is present but PyTorch is not installed; captioning runs on the CPU. "
    "To use the GPU: pip install -e '.[bot,gpu]'"
)
NEEDS_TORCH = "needs PyTorch, which is not installed: pip install -e '.[gpu]'"


def load(path: Path, device: str, runtime: Runtime) -> tuple[Metadata, Runnable[Any]]:
    """Read a checkpoint, or the network that was exported from it, onto its device.

    Args:
        path: of the checkpoint.
        device: as PyTorch names it, or "auto".
        runtime: "auto" takes ONNX Runtime where PyTorch would run on the CPU, or is not installed,
            and a network that was exported from this checkpoint is in its folder.

    Raises:
        CheckpointError: a file is missing, damaged, or not what it should be.
        UnusableError: there is no such device, or the runtime cannot be used.
    """
    if runtime not in get_args(Runtime):
        allowed = ", ".join(get_args(Runtime))
        raise UnusableError("runtime", f"is {runtime!r}; allowed are {allowed}")
    check_path(path)
    if runtime == "onnx":
        if device not in ("auto", "cpu"):
            raise UnusableError("runtime", f"'onnx' is for the CPU, not for device {device!r}")
        return _load_onnx(path)
    if not _has_torch():
        return _load_without_torch(path, device, runtime)
    if runtime == "auto" and _on_cpu(device) and os.path.exists(exported_path(path)):
        try:
            return _load_onnx(path)
        except CheckpointError as error:
            log.warning("%s; PyTorch is used instead", error)
    return _load_torch(path, device)


def unused_gpu(device: str, runtime: Runtime) -> str | None:
    """Return what to install where this machine has a GPU that only PyTorch could use, else None.

    Args:
        device: as `load` takes it; with anything but "auto" the answer is None.
        runtime: likewise.
    """
    chosen = (device, runtime) != ("auto", "auto")
    return None if chosen or _has_torch() or not _has_driver() else GPU_UNUSED


def _load_without_torch(
    path: Path, device: str, runtime: Runtime
) -> tuple[Metadata, Runnable[Any]]:
    if runtime == "torch":
        raise UnusableError("runtime", f"'torch' {NEEDS_TORCH}")
    if device not in ("auto", "cpu"):
        raise UnusableError("device", f"{device!r} {NEEDS_TORCH}")
    if not os.path.exists(exported_path(path)):
        reason = f"without {exported_path(path).name} in the same folder it {NEEDS_TORCH}"
        raise CheckpointError(path, reason)
    if line := unused_gpu(device, runtime):
        log.warning(line)
    return _load_onnx(path)


def _load_onnx(path: Path) -> tuple[Metadata, Runnable[Any]]:
    from captioner.runtime import onnx

    return onnx.load(exported_path(path), checkpoint=path)


def _load_torch(path: Path, device: str) -> tuple[Metadata, Runnable[Any]]:
    from captioner.runtime.pytorch import PyTorchNetwork

    metadata, model = checkpoint.load(path)
    return metadata, PyTorchNetwork(model, metadata.preprocessing, device)


def _on_cpu(device: str) -> bool:
    if device != "auto":
        return device == "cpu"
    # PyTorch takes seconds to import, and has no GPU to find on a machine without the driver.
    if not _has_driver():
        return True
    import torch

    return not torch.cuda.is_available()


def _has_torch() -> bool:
    return find_spec("torch") is not None


def _has_driver() -> bool:
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return True
    return False
