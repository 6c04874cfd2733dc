"""What is wrong with a store, and what helps."""

from pathlib import Path


class DatabaseError(Exception):
    """A store cannot be used; the message names its setting and its place, and what helps."""

    def __init__(self, where: Path | str, reason: str) -> None:
        """Say what is wrong.

        Args:
            where: a file or folder of DATA_DIR, or the address of DATABASE_URL without a password.
            reason: what is wrong, and what helps.
        """
        named = f"DATA_DIR: {where.absolute()}" if isinstance(where, Path) else where
        super().__init__(f"{named}: {reason}")
