"""Which runtime computes: PyTorch, or ONNX Runtime where a network was exported for it."""

import ctypes
import logging
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from captioner import checkpoint
from captioner.runtime.protocols import Runnable

if TYPE_CHECKING:
    from captioner.checkpoint import Checkpoint
    from captioner.runtime.onnx import Exported

log = logging.getLogger(__name__)

Runtime = Literal["auto", "torch", "onnx"]


def open_network(path: Path, device: str, runtime: Runtime) -> "Checkpoint | Exported":
    """Read a checkpoint, or the network that was exported from it.

    Args:
        path: of the checkpoint.
        device: as PyTorch names it, or "auto".
        runtime: "auto" takes the exported network where it lies beside the checkpoint, was made
            from it, and would run where the device is: on the CPU of a machine without CUDA.

    Raises:
        CheckpointError: a file is missing, damaged, or not what it should be.
        ValueError: the runtime cannot be used.
    """
    if runtime not in get_args(Runtime):
        raise ValueError(f"runtime is {runtime!r}; allowed are {', '.join(get_args(Runtime))}")
    if runtime == "onnx":
        if device not in ("auto", "cpu"):
            raise ValueError(f"runtime 'onnx' is for the CPU, not for device {device!r}")
        if not _installed():
            raise ValueError("runtime 'onnx' needs: pip install -e '.[fast]'")
        return _exported(path)
    if runtime == "auto" and _would_serve(path, device):
        try:
            return _exported(path)
        except checkpoint.CheckpointError as error:
            log.warning("%s; PyTorch is used in its place", error)
    return checkpoint.load(path)


def on_device(model: "Checkpoint | Exported", device: str) -> Runnable[Any]:
    """Return what computes, on its device.

    Raises:
        ValueError: there is no such device.
    """
    if not isinstance(model, checkpoint.Checkpoint):
        return model
    from captioner.runtime.pytorch import Eager

    return Eager(model, device)


def _installed() -> bool:
    return find_spec("onnxruntime") is not None


def _would_serve(path: Path, device: str) -> bool:
    from_cpu = device == "cpu" or (device == "auto" and not _has_cuda())
    return from_cpu and _installed() and path.with_suffix(".onnx.safetensors").exists()


def _exported(path: Path) -> "Exported":
    from captioner.runtime.onnx import Exported, beside, digest

    found = Exported(beside(path))
    if not path.is_file() or found.made_from != digest(path):
        raise checkpoint.CheckpointError(
            f"{beside(path)}: it was made from another checkpoint; run python -m captioner export"
        )
    return found


def _has_cuda() -> bool:
    # PyTorch takes seconds to import, and a machine without the driver has nothing to ask it for.
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        import torch

        return torch.cuda.is_available()
    return False
