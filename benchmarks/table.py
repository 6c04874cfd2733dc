"""Tables in Markdown, as the documents show them."""

import statistics
from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Format the median, the smallest and the largest of some values."""
    low, middle, high = (f"{pick(values):,.{digits}f}" for pick in (min, statistics.median, max))
    return f"{middle} ({low} to {high})"
