"""Every dependency is pinned, in the range that `pyproject.toml` gives."""

import re

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from tests.dependencies import EXTRAS, ROOT, installed, required

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


def test_every_installed_dependency_is_pinned() -> None:
    names = installed(required(EXTRAS))

    assert {"aiohttp", "idna", "torch", "pytest"} <= names
    assert names <= pinned().keys()


def test_every_pin_is_in_the_range_that_the_project_allows() -> None:
    pins = pinned()

    for requirement in required(EXTRAS):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_file_holds_only_versions() -> None:
    text = "\n".join(line for line in LINES if not line.startswith("#"))

    assert not re.search(r"https?:|file:|--|\+|@|/", text)
