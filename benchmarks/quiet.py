"""Timings that other processes did not disturb, and memory including worker processes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

OTHERS = 0.1  # of all cores: what other processes may use while a timing counts
BLOCK = 1.0  # seconds timed together: the kernel counts a process's time in hundredths
WATCH_SECONDS = 0.3  # to watch a machine before it counts as idle


@dataclass
class Timings:
    """The seconds of each run."""

    seconds: list[float] = field(default_factory=list)
    others: float = 0.0  # share of all cores that other processes used, at most
    discarded: int = 0  # disturbed runs, which do not count


def measure(work: Callable[[int], object], repeats: int, patience: float) -> Timings:
    """Time `repeats` runs, after one to warm up.

    Args:
        work: called with the number of the run, from 0.
        repeats: how many runs count.
        patience: seconds to wait in total for an idle machine; afterwards every run counts, and
            `others` says how much it was disturbed.
    """

    def timed(run: int) -> float:
        started = time.perf_counter()
        work(run)
        return time.perf_counter() - started

    return collect(timed, repeats, patience)


def collect(run: Callable[[int], float], repeats: int, patience: float) -> Timings:
    """Do the same as `measure` with a `run` that returns its own seconds."""
    run(0)
    found = Timings()
    waiting = _Patience(patience)
    while len(found.seconds) < repeats:
        waiting.until(_is_quiet)
        watch = Watch()
        block: list[float] = []
        while sum(block) < BLOCK and len(found.seconds) + len(block) < repeats:
            block.append(run(len(found.seconds) + len(block)))
        others = watch.others()
        if others > OTHERS and not waiting.over:
            found.discarded += len(block)
            waiting.left -= sum(block)
        else:
            found.seconds += block
            found.others = max(found.others, others)
    return found


def remark(others: float) -> str:
    """Say how much of the machine other processes used, and warn if it was too much."""
    said = f"Other processes used at most {others:.0%} of the machine meanwhile."
    return f"{said} IT WAS BUSY: THE FIGURES MEAN LITTLE." if others > OTHERS else said


def beforehand() -> str:
    """Say how much of the machine others use now.

    For benchmarks of Ray: it leaves processes behind that end without their parent, and `Watch`
    would take their time for that of others.
    """
    watch = Watch()
    time.sleep(BLOCK)
    others = watch.others()
    said = f"Before it began, other processes used {others:.0%} of the machine."
    return f"{said} IT WAS BUSY: THE FIGURES MEAN LITTLE." if others > OTHERS else said


def resident() -> float:
    """Return the resident megabytes of this process and its children."""
    return sum(process.memory_info().rss for process in _family()) / 2**20


class _Patience:
    def __init__(self, seconds: float) -> None:
        self.left = seconds

    @property
    def over(self) -> bool:
        return self.left <= 0

    def until(self, true: Callable[[], bool]) -> None:
        while not self.over:
            started = time.perf_counter()
            if true():
                return
            self.left -= time.perf_counter() - started


class Watch:
    """Watches what other processes use from now on."""

    def __init__(self) -> None:
        """Start watching."""
        self._started = time.perf_counter()
        self._busy, self._own = _busy(), _own()

    def others(self) -> float:
        """Return the share of all cores that other processes or virtual machines used."""
        cores = psutil.cpu_count() or 1
        used = (_busy() - self._busy) - (_own() - self._own)
        return max(0.0, used / cores / (time.perf_counter() - self._started))


def _is_quiet() -> bool:
    watch = Watch()
    time.sleep(WATCH_SECONDS)
    return watch.others() <= OTHERS


def _busy() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)


def _own() -> float:
    # Its own time and that of ended children, in user and system mode.
    return sum(sum(process.cpu_times()[:4]) for process in _family())


def _family() -> list[psutil.Process]:
    this = psutil.Process()
    return [this, *this.children(recursive=True)]
