"""The errors that the person at the command line can fix."""

from pathlib import Path


class TrainError(ValueError):
    """An error whose text is one line: what is wrong, and what to do about it."""


class SettingError(TrainError):
    """A setting with a value that is not allowed."""

    def __init__(self, flag: str, value: object, allowed: str) -> None:
        """Name the flag of the command line, the value it was given, and what is allowed."""
        super().__init__(f"{flag} is {value}; it must be {allowed}")
        self.flag, self.value, self.allowed = flag, value, allowed


class PathError(TrainError):
    """A file or a folder that cannot be used."""

    def __init__(self, path: Path | str, problem: str) -> None:
        """Name the path and what is wrong with it."""
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem
