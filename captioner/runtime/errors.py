"""The error for settings that this machine cannot compute with."""

from typing import Literal


class UnusableError(ValueError):
    """A device or a runtime that cannot be used here."""

    def __init__(self, setting: Literal["device", "runtime"], reason: str) -> None:
        """Keep which setting is wrong, and its value with the reason."""
        super().__init__(setting, reason)
        self.setting, self.reason = setting, reason

    def __str__(self) -> str:
        """Return both."""
        return f"{self.setting} {self.reason}"
