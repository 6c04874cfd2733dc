"""Training draws pictures at every epoch, which takes longer than an epoch of a tiny model.

Only the tests that look at pictures have them drawn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.train.slim import slim
from train.report import plots

DRAWN = {name: getattr(plots, name) for name in ("draw_curves", "draw_sample_sheet")}


@pytest.fixture(scope="session", autouse=True)
def undrawn() -> Iterator[None]:
    """Leave out the drawing."""
    with not_drawing():
        yield


@contextmanager
def not_drawing() -> Iterator[None]:
    """Leave out the drawing in this context."""

    def draw(data: object, png: Path, *rest: Any) -> None:
        png.touch()

    with pytest.MonkeyPatch.context() as patch:
        for name in DRAWN:
            patch.setattr(plots, name, draw)
        yield


@pytest.fixture(scope="module")
def slim_resnet18() -> Iterator[None]:
    """Have the tests of a file train slim ResNets."""
    with slim():
        yield


@contextmanager
def drawing() -> Iterator[None]:
    """Have pictures drawn in this context."""
    with pytest.MonkeyPatch.context() as patch:
        for name, draw in DRAWN.items():
            patch.setattr(plots, name, draw)
        yield
