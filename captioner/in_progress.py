"""How many tasks are within a block of code, and when none is."""

import asyncio


class InProgress:
    """Counts the tasks of one event loop that are within its `with` block."""

    def __init__(self) -> None:
        """Start at none."""
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        """Count one more."""
        self.count += 1
        self._none.clear()

    def __exit__(self, *error: object) -> None:
        """Count one less."""
        self.count -= 1
        if not self.count:
            self._none.set()

    async def ended(self) -> None:
        """Wait until there are none."""
        await self._none.wait()
