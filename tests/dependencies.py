"""What the project depends on, as `pyproject.toml` and the installed packages declare it."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = SETTINGS["project"]
TOOLS: dict[str, Any] = SETTINGS["tool"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def required(extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """Yield what the project requires, with the extras that an extra of its own brings."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    for requirement in map(Requirement, lines):
        if requirement.name == PROJECT["name"]:
            yield from required(requirement.extras)
        else:
            yield requirement


def installed(requirements: Iterable[Requirement]) -> set[NormalizedName]:
    """Return the installed packages that the requirements bring, those of other packages too."""
    seen: set[tuple[NormalizedName, str]] = set()
    for requirement in requirements:
        _walk(requirement, seen)
    return {name for name, _ in seen}


def _walk(requirement: Requirement, seen: set[tuple[NormalizedName, str]]) -> None:
    for extra in ("", *requirement.extras):
        key = canonicalize_name(requirement.name), extra
        if key in seen:
            continue
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:  # of another system, or of an extra that is not installed
            continue
        seen.add(key)
        for needed in map(Requirement, found.requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                _walk(needed, seen)
