"""Which runtime computes: PyTorch, or ONNX Runtime where a network was exported for it."""

import ctypes
import logging
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from captioner import checkpoint
from captioner.checkpoint import CheckpointError, Metadata, exported_path
from captioner.runtime.errors import UnusableError
from captioner.runtime.protocols import Runnable

log = logging.getLogger(__name__)

Runtime = Literal["auto", "torch", "onnx"]


def load(path: Path, device: str, runtime: Runtime) -> tuple[Metadata, Runnable[Any]]:
    """Read a checkpoint, or the network that was exported from it, onto its device.

    Args:
        path: of the checkpoint.
        device: as PyTorch names it, or "auto".
        runtime: "auto" takes ONNX Runtime where PyTorch would run on the CPU and a network that was
            exported from this checkpoint is in its folder.

    Raises:
        CheckpointError: a file is missing, damaged, or not what it should be.
        UnusableError: there is no such device, or the runtime cannot be used.
    """
    if runtime not in get_args(Runtime):
        raise UnusableError(
            "runtime", f"is {runtime!r}; allowed are {', '.join(get_args(Runtime))}"
        )
    if runtime == "onnx":
        if device not in ("auto", "cpu"):
            raise UnusableError("runtime", f"'onnx' is for the CPU, not for device {device!r}")
        if not _installed():
            raise UnusableError("runtime", "'onnx' needs: pip install -e '.[fast]'")
        return _load_onnx(path)
    if runtime == "auto" and _would_serve(path, device):
        try:
            return _load_onnx(path)
        except CheckpointError as error:
            log.warning("%s; PyTorch is used instead", error)
    return _load_torch(path, device)


def _load_onnx(path: Path) -> tuple[Metadata, Runnable[Any]]:
    from captioner.runtime import onnx

    return onnx.load(exported_path(path), checkpoint=path)


def _load_torch(path: Path, device: str) -> tuple[Metadata, Runnable[Any]]:
    from captioner.runtime.pytorch import PyTorchNetwork

    metadata, model = checkpoint.load(path)
    return metadata, PyTorchNetwork(model, metadata.preprocessing, device)


def _installed() -> bool:
    return find_spec("onnxruntime") is not None


def _would_serve(path: Path, device: str) -> bool:
    on_cpu = device == "cpu" or (device == "auto" and not _has_cuda())
    return on_cpu and _installed() and exported_path(path).exists()


def _has_cuda() -> bool:
    # PyTorch takes seconds to import, and a machine without the driver has nothing to ask it for.
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        import torch

        return torch.cuda.is_available()
    return False
