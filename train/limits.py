"""The values that settings may have: checked before anything is computed, downloaded or written."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.files import unwritable, unwritable_folder
from train.errors import PathError, SettingError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Limit:
    """Which values are allowed."""

    allowed: str  # in words, after "it must be"
    holds: Callable[[Any], bool]


NOT_NEGATIVE = Limit("at least 0", lambda value: value >= 0)
AT_LEAST_1 = Limit("at least 1", lambda value: value >= 1)
ABOVE_0 = Limit("above 0", lambda value: value > 0)
SHARE = Limit("at least 0 and at most 1", lambda value: 0 <= value <= 1)
PART = Limit("at least 0 and below 1", lambda value: 0 <= value < 1)
# A ResNet halves its input five times, and the cache has a place for each whole region.
SQUARE = Limit("a multiple of 32, at least 32", lambda value: value >= 32 and value % 32 == 0)

# Those of the same name mean the same in every command.
LIMITS: Mapping[str, Limit] = {
    "average": PART,
    "captions": AT_LEAST_1,
    "clip": ABOVE_0,
    "crop": Limit("above 0 and at most 1", lambda value: 0 < value <= 1),
    "doubly_stochastic": NOT_NEGATIVE,
    "dropout": PART,
    "embedding_size": AT_LEAST_1,
    "encoder_learning_rate": NOT_NEGATIVE,
    "epochs": NOT_NEGATIVE,
    "erase": SHARE,
    "estimate_batch_norm": NOT_NEGATIVE,
    "fine_tune": NOT_NEGATIVE,
    "fine_tune_learning_rate": ABOVE_0,
    "frozen_layers": Limit("at least 0 and at most 4", lambda value: 0 <= value <= 4),
    "heads": AT_LEAST_1,
    "hidden_size": AT_LEAST_1,
    "label_smoothing": PART,
    "language": Limit(
        "a code of ISO 639 in small letters, such as de",
        lambda value: re.fullmatch("[a-z]{2,3}", value) is not None,
    ),
    "learning_rate": ABOVE_0,
    "max_length": AT_LEAST_1,
    "min_count": AT_LEAST_1,
    "photos": AT_LEAST_1,
    "repetition_penalty": NOT_NEGATIVE,
    "right": NOT_NEGATIVE,
    # A caption is compared with the other samples of its photo.
    "samples": Limit("at least 2", lambda value: value >= 2),
    "self_critical": NOT_NEGATIVE,
    "size": AT_LEAST_1,
    "teacher_forcing": NOT_NEGATIVE,
    "val_beam": AT_LEAST_1,
    "views": AT_LEAST_1,
    "warmup": SHARE,
    "weight_decay": NOT_NEGATIVE,
    "word_dropout": SHARE,
}


def flag(name: str) -> str:
    """Return a setting's flag of the command line."""
    return f"--{name.replace('_', '-')}"


def check(config: "DataclassInstance", **others: Limit) -> None:
    """Refuse settings that nothing can be computed with, and folders that cannot be written in.

    The folder of the cache is made.

    Args:
        config: of a command; a setting that is None is not checked.
        others: limits of this command alone, by the name of the setting.

    Raises:
        SettingError: a value is not allowed.
        PathError: a file or a folder of results cannot be written.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        limit = others.get(field.name) or LIMITS.get(field.name)
        if limit and isinstance(value, int | float | str) and not limit.holds(value):
            raise SettingError(flag(field.name), value, limit.allowed)
    if cache := getattr(config, "cache", None):
        _make_cache(cache)
    if run := getattr(config, "run", None):
        check_folder(run, "cannot be the folder of a run")
    for name in ("out", "runs", "results"):
        if folder := getattr(config, name, None):
            check_folder(folder, f"{flag(name)} cannot be this folder")
    save: Path | None = getattr(config, "save", None)
    if save and (problem := unwritable(save)):
        raise PathError(save, f"--save cannot write this file: {problem}")


def check_folder(folder: Path, refusal: str) -> None:
    """Refuse a folder that cannot be made or written in, before hours of work are lost.

    Raises:
        PathError: with the refusal and the reason.
    """
    if problem := unwritable_folder(folder):
        raise PathError(folder, f"{refusal} ({problem})")


def _make_cache(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PathError(folder, f"--cache cannot be this folder: {error.strerror}") from error
