"""What people said about captions: one row for each caption of a photo, and nothing about them."""

from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["good", "bad"]

# Rows that are kept, so that strangers cannot fill the disk. A row takes 0.2 KB, or at most 2.5 KB
# if each text is as long as it may be and each of its characters takes four bytes.
MOST = 100_000
LONGEST = 300  # characters of a caption, and of a correction


@dataclass(frozen=True)
class FeedbackRow:
    """What was said last about one caption of one photo."""

    photo: str  # the SHA-256 of its bytes as they were received, in hexadecimal digits
    caption: str  # as it was shown, without doubt
    language: str  # of the caption
    verdict: Verdict
    correction: str | None = None  # what would have been right
    given: float = 0.0  # seconds since 1970; the store sets it


class FeedbackRows(Protocol):
    """What people said: in a file of this bot's, or in a database of several bots.

    Each method raises `DatabaseError` if the store cannot be used.
    """

    async def put(self, row: FeedbackRow) -> None:
        """Record what was said; it replaces what was said of that photo and caption before.

        Of more than `MOST` rows the oldest are forgotten.
        """

    async def withdraw(self, photo: str, caption: str) -> None:
        """Forget what was said of a caption of a photo."""

    async def all(self) -> list[FeedbackRow]:
        """Return every row, oldest first."""

    async def forget(self, photo: str | None = None) -> int:
        """Forget what was said of a photo, or everything; return the number of rows."""
