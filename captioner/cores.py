"""How many cores this process may use."""

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores(cgroup: Path = _CGROUP) -> int:
    """Count the cores that threads can use, within a container's limit, or `OMP_NUM_THREADS`.

    Args:
        cgroup: where the limits of control groups are mounted, version 1 or 2.
    """
    with suppress(KeyError, ValueError):
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(allowed or 1, _quota(cgroup)))


def _quota(cgroup: Path) -> int:
    """Return how many cores the container's share of time is worth, rounded up."""
    for limit in (_version_2, _version_1):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = limit(cgroup)
            return math.ceil(int(quota) / int(period)) if int(quota) > 0 else sys.maxsize
    return sys.maxsize


def _version_2(cgroup: Path) -> list[str]:
    return (cgroup / "cpu.max").read_text().split()  # "max" instead of a number: no limit


def _version_1(cgroup: Path) -> list[str]:
    return [(cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]
