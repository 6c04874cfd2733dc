"""Arrays that are filled once, a chunk at a time, and kept in memory-mapped files.

An array grows in place, and a note next to it has the number of rows that are done, so an
interrupted run continues where it stopped. Where several processes fill an array, each writes its
part to a file of its own, because a network file system may lose what two machines write to the
same page. One of them then puts the parts together, for which the disk must hold the array twice.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from captioner.files import replacing
from train.data.crew import Crew

Array = np.ndarray[Any, Any]
Rows = Callable[[range], Iterable[Array]]  # yields chunks of some rows, in their order

CHUNK = 64  # photos in a batch; an interruption loses at most one batch
COPIED = 16 * CHUNK  # rows at a time when parts are put together; some 150 MB of photos


@dataclass(frozen=True)
class ArrayFile:
    """An array to fill, or a part of its rows."""

    path: Path
    key: str  # what its rows are computed from; an array with another key is overwritten
    shape: tuple[int, ...]
    dtype: str
    first: int = 0  # the number of its first row

    def part(self, rows: range) -> "ArrayFile":
        """Return the file for some of the rows."""
        path = self.path.with_name(f"{self.path.stem}.{rows.start}-{rows.stop}{self.path.suffix}")
        return replace(self, path=path, shape=(len(rows), *self.shape[1:]), first=rows.start)

    @property
    def note(self) -> Path:
        """The file that says how much of the array is done."""
        return self.path.with_suffix(".json")

    def done(self) -> tuple[int, set[int]]:
        """Return how many rows are done, and which of them are of photos that cannot be read."""
        if self.note.exists() and self.path.exists():
            noted = json.loads(self.note.read_text())
            if noted["key"] == self.key:
                return noted["done"], set(noted["bad"])
        return 0, set()

    def write_note(self, done: int, bad: Iterable[int]) -> None:
        """Say how much is done, once that is on the disk."""
        with replacing(self.note) as part:
            part.write_text(json.dumps({"key": self.key, "done": done, "bad": sorted(bad)}))

    def open(self, done: int) -> "np.memmap[Any, Any]":
        """Open the array to write what is not done yet."""
        if not done:
            # An older note would count rows as done that are about to be overwritten.
            self.note.unlink(missing_ok=True)
        mode = "r+" if done else "w+"
        return np.lib.format.open_memmap(self.path, mode, self.dtype, self.shape)

    def read(self) -> Array:
        """Open the array to read it."""
        return np.load(self.path, mmap_mode="r")

    def remove(self) -> None:
        """Remove the array and its note."""
        self.note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def fill(file: ArrayFile, rows: Rows, bad: set[int], crew: Crew) -> Array:
    """Fill an array, or what is missing of it.

    Args:
        file: of the array.
        rows: computes some of the rows, and adds those whose photo cannot be read to `bad`.
        bad: ends with the rows of all processes whose photo cannot be read.
        crew: the processes that fill it.

    Returns:
        the array, memory-mapped.

    Raises:
        PeerError: the processes would fill it with different things.
    """
    crew.peers.agree((file.key, file.shape), "photos or encoder weights")
    done, noted = crew.from_leader(file.done)
    missing = range(done, file.shape[0])
    bad |= noted
    if len(crew.members) == 1:
        _fill_alone(file, rows, bad, hidden=not crew.peers.first)
        crew.peers.wait()  # some crews have several members
    else:
        shares = crew.share(done, file.shape[0], CHUNK) if missing else []
        if missing and (share := shares[crew.place]):
            _fill_alone(file.part(share), rows, bad, hidden=not crew.leads)
        crew.peers.wait()
        if missing and crew.leads:
            _put_together(file, done, noted, [file.part(share) for share in shares if share])
    if missing and crew.leads:
        for path in file.path.parent.glob(f"{file.path.stem}.*-*.npy"):  # of interrupted runs, too
            replace(file, path=path).remove()
    bad |= crew.from_leader(file.done)[1]
    return file.read()


def chunks(rows: range) -> Iterator[range]:
    """Cut rows into the chunks that they are computed in."""
    for start in range(rows.start, rows.stop, CHUNK):
        yield range(start, min(rows.stop, start + CHUNK))


def _fill_alone(file: ArrayFile, rows: Rows, bad: set[int], *, hidden: bool) -> None:
    count = file.shape[0]
    done, noted = file.done()
    if done == count:
        return
    bad |= noted
    array = file.open(done)
    wanted = range(file.first + done, file.first + count)
    batches, name = -(-len(wanted) // CHUNK), file.path.name.partition(".")[0]
    for chunk in tqdm(rows(wanted), name, batches, unit="batch", leave=False, disable=hidden):
        array[done : done + len(chunk)] = chunk
        done += len(chunk)
        array.flush()
        file.write_note(done, bad)


def _put_together(file: ArrayFile, done: int, bad: set[int], parts: list[ArrayFile]) -> None:
    array = file.open(done)
    for part in parts:
        found = part.read()
        for start in range(0, len(found), COPIED):
            copied = found[start : start + COPIED]
            array[part.first + start :][: len(copied)] = copied
        bad = bad | part.done()[1]
    array.flush()
    file.write_note(len(array), bad)
