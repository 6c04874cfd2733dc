"""Digests of photos' names, which say what part a photo is in, and which photos are done.

A digest depends on the name alone, so it is the same on every machine and in later versions.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from captioner.command_line.files import PhotoFile

# 16 bytes: among 2^40 names, a million million, two share one with a probability of 2^-49.
DIGEST = 16
MOST_PARTS = 1_000_000  # more than anybody has machines


def digest(name: str) -> int:
    """Return the digest of a name, which may hold bytes that are not text."""
    return int.from_bytes(blake2b(os.fsencode(name), digest_size=DIGEST).digest(), "big")


class Names:
    """A set of names that keeps their digests only: some 100 bytes each, however long they are."""

    def __init__(self) -> None:
        """Start without names."""
        self._digests: set[int] = set()

    def add(self, name: str) -> bool:
        """Add a name; return whether it is new."""
        before = len(self._digests)
        self._digests.add(digest(name))
        return len(self._digests) > before


class ShardError(ValueError):
    """A text that names no part of the photos."""


@dataclass(frozen=True)
class Shard:
    """One of several parts of all photos; each photo is in one of them."""

    part: int = 1  # from 1
    parts: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a text such as "3/16".

        Raises:
            ShardError: it is not like that, or there is no such part.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if found is None:
            raise ShardError(f"is {text!r}; it must be like 3/16, the third of sixteen parts")
        part, parts = int(found[1]), int(found[2])
        if not 1 <= parts <= MOST_PARTS:
            raise ShardError(f"is {text}; there must be at least 1 part and at most {MOST_PARTS:,}")
        if not 1 <= part <= parts:
            raise ShardError(f"is {text}; the first number must be at least 1 and at most {parts}")
        return cls(part, parts)

    def of(self, photos: Iterable[PhotoFile]) -> Iterator[PhotoFile]:
        """Yield the photos of this part."""
        return (photo for photo in photos if self._holds(photo.key))

    def _holds(self, key: str) -> bool:
        return self.parts == 1 or digest(key) % self.parts == self.part - 1

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.part}/{self.parts}"


ALL = Shard()
