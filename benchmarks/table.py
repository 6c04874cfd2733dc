"""Tables in Markdown, as they stand in documents."""

import statistics
from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with such a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median of values, and between which they lie."""
    low, middle, high = (f"{pick(values):,.{digits}f}" for pick in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"
