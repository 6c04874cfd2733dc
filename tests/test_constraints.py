"""Every dependency is pinned, in the range that `pyproject.toml` gives."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
NAME = "photo-captioner"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "constraints.txt").read_text().splitlines()


def pinned() -> dict[NormalizedName, Version]:
    """Return the versions for this Python and system."""
    pins: dict[NormalizedName, Version] = {}
    for line in LINES:
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                name = canonicalize_name(requirement.name)
                (specifier,) = requirement.specifier
                assert specifier.operator == "=="
                assert name not in pins
                pins[name] = Version(specifier.version)
    return pins


def required() -> list[Requirement]:
    """Return what the project asks for, with all extras."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    asked = [Requirement(line) for lines in lists for line in lines]
    return [requirement for requirement in asked if requirement.name != NAME]


def needed(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[NormalizedName]:
    """Walk over what is installed because of a requirement."""
    for extra in ("", *requirement.extras):
        key = canonicalize_name(requirement.name), extra
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:  # of another system or an extra that is not installed
            continue
        yield key[0]
        for line in found.requires or ():
            further = Requirement(line)
            if further.marker is None or further.marker.evaluate({"extra": extra}):
                yield from needed(further, seen)


def test_all_that_is_installed_for_the_project_is_pinned() -> None:
    seen: set[tuple[str, str]] = set()
    names = {name for requirement in required() for name in needed(requirement, seen)}

    assert {"aiohttp", "idna", "torch", "pytest"} <= names
    assert names <= pinned().keys()


def test_every_pin_is_one_that_the_project_allows() -> None:
    pins = pinned()

    for requirement in required():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_file_names_versions_alone() -> None:
    text = "\n".join(line for line in LINES if not line.startswith("#"))

    assert not re.search(r"https?:|file:|--|\+|@|/", text)
