"""What captions depend on: a file of them is continued only with the same."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from captioner.checkpoint import digest
from captioner.command_line.names import Shard
from captioner.options import Options
from captioner.photo.limits import Limits

Settings = Mapping[str, Any]  # as JSON holds them

LONGEST = 20  # characters of a value in an error; a digest has more


def settings(
    checkpoint: Path, runtime: str, options: Options, limits: Limits, shard: Shard
) -> Settings:
    """Return all that captions, and the choice of their photos, depend on.

    Raises:
        OSError: the checkpoint cannot be read.
    """
    return {
        "checkpoint": digest(checkpoint),
        "runtime": runtime,
        **asdict(options),
        **asdict(limits),
        "shard": str(shard),
    }


def differences(before: Settings, now: Settings) -> str:
    """Say which settings differ; empty if none does."""
    return ", ".join(
        f"{key} was {_short(before.get(key))} and is {_short(now.get(key))}"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    )


def _short(value: object) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
