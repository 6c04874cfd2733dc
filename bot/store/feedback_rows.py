"""What people said about captions: a row for each caption of a photo, not of a person."""

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["good", "bad"]

LONGEST = 200  # characters of a caption, and of a correction
# Rows that are kept, so that strangers cannot fill the disk: 25 MB of them in SQLite, or 210 MB if
# all texts are as long as they may be and each of their characters takes four bytes.
MOST = 100_000
TRIMMED_EVERY = 100  # rows: to find the oldest, a store counts them all


@dataclass(frozen=True)
class FeedbackRow:
    """What was said last about one caption of one photo."""

    photo: str  # the SHA-256 of its bytes as they were received, in hexadecimal digits
    caption: str  # as it was shown, without doubt
    language: str  # of the caption
    verdict: Verdict
    correction: str | None = None  # what would have been right
    given: float = 0.0  # seconds since 1970; the store sets it

    @property
    def key(self) -> bytes:
        """What identifies the photo and the caption; an index of it takes less than of both."""
        return key(self.photo, self.caption)


def key(photo: str, caption: str) -> bytes:
    """Return what identifies a caption of a photo."""
    return hashlib.sha256(f"{photo} {caption}".encode()).digest()


class FeedbackRows(Protocol):
    """What people said: in a file of this bot's, or in a database of several bots.

    Each method raises `DatabaseError` if the store cannot be used.
    """

    async def put(self, row: FeedbackRow) -> None:
        """Record what was said; it replaces what was said of that photo and caption before.

        Of more than `MOST` rows the oldest are forgotten, now or within `TRIMMED_EVERY` others.
        """

    async def withdraw(self, photo: str, caption: str) -> None:
        """Forget what was said of a caption of a photo."""

    async def all(self) -> list[FeedbackRow]:
        """Return every row, oldest first."""

    async def forget(self, photo: str | None = None) -> int:
        """Forget what was said of a photo, or everything; return the number of rows."""
