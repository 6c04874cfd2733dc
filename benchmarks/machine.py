"""What a figure depends on besides the program: the processor, its cores, and the runtimes."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RUNTIMES = {"PyTorch": "torch", "ONNX Runtime": "onnxruntime"}
EIGHT_BIT = {"amx_int8": "AMX", "avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX VNNI"}


def machine() -> str:
    """Name the processor, its cores, and the versions of the runtimes."""
    count = os.cpu_count() or 1
    parts = [processor(), f"{count} core{'s' * (count > 1)}"]
    for name, package in RUNTIMES.items():
        with suppress(PackageNotFoundError):
            parts.append(f"{name} {version(package)}")
    return ", ".join(parts)


def processor() -> str:
    """Name the processor as its maker does, and its best 8-bit instructions, if any."""
    described: dict[str, str] = {}
    with suppress(OSError):  # not on Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            described.setdefault(key.strip(), value.strip())
    name = described.get("model name") or platform.processor() or platform.machine()
    flags = described.get("flags", "").split()
    best = next((title for flag, title in EIGHT_BIT.items() if flag in flags), None)
    return f"{name} with {best}" if best else name
