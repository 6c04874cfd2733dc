"""The processes that share a folder, and fill its files together."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, cast

from train.processes import Peers

Value = TypeVar("Value")


@dataclass(frozen=True)
class Crew:
    """Some of the processes that train one model, as one of them knows them."""

    peers: Peers  # all of them
    members: tuple[int, ...]  # the numbers of those that share the folder; the first one leads

    @property
    def leads(self) -> bool:
        """Whether this process writes what only one may write."""
        return self.peers.number == self.members[0]

    def from_leader(self, make: Callable[[], Value]) -> Value:
        """Return what the leader of this crew makes; all processes wait for all leaders."""
        values = self.peers.gather(make() if self.leads else None)
        return cast(Value, values[self.members[0]])

    def share(self, first: int, last: int, size: int) -> list[range]:
        """Share out rows among the members, in whole chunks that begin at a multiple of `size`."""
        chunks = range(first // size, -(-last // size))
        count = len(self.members)
        bounds = [
            min(last, max(first, size * (chunks.start + len(chunks) * n // count)))
            for n in range(count + 1)
        ]
        return [range(a, b) for a, b in pairwise(bounds)]

    @property
    def place(self) -> int:
        """The place of this process among the members."""
        return self.members.index(self.peers.number)


def meet(folder: Path, peers: Peers) -> Crew:
    """Find out which processes have the same folder: those of a machine, or of several.

    Each makes a file there, and looks for the files of the others.

    Args:
        folder: is made if it does not exist.
        peers: all processes; each calls this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if peers.count == 1:
        return Crew(peers, (0,))
    # A new name: a machine may remember that an old one does not exist.
    name = peers.from_first(lambda: secrets.token_hex(8))

    def sign(number: int) -> Path:
        return folder / f".{name}-{number}"

    sign(peers.number).touch()
    try:
        peers.wait()
        members = tuple(number for number in range(peers.count) if sign(number).exists())
        peers.wait()
    finally:
        sign(peers.number).unlink()
    return Crew(peers, members)
