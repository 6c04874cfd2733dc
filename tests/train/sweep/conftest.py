"""A sweep scores every variant with ten decodings; two of them show as much."""

from collections.abc import Iterator

import pytest

from tests.conftest import LONG
from train.sweep import command, scoring

SHORT = (scoring.Decoding(1, None), scoring.Decoding(5, 1.0))
DECODINGS = scoring.DECODINGS if LONG else SHORT


@pytest.fixture(scope="session", autouse=True)
def few_decodings() -> Iterator[None]:
    """Score with two decodings, but for `make test-all`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "DECODINGS", DECODINGS)
        yield
